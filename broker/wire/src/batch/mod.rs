//! The header of a record batch, magic 2 (KIP-98): the only part of records that the data path
//! reads.
//!
//! Guarantees: what [`verify`] accepted is one whole batch with the right CRC-32C, whose offsets
//! and sizes are consistent. Assumes nothing about its input. Never decompresses or decodes
//! records, and never copies them.

mod attributes;
mod header;
mod split;
#[cfg(test)]
mod tests;
mod verify;

pub use attributes::{BatchAttributes, Compression, TimestampType};
pub use header::{BatchHeader, HEADER_BYTES, stamp};
pub use split::{Split, split};
pub use verify::{verify, verify_produced};

use kintsugi_types::ErrorCode;

/// Why bytes are not an acceptable record batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// The bytes end before the batch does.
    #[error("failed to read batch: it takes {needed} bytes, {found} found")]
    Truncated {
        /// How many bytes the batch (or its header) takes.
        needed: u64,
        /// How many there are.
        found: usize,
    },
    /// Bytes follow where exactly one batch was expected.
    #[error("failed to read batch: it takes {expected} bytes, {found} found")]
    Trailing {
        /// How many bytes the batch takes.
        expected: usize,
        /// How many there are.
        found: usize,
    },
    /// The length field is smaller than a header.
    #[error("failed to read batch: length field {0} is smaller than a batch header")]
    Length(i32),
    /// Not the format of Kafka 0.11 and later.
    #[error("failed to read batch: magic {0}, only 2 is supported")]
    Magic(i8),
    /// The checksum does not match.
    #[error("failed to verify batch: CRC-32C is {computed:08x}, its header says {stored:08x}")]
    Crc {
        /// What the header says.
        stored: u32,
        /// What the bytes give.
        computed: u32,
    },
    /// The record count and the offsets contradict each other.
    #[error(
        "failed to verify batch: {record_count} records, last offset delta {last_offset_delta}"
    )]
    Count {
        /// The record count of the header.
        record_count: i32,
        /// The last offset delta of the header.
        last_offset_delta: i32,
    },
    /// Offsets would go past the greatest number.
    #[error("failed to verify batch: offsets from {0} overflow")]
    OffsetOverflow(i64),
    /// The compression bits name no codec.
    #[error("failed to verify batch: compression type {0} is unknown")]
    Compression(u8),
    /// Larger than `max.message.bytes`.
    #[error("failed to accept batch: {size_bytes} bytes, max.message.bytes is {max_bytes}")]
    TooLarge {
        /// The batch's size.
        size_bytes: usize,
        /// The limit.
        max_bytes: usize,
    },
    /// A client sent a control batch.
    #[error("failed to accept batch: clients may not write control batches")]
    Control,
    /// Transactions are not served.
    #[error("failed to accept batch: transactions are not supported")]
    Transactional,
    /// Producer id, epoch and sequence contradict each other.
    #[error(
        "failed to accept batch: producer id {producer_id}, epoch {producer_epoch}, base sequence {base_sequence}"
    )]
    Producer {
        /// The producer id of the header.
        producer_id: i64,
        /// The producer epoch of the header.
        producer_epoch: i16,
        /// The base sequence of the header.
        base_sequence: i32,
    },
}

impl BatchError {
    /// What a producer is told, as Kafka's broker would.
    #[must_use]
    pub const fn error_code(&self) -> ErrorCode {
        match self {
            Self::Truncated { .. } | Self::Length(_) | Self::Crc { .. } => {
                ErrorCode::CorruptMessage
            }
            Self::TooLarge { .. } => ErrorCode::MessageTooLarge,
            Self::Compression(_) => ErrorCode::UnsupportedCompressionType,
            Self::Trailing { .. }
            | Self::Magic(_)
            | Self::Count { .. }
            | Self::OffsetOverflow(_)
            | Self::Control
            | Self::Transactional
            | Self::Producer { .. } => ErrorCode::InvalidRecord,
        }
    }
}
