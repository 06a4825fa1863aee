//! Reading.

use bytes::Bytes;
use kintsugi_types::{Offset, TimestampMs};

use super::{Log, LogError};
use crate::fs::FileSystem;
use crate::segment::ReadLimits;

/// What a read gave.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReadResult {
    /// Whole batches; the first may begin before the offset that was asked for.
    pub bytes: Bytes,
    /// The offset after the last batch, or the one asked for if there is none.
    pub next_offset: Offset,
}

/// Where a timestamp was found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TimestampMatch {
    /// The base offset of the batch.
    pub offset: Offset,
    /// The batch's greatest timestamp, which is the asked one or later.
    pub max_timestamp: TimestampMs,
    /// The batch, for who wants the exact record.
    pub batch: Bytes,
}

impl<F: FileSystem> Log<F> {
    /// Reads whole batches from the one that holds `from` on: at most `max_bytes` (but with
    /// `minimum_one` the first batch however large it is), and only batches that lie wholly before
    /// `upper` (a high watermark, or the log's end for a follower).
    ///
    /// One call reads from one segment, so it may give less than there is.
    ///
    /// # Errors
    /// [`LogError::OffsetOutOfRange`] when `from` is before the log's start or past its end; when
    /// the files cannot be read or are corrupt.
    pub fn read(
        &self,
        from: Offset,
        max_bytes: usize,
        upper: Offset,
        minimum_one: bool,
    ) -> Result<ReadResult, LogError> {
        let log_end = self.log_end();
        if from < self.log_start || from > log_end {
            return Err(LogError::OffsetOutOfRange {
                requested: from,
                log_start: self.log_start,
                log_end,
            });
        }
        let limits = ReadLimits {
            max_bytes,
            upper: upper.min(log_end),
            minimum_one,
        };
        if from >= limits.upper {
            return Ok(ReadResult::none(from));
        }
        if let Some((bytes, next_offset)) = self.tail.read(from, limits) {
            return Ok(ReadResult { bytes, next_offset });
        }
        let floor = self.segments.range(..=from).next_back();
        let first = floor.map_or(from, |(base, _)| *base);
        for segment in self.segments.range(first..).map(|(_, segment)| segment) {
            if segment.base >= limits.upper {
                break;
            }
            // Where retention left a gap the next segment goes on.
            if from < segment.content.next_offset {
                let read = segment.read(from, limits)?;
                let none = || ReadResult::none(from);
                return Ok(read.map_or_else(none, |(bytes, next_offset)| ReadResult {
                    bytes,
                    next_offset,
                }));
            }
        }
        Ok(ReadResult::none(from))
    }

    /// The first batch, wholly before `upper`, that has a record of this timestamp or later.
    ///
    /// # Errors
    /// When the files cannot be read or are corrupt.
    pub fn offset_for_timestamp(
        &self,
        target: TimestampMs,
        upper: Offset,
    ) -> Result<Option<TimestampMatch>, LogError> {
        for segment in self.segments.values() {
            let max = segment.content.max_timestamp;
            if max.is_none_or(|max| max.timestamp < target)
                || segment.content.next_offset <= self.log_start
            {
                continue;
            }
            let Some((position, header)) = segment.find_timestamp(target, self.log_start)? else {
                continue;
            };
            if header.next_offset() > upper {
                return Ok(None);
            }
            return Ok(Some(TimestampMatch {
                offset: header.base_offset,
                max_timestamp: header.max_timestamp,
                batch: segment.read_batch(position, &header)?,
            }));
        }
        Ok(None)
    }

    /// Forgets the batches kept in memory, so that an idle log gives its share back.
    pub fn drop_tail_cache(&mut self) {
        self.tail.clear(self.log_end());
    }
}

impl ReadResult {
    fn none(from: Offset) -> Self {
        Self {
            bytes: Bytes::new(),
            next_offset: from,
        }
    }
}
