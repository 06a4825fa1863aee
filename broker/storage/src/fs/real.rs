//! The operating system's file system.

use std::fs;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use super::{File, FileSystem, FsError, OpenMode};

/// The zeros written at once by [`File::allocate_zeroed`].
static ZEROS: [u8; 64 * 1024] = [0; 64 * 1024];

/// The operating system's file system.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealFileSystem;

/// An open file of the operating system. Closed on drop.
#[derive(Debug)]
pub struct RealFile {
    file: fs::File,
    path: Arc<Path>,
}

impl RealFile {
    fn error(&self, act: &'static str) -> impl FnOnce(io::Error) -> FsError {
        let path = Arc::clone(&self.path);
        move |source| FsError::new(act, &path, source)
    }
}

impl File for RealFile {
    fn read_at(&self, buffer: &mut [u8], position: u64) -> Result<usize, FsError> {
        loop {
            match self.file.read_at(buffer, position) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => return other.map_err(self.error("read from")),
            }
        }
    }

    fn write_at(&self, bytes: &[u8], position: u64) -> Result<(), FsError> {
        self.file
            .write_all_at(bytes, position)
            .map_err(self.error("write to"))
    }

    fn size_bytes(&self) -> Result<u64, FsError> {
        let metadata = self.file.metadata();
        Ok(metadata.map_err(self.error("ask the size of"))?.len())
    }

    fn set_len(&self, size_bytes: u64) -> Result<(), FsError> {
        self.file
            .set_len(size_bytes)
            .map_err(self.error("set the length of"))
    }

    fn sync_data(&self) -> Result<(), FsError> {
        self.file.sync_data().map_err(self.error("sync"))
    }

    fn allocate_zeroed(&self, size_bytes: u64) -> Result<(), FsError> {
        let mut position = self.size_bytes()?;
        if position >= size_bytes {
            return Ok(());
        }
        // The extents that fallocate gives are marked unwritten, and the first write to each would
        // change metadata after all. It still keeps the file in one piece, and finds a full disk
        // early. Some file systems do not know it.
        let flags = rustix::fs::FallocateFlags::KEEP_SIZE;
        match rustix::fs::fallocate(&self.file, flags, position, size_bytes - position) {
            Ok(()) | Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(self.error("allocate space for")(errno.into())),
        }
        while position < size_bytes {
            let left = usize::try_from(size_bytes - position).unwrap_or(usize::MAX);
            let zeros = &ZEROS[..left.min(ZEROS.len())];
            self.write_at(zeros, position)?;
            position += zeros.len() as u64;
        }
        Ok(())
    }
}

impl FileSystem for RealFileSystem {
    type File = RealFile;

    fn open(&self, path: &Path, mode: OpenMode) -> Result<RealFile, FsError> {
        let file = fs::OpenOptions::new()
            .read(true)
            .write(mode != OpenMode::Read)
            .create(mode == OpenMode::Create)
            .truncate(false)
            .open(path)
            .map_err(|source| FsError::new("open", path, source))?;
        Ok(RealFile {
            file,
            path: path.into(),
        })
    }

    fn create_dir_all(&self, path: &Path) -> Result<(), FsError> {
        fs::create_dir_all(path).map_err(|e| FsError::new("create directory", path, e))
    }

    fn read_dir(&self, path: &Path) -> Result<Vec<String>, FsError> {
        let error = |source| FsError::new("list directory", path, source);
        let mut names = Vec::new();
        for entry in fs::read_dir(path).map_err(error)? {
            if let Ok(name) = entry.map_err(error)?.file_name().into_string() {
                names.push(name);
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<(), FsError> {
        super::check_same_directory(from, to)?;
        fs::rename(from, to).map_err(|e| FsError::new("rename", from, e))
    }

    fn remove_file(&self, path: &Path) -> Result<(), FsError> {
        fs::remove_file(path).map_err(|e| FsError::new("remove", path, e))
    }

    fn remove_dir_all(&self, path: &Path) -> Result<(), FsError> {
        fs::remove_dir_all(path).map_err(|e| FsError::new("remove directory", path, e))
    }

    fn sync_dir(&self, path: &Path) -> Result<(), FsError> {
        // The parent of a bare name is the empty path: the current directory.
        let opened = if path.as_os_str().is_empty() {
            Path::new(".")
        } else {
            path
        };
        fs::File::open(opened)
            .and_then(|directory| directory.sync_all())
            .map_err(|e| FsError::new("sync directory", path, e))
    }

    fn size_of(&self, path: &Path) -> Result<Option<u64>, FsError> {
        match fs::metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(FsError::new("ask the size of", path, error)),
            Ok(metadata) => Ok(Some(metadata.len())),
        }
    }

    fn exists(&self, path: &Path) -> Result<bool, FsError> {
        fs::exists(path).map_err(|e| FsError::new("look for", path, e))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_real_file_system_conforms() {
        crate::testing::file_system_conformance(|| {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().to_owned();
            (RealFileSystem, path, Box::new(directory))
        });
    }
}
