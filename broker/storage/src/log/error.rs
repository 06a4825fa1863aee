//! Errors of a log.

use std::path::PathBuf;

use kintsugi_types::{ErrorCode, LeaderEpoch, Offset};
use kintsugi_wire::batch::BatchError;

use crate::fs::FsError;
use crate::segment::SegmentError;

/// Why a log could not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// No record has, or next will have, this offset.
    #[error("failed to read from offset {requested}: the log has {log_start} to {log_end}")]
    OffsetOutOfRange {
        /// The offset asked for.
        requested: Offset,
        /// The log's first offset.
        log_start: Offset,
        /// The log's end.
        log_end: Offset,
    },
    /// What was to be appended is not a run of whole, intact batches.
    #[error("failed to append batches: {0}")]
    Batch(#[source] BatchError),
    /// There was nothing to append.
    #[error("failed to append batches: there are none")]
    Empty,
    /// A batch is larger than `max.message.bytes` or `segment.bytes`.
    #[error("failed to append batch: it has {size_bytes} bytes, the limit is {max_bytes}")]
    BatchTooLarge {
        /// The batch's size.
        size_bytes: usize,
        /// The limit.
        max_bytes: usize,
    },
    /// A follower was given batches that do not begin at its end.
    #[error("failed to append batch: its base offset is {found}, the log's end {expected}")]
    NotContiguous {
        /// Where it had to begin.
        expected: Offset,
        /// Where it begins.
        found: Offset,
    },
    /// A batch has an epoch below one that the log has.
    #[error("failed to append batch: its leader epoch is {found}, the log's latest {latest}")]
    EpochWentBack {
        /// The latest epoch of the log.
        latest: LeaderEpoch,
        /// The batch's epoch.
        found: LeaderEpoch,
    },
    /// What was given to be written over a damaged batch is not that batch.
    #[error("failed to mend the log at offset {offset}: what was given is not what stood there")]
    OtherBatch {
        /// The offset of the damaged batch.
        offset: Offset,
    },
    /// Bytes on the disk are not what was written.
    #[error(transparent)]
    Segment(#[from] SegmentError),
    /// The file system failed.
    #[error(transparent)]
    Fs(#[from] FsError),
    /// An earlier failure left the files in an unknown state.
    #[error(
        "failed to write to the log in {}: it takes no more writes until it is opened again, because: {reason}",
        directory.display()
    )]
    Poisoned {
        /// The log's directory.
        directory: PathBuf,
        /// The earlier failure.
        reason: String,
    },
}

impl LogError {
    /// What a client or follower is told.
    #[must_use]
    pub const fn error_code(&self) -> ErrorCode {
        match self {
            Self::OffsetOutOfRange { .. } => ErrorCode::OffsetOutOfRange,
            Self::Batch(source) => source.error_code(),
            Self::Empty => ErrorCode::InvalidRecord,
            Self::BatchTooLarge { .. } => ErrorCode::MessageTooLarge,
            Self::NotContiguous { .. } | Self::OtherBatch { .. } => ErrorCode::CorruptMessage,
            Self::EpochWentBack { .. } => ErrorCode::FencedLeaderEpoch,
            Self::Segment(_) | Self::Fs(_) | Self::Poisoned { .. } => ErrorCode::KafkaStorageError,
        }
    }

    /// Whether the disk is full.
    #[must_use]
    pub fn is_disk_full(&self) -> bool {
        match self {
            Self::Fs(error) | Self::Segment(SegmentError::Fs(error)) => error.is_disk_full(),
            _ => false,
        }
    }
}
