//! One segment of a log: `<20 digits>.log`, `.index` and `.timeindex`, in Apache Kafka's layout.
//!
//! Guarantees: a batch counts only after the whole write of it and of its index entries returned;
//! when one fails, [`Segment::undo`] brings the files back to what counts. The indexes are hints:
//! each use of them is checked against the batches.
//! Assumes batches in ascending order of offset. Never decodes records.

mod append;
pub(crate) mod damage;
mod descriptors;
mod index;
mod load;
mod mend;
mod names;
mod read;
mod rewrite;
mod scan;
mod truncate;

use kintsugi_types::{LeaderEpoch, Offset, TimestampMs};
use kintsugi_wire::batch::BatchError;
use serde::{Deserialize, Serialize};

use crate::fs::{FileSystem, FsError};
pub use descriptors::Descriptors;
use descriptors::FileSlot;
pub(crate) use load::Follows;
pub(crate) use mend::{DamagedAt, verified_at};
pub(crate) use names::{base_offset_of, is_index_name, log_name};
pub(crate) use read::{ReadLimits, whole_batches};

/// The largest batch that is appended or read: one must fit into a request, and Kafka's
/// `socket.request.max.bytes` is as large.
pub const BATCH_BYTES_MAX: usize = 100 << 20;

/// The most that one read gives, beyond a first batch that is larger.
pub const READ_BYTES_MAX: usize = 32 << 20;

/// The bytes of an entry of `.index`: relative offset and position, both 32 bits.
const INDEX_ENTRY_BYTES: u64 = 8;
/// The bytes of an entry of `.timeindex`: timestamp (64 bits) and relative offset (32 bits).
const TIME_INDEX_ENTRY_BYTES: u64 = 12;

/// Why a segment could not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum SegmentError {
    /// The file system failed.
    #[error(transparent)]
    Fs(#[from] FsError),
    /// The bytes at a position are not an intact batch.
    #[error("failed to read batch at position {position} of {path}: {source}")]
    Corrupt {
        /// The file.
        path: String,
        /// Where in it, in bytes.
        position: u64,
        /// What is wrong there.
        #[source]
        source: BatchError,
    },
    /// The batch at a position does not follow the one before it.
    #[error(
        "failed to read batch at position {position} of {path}: its base offset is {found}, {expected} was expected, or its leader epoch is lower than the one before it"
    )]
    Disordered {
        /// The file.
        path: String,
        /// Where in it, in bytes.
        position: u64,
        /// The base offset that should stand here.
        expected: Offset,
        /// The one that stands here.
        found: Offset,
    },
}

impl SegmentError {
    /// Whether the content is at fault, not the file system.
    pub(crate) fn is_content(&self) -> bool {
        matches!(self, Self::Corrupt { .. } | Self::Disordered { .. })
    }
}

/// A timestamp and the last offset of the batch that it is the greatest of.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct TimedOffset {
    pub(crate) timestamp: TimestampMs,
    pub(crate) offset: Offset,
}

/// What a segment knows of its content without reading it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Content {
    /// Bytes of `.log` that count.
    pub(crate) size_bytes: u64,
    /// The offset of the next batch.
    pub(crate) next_offset: Offset,
    /// The leader epoch of the last batch.
    pub(crate) last_epoch: Option<LeaderEpoch>,
    /// The greatest timestamp and where it was first reached.
    pub(crate) max_timestamp: Option<TimedOffset>,
    /// Entries of `.index` that count.
    index_entries: u64,
    /// Entries of `.timeindex` that count.
    time_entries: u64,
    /// The timestamp of the last entry of `.timeindex`.
    time_last: Option<TimestampMs>,
    /// Bytes since the batch of the last entry of `.index`.
    bytes_since_entry: u64,
}

impl Content {
    /// Whether the numbers can be those of a segment at `base`.
    pub(crate) fn is_plausible(&self, base: Offset) -> bool {
        self.next_offset >= base
            && (self.next_offset > base) == (self.size_bytes > 0)
            && self.bytes_since_entry <= self.size_bytes
    }

    fn empty(base: Offset) -> Self {
        Self {
            size_bytes: 0,
            next_offset: base,
            last_epoch: None,
            max_timestamp: None,
            index_entries: 0,
            time_entries: 0,
            time_last: None,
            bytes_since_entry: 0,
        }
    }
}

/// A segment. Its files are opened through the shared descriptors when they are needed. A clone
/// is a view of what counted then; only the original is written to.
#[derive(Clone)]
pub(crate) struct Segment<F: FileSystem> {
    pub(crate) base: Offset,
    pub(crate) content: Content,
    log: FileSlot,
    index: FileSlot,
    time_index: FileSlot,
    descriptors: Descriptors<F>,
    index_interval_bytes: u64,
}
