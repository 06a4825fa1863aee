//! The file system as the rest of this crate sees it.
//!
//! Guarantees: [`RealFileSystem`] and [`MemoryFileSystem`] pass one conformance suite
//! ([`crate::testing::file_system_conformance`]). Every error names the act and the path.
//! Assumes: one process uses a directory at a time (see [`DirectoryLock`]).
//! Never maps files into memory and never keeps state between calls, other than open files.

mod error;
mod lock;
pub mod memory;
mod real;

use std::path::Path;

pub use error::FsError;
pub use lock::DirectoryLock;
pub use memory::MemoryFileSystem;
pub use real::{RealFile, RealFileSystem};

/// How to open a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OpenMode {
    /// To read; it must exist.
    Read,
    /// To read and write; it must exist.
    Write,
    /// To read and write; made if it does not exist, never emptied.
    Create,
}

/// An open file. Positions and lengths are in bytes. All methods take `&self`, so that a file can
/// be synced on another thread while it is appended to.
pub trait File: Send + Sync + 'static {
    /// Reads up to `buffer.len()` bytes; fewer at the end of the file, and possibly before it.
    ///
    /// # Errors
    /// When the file cannot be read.
    fn read_at(&self, buffer: &mut [u8], position: u64) -> Result<usize, FsError>;

    /// Writes all of `bytes`, lengthening the file where needed.
    ///
    /// # Errors
    /// When not all of it could be written; any part of it may have been.
    fn write_at(&self, bytes: &[u8], position: u64) -> Result<(), FsError>;

    /// The file's length.
    ///
    /// # Errors
    /// When it cannot be asked for.
    fn size_bytes(&self) -> Result<u64, FsError>;

    /// Cuts the file or lengthens it with zeros.
    ///
    /// # Errors
    /// When the length cannot be set.
    fn set_len(&self, size_bytes: u64) -> Result<(), FsError>;

    /// Makes the content and the length durable (fdatasync).
    ///
    /// # Errors
    /// When it fails; what was written since the last success must then be taken as lost.
    fn sync_data(&self) -> Result<(), FsError>;

    /// Lengthens the file to `size_bytes` with zeros that are really written, so that later writes
    /// in that range change no metadata. Does nothing to a file that is long enough.
    ///
    /// # Errors
    /// When there is no room or the write fails.
    fn allocate_zeroed(&self, size_bytes: u64) -> Result<(), FsError>;

    /// Reads until the buffer is full or the file ends; gives how many bytes were read.
    ///
    /// # Errors
    /// When the file cannot be read.
    fn read_full_at(&self, buffer: &mut [u8], position: u64) -> Result<usize, FsError> {
        let mut done = 0;
        while done < buffer.len() {
            match self.read_at(&mut buffer[done..], position + done as u64)? {
                0 => break,
                read => done += read,
            }
        }
        Ok(done)
    }
}

/// A file system, cheap to clone: a handle.
pub trait FileSystem: Clone + Send + Sync + 'static {
    /// Its open files.
    type File: File;

    /// Opens a file.
    ///
    /// # Errors
    /// When it does not exist (unless it is to be made) or cannot be opened.
    fn open(&self, path: &Path, mode: OpenMode) -> Result<Self::File, FsError>;

    /// Makes a directory and those above it; succeeds when it exists.
    ///
    /// # Errors
    /// When it cannot be made.
    fn create_dir_all(&self, path: &Path) -> Result<(), FsError>;

    /// The names in a directory, in byte order. Names that are not UTF-8 are left out.
    ///
    /// # Errors
    /// When the directory does not exist or cannot be read.
    fn read_dir(&self, path: &Path) -> Result<Vec<String>, FsError>;

    /// Renames within one directory, replacing a file that has the new name, but no directory that
    /// holds something. Nobody sees it half done.
    ///
    /// # Errors
    /// When `from` does not exist, the two do not share a directory, or the new name is taken
    /// ([`FsError::is_taken`]).
    fn rename(&self, from: &Path, to: &Path) -> Result<(), FsError>;

    /// Removes a file.
    ///
    /// # Errors
    /// When it does not exist or is a directory.
    fn remove_file(&self, path: &Path) -> Result<(), FsError>;

    /// Removes a directory and all in it.
    ///
    /// # Errors
    /// When it does not exist or cannot be removed.
    fn remove_dir_all(&self, path: &Path) -> Result<(), FsError>;

    /// Makes a directory's entries durable: what was created, renamed and removed in it.
    ///
    /// # Errors
    /// When it fails; the entries must then be taken as not durable.
    fn sync_dir(&self, path: &Path) -> Result<(), FsError>;

    /// Whether there is a file or directory of this name.
    ///
    /// # Errors
    /// When that cannot be told.
    fn exists(&self, path: &Path) -> Result<bool, FsError>;

    /// The length of a file in bytes; `None` if there is none of this name.
    ///
    /// # Errors
    /// When that cannot be told.
    fn size_of(&self, path: &Path) -> Result<Option<u64>, FsError> {
        match self.open(path, OpenMode::Read) {
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
            Ok(file) => file.size_bytes().map(Some),
        }
    }

    /// Reads a whole file of at most `size_max_bytes`.
    ///
    /// # Errors
    /// When it cannot be read or is larger.
    fn read_to_vec(&self, path: &Path, size_max_bytes: u64) -> Result<Vec<u8>, FsError> {
        let file = self.open(path, OpenMode::Read)?;
        let size_bytes = file.size_bytes()?;
        if size_bytes > size_max_bytes {
            return Err(FsError::too_large("read", path, size_bytes, size_max_bytes));
        }
        let mut content = vec![0; usize::try_from(size_bytes).unwrap_or(usize::MAX)];
        let read = file.read_full_at(&mut content, 0)?;
        content.truncate(read);
        Ok(content)
    }

    /// Replaces a file's content so that after a crash it is the old or the new, never a mixture:
    /// a temporary file is written, synced and renamed, then the directory is synced.
    ///
    /// # Errors
    /// When any of these steps fails; the old content then stands, or the new one does.
    fn write_atomically(&self, path: &Path, content: &[u8]) -> Result<(), FsError> {
        let mut temporary = path.as_os_str().to_owned();
        temporary.push(".tmp");
        let temporary = Path::new(&temporary);
        let file = self.open(temporary, OpenMode::Create)?;
        file.set_len(0)?;
        file.write_at(content, 0)?;
        file.sync_data()?;
        drop(file);
        self.rename(temporary, path)?;
        match path.parent() {
            Some(directory) => self.sync_dir(directory),
            None => Ok(()),
        }
    }
}

/// Refuses a rename from one directory to another.
fn check_same_directory(from: &Path, to: &Path) -> Result<(), FsError> {
    if from.parent() == to.parent() {
        return Ok(());
    }
    let text = format!("{} is in another directory", to.display());
    let source = std::io::Error::new(std::io::ErrorKind::InvalidInput, text);
    Err(FsError::new("rename", from, source))
}
