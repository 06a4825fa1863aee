//! Checking whole batches.

use bytes::Bytes;

use super::header::CRC_START;
use super::{BatchError, BatchHeader};

/// Checks that `bytes` are exactly one whole, intact batch: magic, length, CRC-32C, a known codec,
/// at least one record and no more records than offsets. (A batch that was compacted has fewer
/// records than offsets.)
///
/// # Errors
/// The first check that failed, as a [`BatchError`].
pub fn verify(bytes: &[u8]) -> Result<BatchHeader, BatchError> {
    let header = BatchHeader::parse(bytes)?;
    let expected = header.size_bytes();
    if bytes.len() < expected {
        return Err(BatchError::Truncated {
            needed: expected as u64,
            found: bytes.len(),
        });
    }
    if bytes.len() > expected {
        return Err(BatchError::Trailing {
            expected,
            found: bytes.len(),
        });
    }
    let computed = crc32c::crc32c(&bytes[CRC_START..]);
    if computed != header.crc {
        return Err(BatchError::Crc {
            stored: header.crc,
            computed,
        });
    }
    if header.attributes.compression().is_none() {
        let bits = header.attributes.0.to_be_bytes()[1] & 0x07;
        return Err(BatchError::Compression(bits));
    }
    if header.record_count < 1 || header.last_offset_delta < header.record_count - 1 {
        return Err(count_error(&header));
    }
    Ok(header)
}

/// Checks what a producer sent for one partition: one batch (as Produce v3 and later demand) that
/// is intact, has consecutive offsets, is no larger than `max_message_bytes`, is neither a control
/// batch nor transactional, and whose producer fields fit together.
///
/// The producer's base offset and leader epoch are not looked at: the leader stamps its own.
///
/// # Errors
/// The first check that failed; [`BatchError::error_code`] is what the producer is told.
pub fn verify_produced(bytes: &Bytes, max_message_bytes: usize) -> Result<BatchHeader, BatchError> {
    if bytes.is_empty() {
        // Not a cut batch, which a client may send again, but none.
        return Err(BatchError::Count {
            record_count: 0,
            last_offset_delta: -1,
        });
    }
    if bytes.len() > max_message_bytes {
        return Err(BatchError::TooLarge {
            size_bytes: bytes.len(),
            max_bytes: max_message_bytes,
        });
    }
    let header = verify(bytes)?;
    if header.last_offset_delta != header.record_count - 1 {
        return Err(count_error(&header));
    }
    if header.attributes.is_control() {
        return Err(BatchError::Control);
    }
    if header.attributes.is_transactional() {
        return Err(BatchError::Transactional);
    }
    // Without a producer id some clients leave the sequence at zero, so only an id binds the rest.
    let has_producer = header.producer_id.0 >= 0;
    let is_complete = header.producer_epoch.0 >= 0 && header.base_sequence >= 0;
    if header.producer_id.0 < -1 || (has_producer && !is_complete) {
        return Err(BatchError::Producer {
            producer_id: header.producer_id.0,
            producer_epoch: header.producer_epoch.0,
            base_sequence: header.base_sequence,
        });
    }
    Ok(header)
}

const fn count_error(header: &BatchHeader) -> BatchError {
    BatchError::Count {
        record_count: header.record_count,
        last_offset_delta: header.last_offset_delta,
    }
}
