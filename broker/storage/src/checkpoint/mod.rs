//! Small files of a log directory, in Apache Kafka's formats.
//!
//! Guarantees: each is replaced atomically and durably; what is read is checked, and bounded by
//! [`FILE_BYTES_MAX`]. Never guesses: a file that cannot be parsed is an error.

mod clean_shutdown;
mod closed_logs;
mod leader_epochs;
mod meta_properties;
mod offsets;
mod partition_metadata;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use crate::fs::FsError;
pub use clean_shutdown::{mark_clean_shutdown, take_clean_shutdown};
pub use closed_logs::{ClosedLog, ClosedLogs, read_closed_logs, write_closed_logs};
pub use leader_epochs::{format_leader_epochs, parse_leader_epochs};
pub use meta_properties::MetaProperties;
pub use offsets::{OffsetCheckpoint, OffsetCheckpointFile, OffsetCheckpoints};
pub use partition_metadata::PartitionMetadata;

/// The largest checkpoint file that is read.
pub const FILE_BYTES_MAX: u64 = 64 << 20;

/// Why a small file could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The file system failed.
    #[error(transparent)]
    Fs(#[from] FsError),
    /// The content is not what it should be.
    #[error("failed to parse {}: {what}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        what: String,
    },
}
