//! The records of the verifying load: numbered and checksummed.
//!
//! Layout of a value, big-endian: magic (4 bytes), run (8), partition (4), sequence (8), CRC-32C
//! of all before it and of the filler after it (4), filler up to the size asked for.

use std::fmt;

const MAGIC: [u8; 4] = *b"KTS1";
const CHECKSUM_AT: usize = 24;

/// The smallest value: everything but the filler.
pub const SIZE_BYTES_MIN: usize = CHECKSUM_AT + 4;

/// The largest value that the load makes.
pub const SIZE_BYTES_MAX: usize = 1 << 20;

/// Which record this is: unique within a run.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RecordId {
    /// Drawn once a run, so that an older run's records are not mistaken for this one's.
    pub run: u64,
    /// The partition that it was sent to.
    pub partition: i32,
    /// Its number in that partition, from zero, without gaps.
    pub sequence: u64,
}

impl fmt::Display for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "record {} of partition {}",
            self.sequence, self.partition
        )
    }
}

/// The run number of the probes beside a run: records that only measure when a partition can be
/// written again, and that the verdict passes over.
#[must_use]
pub const fn probe_run(run: u64) -> u64 {
    !run
}

/// Failed to read a record of the load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// It is too short or begins with other bytes.
    #[error("failed to read record: not one of the load's")]
    Foreign,
    /// Its checksum is wrong.
    #[error("failed to read record: its bytes do not match its checksum")]
    Corrupt,
}

impl RecordId {
    /// The value of this record, `size_bytes` long (within the limits of this module).
    #[must_use]
    pub fn encode(self, size_bytes: usize) -> Vec<u8> {
        let size_bytes = size_bytes.clamp(SIZE_BYTES_MIN, SIZE_BYTES_MAX);
        let mut value = Vec::with_capacity(size_bytes);
        value.extend_from_slice(&MAGIC);
        value.extend_from_slice(&self.run.to_be_bytes());
        value.extend_from_slice(&self.partition.to_be_bytes());
        value.extend_from_slice(&self.sequence.to_be_bytes());
        value.extend_from_slice(&[0; 4]);
        // The filler differs from record to record, so that a swapped tail is noticed.
        let pattern = self
            .sequence
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .to_be_bytes();
        value.extend(
            pattern
                .iter()
                .copied()
                .cycle()
                .take(size_bytes - SIZE_BYTES_MIN),
        );
        let checksum = checksum(&value);
        value[CHECKSUM_AT..SIZE_BYTES_MIN].copy_from_slice(&checksum.to_be_bytes());
        value
    }

    /// Which record this value is.
    ///
    /// # Errors
    /// If it is not one of the load's, or its bytes were changed.
    pub fn decode(value: &[u8]) -> Result<Self, ReadError> {
        if value.len() < SIZE_BYTES_MIN || value[..4] != MAGIC {
            return Err(ReadError::Foreign);
        }
        if read_u32(value, CHECKSUM_AT) != checksum(value) {
            return Err(ReadError::Corrupt);
        }
        let partition = read_u32(value, 12).cast_signed();
        Ok(Self {
            run: read_u64(value, 4),
            partition,
            sequence: read_u64(value, 16),
        })
    }
}

fn checksum(value: &[u8]) -> u32 {
    let head = crc32c::crc32c(&value[..CHECKSUM_AT]);
    crc32c::crc32c_append(head, &value[SIZE_BYTES_MIN..])
}

fn read_u32(bytes: &[u8], at: usize) -> u32 {
    bytes[at..at + 4]
        .iter()
        .fold(0, |sum, byte| sum << 8 | u32::from(*byte))
}

fn read_u64(bytes: &[u8], at: usize) -> u64 {
    bytes[at..at + 8]
        .iter()
        .fold(0, |sum, byte| sum << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_survives_being_encoded_and_decoded() {
        let id = RecordId {
            run: u64::MAX - 5,
            partition: 119,
            sequence: 1 << 40,
        };
        for size_bytes in [0, SIZE_BYTES_MIN, 100, 4_096] {
            assert_eq!(RecordId::decode(&id.encode(size_bytes)), Ok(id));
        }
    }

    #[test]
    fn a_record_with_any_byte_changed_is_noticed() {
        let value = RecordId {
            run: 1,
            partition: 2,
            sequence: 3,
        }
        .encode(64);
        for at in 0..value.len() {
            let mut changed = value.clone();
            changed[at] ^= 0x40;
            assert!(RecordId::decode(&changed).is_err(), "byte {at}");
        }
    }
}
