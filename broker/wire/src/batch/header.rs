//! Reading and stamping the header.

use kintsugi_types::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, TimestampMs};

use super::{BatchAttributes, BatchError};

/// The size of a batch header, in bytes.
pub const HEADER_BYTES: usize = 61;

/// The bytes before what the length field counts: base offset and length.
pub(crate) const LENGTH_PREFIX_BYTES: usize = 12;

/// Where what the CRC covers begins: the attributes.
pub(crate) const CRC_START: usize = 21;

const MAGIC: i8 = 2;

/// The header of a record batch, magic 2.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BatchHeader {
    /// The offset of the first record (or where it was, in a compacted batch).
    pub base_offset: Offset,
    /// The bytes that follow this field.
    pub batch_length: i32,
    /// The epoch of the leader that appended the batch.
    pub leader_epoch: LeaderEpoch,
    /// The format: always 2.
    pub magic: i8,
    /// CRC-32C of everything from the attributes on.
    pub crc: u32,
    /// Compression and flags.
    pub attributes: BatchAttributes,
    /// The last record's offset less the base offset; kept by compaction.
    pub last_offset_delta: i32,
    /// The timestamp of the first record.
    pub base_timestamp: TimestampMs,
    /// The greatest timestamp in the batch.
    pub max_timestamp: TimestampMs,
    /// The producer, or -1.
    pub producer_id: ProducerId,
    /// The producer's epoch, or -1.
    pub producer_epoch: ProducerEpoch,
    /// The sequence number of the first record, or -1.
    pub base_sequence: i32,
    /// How many records there are.
    pub record_count: i32,
}

fn field<const N: usize>(bytes: &[u8; HEADER_BYTES], at: usize) -> [u8; N] {
    let mut raw = [0; N];
    raw.copy_from_slice(&bytes[at..at + N]);
    raw
}

impl BatchHeader {
    /// Reads the header at the start of `bytes`; the records need not be there.
    ///
    /// Checks only what the layout depends on: enough bytes, the magic, a length that covers the
    /// header, and a last offset that is not before the base offset or past the greatest number.
    ///
    /// # Errors
    /// [`BatchError::Truncated`], [`BatchError::Magic`], [`BatchError::Length`],
    /// [`BatchError::Count`] or [`BatchError::OffsetOverflow`].
    pub fn parse(bytes: &[u8]) -> Result<Self, BatchError> {
        let Some(raw) = bytes.first_chunk::<HEADER_BYTES>() else {
            return Err(BatchError::Truncated {
                needed: HEADER_BYTES as u64,
                found: bytes.len(),
            });
        };
        let header = Self {
            base_offset: Offset(i64::from_be_bytes(field(raw, 0))),
            batch_length: i32::from_be_bytes(field(raw, 8)),
            leader_epoch: LeaderEpoch(i32::from_be_bytes(field(raw, 12))),
            magic: i8::from_be_bytes(field(raw, 16)),
            crc: u32::from_be_bytes(field(raw, 17)),
            attributes: BatchAttributes(i16::from_be_bytes(field(raw, CRC_START))),
            last_offset_delta: i32::from_be_bytes(field(raw, 23)),
            base_timestamp: TimestampMs(i64::from_be_bytes(field(raw, 27))),
            max_timestamp: TimestampMs(i64::from_be_bytes(field(raw, 35))),
            producer_id: ProducerId(i64::from_be_bytes(field(raw, 43))),
            producer_epoch: ProducerEpoch(i16::from_be_bytes(field(raw, 51))),
            base_sequence: i32::from_be_bytes(field(raw, 53)),
            record_count: i32::from_be_bytes(field(raw, 57)),
        };
        header.check_layout()?;
        Ok(header)
    }

    fn check_layout(&self) -> Result<(), BatchError> {
        if self.magic != MAGIC {
            return Err(BatchError::Magic(self.magic));
        }
        let length_min = HEADER_BYTES - LENGTH_PREFIX_BYTES;
        if usize::try_from(self.batch_length).map_or(true, |length| length < length_min) {
            return Err(BatchError::Length(self.batch_length));
        }
        if self.last_offset_delta < 0 || self.record_count < 0 {
            return Err(BatchError::Count {
                record_count: self.record_count,
                last_offset_delta: self.last_offset_delta,
            });
        }
        let delta = i64::from(self.last_offset_delta) + 1;
        if self.base_offset.0.checked_add(delta).is_none() {
            return Err(BatchError::OffsetOverflow(self.base_offset.0));
        }
        Ok(())
    }

    /// The whole batch's size, in bytes, header included.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        LENGTH_PREFIX_BYTES + usize::try_from(self.batch_length).unwrap_or(0)
    }

    /// The offset of the last record (as produced; compaction may have removed it).
    #[must_use]
    pub const fn last_offset(&self) -> Offset {
        self.base_offset.plus(self.last_offset_delta as i64)
    }

    /// The offset of the record after this batch.
    #[must_use]
    pub const fn next_offset(&self) -> Offset {
        self.last_offset().plus(1)
    }

    /// The sequence number of the last record, wrapping to zero past `i32::MAX` as producers do;
    /// -1 without a producer.
    #[must_use]
    pub const fn last_sequence(&self) -> i32 {
        if self.producer_id.0 < 0 || self.base_sequence < 0 {
            return -1;
        }
        let last = self.base_sequence as i64 + self.last_offset_delta as i64;
        (last % (i32::MAX as i64 + 1)) as i32
    }
}

/// Writes the base offset and the leader epoch into the batch at the start of `bytes`. Both lie
/// outside the CRC, so nothing else changes.
///
/// # Errors
/// [`BatchError::Truncated`] when there is no whole header.
pub fn stamp(
    bytes: &mut [u8],
    base_offset: Offset,
    leader_epoch: LeaderEpoch,
) -> Result<(), BatchError> {
    let found = bytes.len();
    let Some(header) = bytes.first_chunk_mut::<HEADER_BYTES>() else {
        return Err(BatchError::Truncated {
            needed: HEADER_BYTES as u64,
            found,
        });
    };
    header[0..8].copy_from_slice(&base_offset.0.to_be_bytes());
    header[12..16].copy_from_slice(&leader_epoch.0.to_be_bytes());
    Ok(())
}
