//! Single records: building and reading uncompressed batches, for internal topics and tests.
//!
//! Guarantees: what [`build`] writes, [`read`] reads back, header keys repeated in a record
//! included. Reading is bounded by the batch's own length. Never decompresses.

mod build;
mod read;
#[cfg(test)]
mod tests;

use bytes::Bytes;
use kintsugi_types::{Offset, TimestampMs};

use crate::batch::{BatchError, Compression};
use crate::primitive::CodecError;

pub use build::{BatchOptions, build, build_with};
pub use read::{RecordIterator, read};

/// A record to write.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Record {
    /// When it was created.
    pub timestamp: TimestampMs,
    /// The key, if any.
    pub key: Option<Bytes>,
    /// The value; `None` is a tombstone.
    pub value: Option<Bytes>,
    /// Headers in order; a key may be there more than once.
    pub headers: Vec<RecordHeader>,
}

/// A header of a record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RecordHeader {
    /// The key: UTF-8 by Kafka's definition, kept as bytes.
    pub key: Bytes,
    /// The value, if any.
    pub value: Option<Bytes>,
}

/// A record that was read, with its place in the log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RecordAt {
    /// Its offset.
    pub offset: Offset,
    /// The record.
    pub record: Record,
}

/// Why records could not be built or read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordsError {
    /// There is nothing to build a batch of.
    #[error("failed to build batch: no records")]
    Empty,
    /// A batch's fields cannot carry so much.
    #[error("failed to build batch: {0} does not fit")]
    TooLarge(&'static str),
    /// The batch itself is not intact.
    #[error("failed to read records")]
    Batch(#[from] BatchError),
    /// The records are compressed.
    #[error("failed to read records: they are compressed ({0:?})")]
    Compressed(Compression),
    /// A record is not intact.
    #[error("failed to read records")]
    Record(#[from] CodecError),
    /// A record's length field contradicts its content.
    #[error("failed to read records: record {index} takes {used} bytes, its length is {length}")]
    RecordLength {
        /// Which record of the batch, from zero.
        index: i32,
        /// The bytes of its fields.
        used: usize,
        /// What its length field says.
        length: usize,
    },
    /// A record's offset lies outside its batch.
    #[error("failed to read records: offset delta {delta} lies outside the batch")]
    OffsetDelta {
        /// The delta found.
        delta: i32,
    },
}
