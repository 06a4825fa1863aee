//! Errors of the file system.

use std::io;
use std::path::{Path, PathBuf};

/// Failed to do something to a file or directory.
#[derive(Debug, thiserror::Error)]
#[error("failed to {act} {}: {source}", path.display())]
pub struct FsError {
    /// What was tried, as a verb: "open", "write to".
    pub act: &'static str,
    /// On which file or directory.
    pub path: PathBuf,
    /// What the operating system said.
    #[source]
    pub source: io::Error,
}

impl FsError {
    /// An error of `act` on `path`.
    #[must_use]
    pub fn new(act: &'static str, path: &Path, source: io::Error) -> Self {
        Self {
            act,
            path: path.to_owned(),
            source,
        }
    }

    /// A file that is larger than its reader takes.
    #[must_use]
    pub fn too_large(act: &'static str, path: &Path, size_bytes: u64, max_bytes: u64) -> Self {
        let text = format!("it has {size_bytes} bytes, more than the limit of {max_bytes}");
        Self::new(act, path, io::Error::new(io::ErrorKind::FileTooLarge, text))
    }

    /// Whether the file or directory does not exist.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        self.source.kind() == io::ErrorKind::NotFound
    }

    /// Whether another directory has the name.
    #[must_use]
    pub fn is_taken(&self) -> bool {
        matches!(
            self.source.kind(),
            io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists
        )
    }

    /// Whether the disk, or a quota on it, is full.
    #[must_use]
    pub fn is_disk_full(&self) -> bool {
        matches!(
            self.source.kind(),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
        )
    }
}
