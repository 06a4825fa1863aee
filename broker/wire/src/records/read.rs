//! Reading the records of an uncompressed batch.

use bytes::Bytes;
use kintsugi_types::{Offset, TimestampMs};

use super::{Record, RecordAt, RecordHeader, RecordsError};
use crate::batch::{self, BatchHeader, Compression, HEADER_BYTES, TimestampType};
use crate::primitive::{CodecError, Reader};

/// Verifies one whole batch and reads its records. Keys and values share the batch's memory.
///
/// An error is the last item of the iterator.
///
/// # Errors
/// [`RecordsError::Batch`] or [`RecordsError::Compressed`].
pub fn read(bytes: &Bytes) -> Result<RecordIterator, RecordsError> {
    let header = batch::verify(bytes)?;
    match header.attributes.compression() {
        Some(Compression::None) => {}
        compression => {
            let compression = compression.unwrap_or(Compression::None);
            return Err(RecordsError::Compressed(compression));
        }
    }
    Ok(RecordIterator {
        header,
        bytes: bytes.clone(),
        at: HEADER_BYTES,
        index: 0,
    })
}

/// The iterator of [`read`].
#[derive(Clone, Debug)]
pub struct RecordIterator {
    header: BatchHeader,
    bytes: Bytes,
    at: usize,
    index: i32,
}

impl RecordIterator {
    /// The header of the batch.
    #[must_use]
    pub const fn header(&self) -> &BatchHeader {
        &self.header
    }

    fn read_next(&mut self) -> Result<RecordAt, RecordsError> {
        let rest = self.bytes.slice(self.at..);
        let mut reader = Reader::new(&rest);
        let length = nullable_length(&mut reader)?.unwrap_or(0);
        let prefix = reader.position();
        let body = reader.slice(length)?;
        self.at += prefix + length;

        let mut reader = Reader::new(&body);
        let record = read_body(&mut reader, &self.header)?;
        if reader.left() > 0 {
            return Err(RecordsError::RecordLength {
                index: self.index,
                used: reader.position(),
                length,
            });
        }
        self.index += 1;
        let is_last = self.index == self.header.record_count;
        if is_last && self.at != self.bytes.len() {
            let left = self.bytes.len() - self.at;
            return Err(CodecError::Trailing { at: self.at, left }.into());
        }
        Ok(record)
    }
}

impl Iterator for RecordIterator {
    type Item = Result<RecordAt, RecordsError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.index >= self.header.record_count {
            return None;
        }
        let result = self.read_next();
        if result.is_err() {
            self.index = self.header.record_count;
        }
        Some(result)
    }
}

fn nullable_length(reader: &mut Reader<'_>) -> Result<Option<usize>, CodecError> {
    let at = reader.position();
    match reader.varint()? {
        -1 => Ok(None),
        length => usize::try_from(length).map(Some).map_err(|_| {
            let length = i64::from(length);
            CodecError::NegativeLength { at, length }
        }),
    }
}

fn nullable(reader: &mut Reader<'_>) -> Result<Option<Bytes>, CodecError> {
    nullable_length(reader)?
        .map(|length| reader.slice(length))
        .transpose()
}

fn read_body(reader: &mut Reader<'_>, header: &BatchHeader) -> Result<RecordAt, RecordsError> {
    reader.i8()?;
    let timestamp_delta = reader.varlong()?;
    let delta = reader.varint()?;
    if delta < 0 || delta > header.last_offset_delta {
        return Err(RecordsError::OffsetDelta { delta });
    }
    let key = nullable(reader)?;
    let value = nullable(reader)?;
    let at = reader.position();
    let count = nullable_length(reader)?.unwrap_or(0);
    let left = reader.left();
    // A header takes at least a byte for each of its two lengths.
    if count > left / 2 {
        return Err(CodecError::ArrayTooLong { at, count, left }.into());
    }
    let mut headers = Vec::with_capacity(count);
    for _ in 0..count {
        let at = reader.position();
        let key = nullable(reader)?.ok_or(CodecError::NegativeLength { at, length: -1 })?;
        let value = nullable(reader)?;
        headers.push(RecordHeader { key, value });
    }
    let timestamp = match header.attributes.timestamp_type() {
        TimestampType::CreateTime => {
            TimestampMs(header.base_timestamp.0.wrapping_add(timestamp_delta))
        }
        TimestampType::LogAppendTime => header.max_timestamp,
    };
    Ok(RecordAt {
        offset: Offset(header.base_offset.0.saturating_add(i64::from(delta))),
        record: Record {
            timestamp,
            key,
            value,
            headers,
        },
    })
}
