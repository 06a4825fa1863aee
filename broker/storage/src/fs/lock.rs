//! The lock on a directory.

use std::fs;
use std::io;
use std::path::Path;

use super::FsError;

/// The name of the lock file, as Apache Kafka has it.
const LOCK_FILE: &str = ".lock";

/// A directory of the real file system that this process alone uses. Released on drop, and by the
/// kernel when the process ends.
#[derive(Debug)]
pub struct DirectoryLock {
    file: fs::File,
}

impl DirectoryLock {
    /// Locks `directory`, which must exist.
    ///
    /// # Errors
    /// When another process (or another lock of this one) holds it, or the lock file cannot be
    /// made.
    pub fn acquire(directory: &Path) -> Result<Self, FsError> {
        let path = directory.join(LOCK_FILE);
        let error = |source| FsError::new("lock", &path, source);
        let file = fs::OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(error)?;
        match file.try_lock() {
            Ok(()) => Ok(Self { file }),
            Err(fs::TryLockError::Error(source)) => Err(error(source)),
            Err(fs::TryLockError::WouldBlock) => Err(error(io::Error::new(
                io::ErrorKind::ResourceBusy,
                "another process uses this directory; stop it, or give this one a directory of its own",
            ))),
        }
    }

    /// Makes everything durable that was written, made or removed so far in the file system of the
    /// directory (syncfs): one wait in place of one for each file. Others' files are waited for too.
    ///
    /// # Errors
    /// When the disk failed at any time since the directory was locked, whichever file that
    /// concerned (Linux since 5.8): each file then has to be synced alone.
    pub fn sync_file_system(&self, directory: &Path) -> Result<(), FsError> {
        let synced = rustix::fs::syncfs(&self.file);
        synced.map_err(|e| FsError::new("sync the file system of", directory, e.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_locked_once_at_a_time() {
        let directory = tempfile::tempdir().unwrap();
        let lock = DirectoryLock::acquire(directory.path()).unwrap();
        let refused = DirectoryLock::acquire(directory.path()).unwrap_err();
        assert!(refused.to_string().contains("another process"), "{refused}");
        drop(lock);
        DirectoryLock::acquire(directory.path()).unwrap();
    }
}
