//! Building a batch.

use bytes::{BufMut, Bytes, BytesMut};
use kintsugi_types::{LeaderEpoch, Offset, ProducerEpoch, ProducerId};

use super::{Record, RecordsError};
use crate::batch::{BatchAttributes, HEADER_BYTES};
use crate::primitive::Writer;

const CRC_AT: usize = 17;
const LENGTH_AT: usize = 8;
const LENGTH_PREFIX_BYTES: usize = 12;

/// The fields of a batch that are not its records.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BatchOptions {
    /// The first record's offset.
    pub base_offset: Offset,
    /// The leader epoch.
    pub leader_epoch: LeaderEpoch,
    /// The producer, or -1.
    pub producer_id: ProducerId,
    /// The producer's epoch, or -1.
    pub producer_epoch: ProducerEpoch,
    /// The first record's sequence number, or -1.
    pub base_sequence: i32,
    /// The attribute bits; the records are written uncompressed whatever they say.
    pub attributes: BatchAttributes,
}

impl Default for BatchOptions {
    fn default() -> Self {
        Self {
            base_offset: Offset::ZERO,
            leader_epoch: LeaderEpoch::UNKNOWN,
            producer_id: ProducerId(-1),
            producer_epoch: ProducerEpoch(-1),
            base_sequence: -1,
            attributes: BatchAttributes(0),
        }
    }
}

/// Builds an uncompressed batch of `records` at offset 0 and without a producer.
///
/// # Errors
/// [`RecordsError::Empty`] or [`RecordsError::TooLarge`].
pub fn build(records: &[Record]) -> Result<Bytes, RecordsError> {
    build_with(BatchOptions::default(), records)
}

/// Builds an uncompressed batch of `records`.
///
/// # Errors
/// [`RecordsError::Empty`] or [`RecordsError::TooLarge`].
pub fn build_with(options: BatchOptions, records: &[Record]) -> Result<Bytes, RecordsError> {
    let Some(first) = records.first() else {
        return Err(RecordsError::Empty);
    };
    let count = i32::try_from(records.len()).map_err(|_| RecordsError::TooLarge("record count"))?;
    let base_timestamp = first.timestamp.0;
    let max_timestamp = records.iter().map(|r| r.timestamp.0).max();

    let mut out = BytesMut::with_capacity(HEADER_BYTES + records.len() * 64);
    out.put_i64(options.base_offset.0);
    out.put_i32(0);
    out.put_i32(options.leader_epoch.0);
    out.put_i8(2);
    out.put_u32(0);
    let crc_start = out.len();
    out.put_i16(options.attributes.0);
    out.put_i32(count - 1);
    out.put_i64(base_timestamp);
    out.put_i64(max_timestamp.unwrap_or(base_timestamp));
    out.put_i64(options.producer_id.0);
    out.put_i16(options.producer_epoch.0);
    out.put_i32(options.base_sequence);
    out.put_i32(count);

    let mut body = BytesMut::new();
    for (delta, record) in (0..count).zip(records) {
        body.clear();
        put_record(&mut body, record, base_timestamp, delta)?;
        out.put_varint(fit(body.len(), "record")?);
        out.put_slice(&body);
    }

    let length = fit(out.len() - LENGTH_PREFIX_BYTES, "batch")?;
    out[LENGTH_AT..LENGTH_PREFIX_BYTES].copy_from_slice(&length.to_be_bytes());
    let crc = crc32c::crc32c(&out[crc_start..]);
    out[CRC_AT..crc_start].copy_from_slice(&crc.to_be_bytes());
    Ok(out.freeze())
}

fn fit(length: usize, what: &'static str) -> Result<i32, RecordsError> {
    i32::try_from(length).map_err(|_| RecordsError::TooLarge(what))
}

fn put_record(
    out: &mut BytesMut,
    record: &Record,
    base_timestamp: i64,
    delta: i32,
) -> Result<(), RecordsError> {
    out.put_i8(0);
    // Wrapping on both sides gives back any timestamp, however far it is from the base.
    out.put_varlong(record.timestamp.0.wrapping_sub(base_timestamp));
    out.put_varint(delta);
    put_nullable(out, record.key.as_ref(), "key")?;
    put_nullable(out, record.value.as_ref(), "value")?;
    out.put_varint(fit(record.headers.len(), "header count")?);
    for header in &record.headers {
        put_nullable(out, Some(&header.key), "header key")?;
        put_nullable(out, header.value.as_ref(), "header value")?;
    }
    Ok(())
}

fn put_nullable(
    out: &mut BytesMut,
    bytes: Option<&Bytes>,
    what: &'static str,
) -> Result<(), RecordsError> {
    match bytes {
        None => out.put_varint(-1),
        Some(bytes) => {
            out.put_varint(fit(bytes.len(), what)?);
            out.put_slice(bytes);
        }
    }
    Ok(())
}
