//! Reading.

use bytes::Bytes;
use kintsugi_types::{Offset, TimestampMs};

use super::{Log, LogError};
use crate::fs::FileSystem;
use crate::segment::{READ_BYTES_MAX, ReadLimits, Segment};

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

/// A read that has to touch files; it can run on another thread.
pub struct ReadJob<F: FileSystem> {
    segment: Segment<F>,
    from: Offset,
    limits: ReadLimits,
    truncations: u64,
}

/// What a [`ReadJob`] read; goes back into [`Log::finish_read`].
#[derive(Clone, Debug)]
pub struct ReadDone {
    from: Offset,
    result: ReadResult,
    truncations: u64,
}

/// How a read goes on.
pub enum ReadStep<F: FileSystem> {
    /// It is done: there was nothing to read, or it was in memory.
    Done(ReadResult),
    /// Files have to be read.
    Job(ReadJob<F>),
}

impl<F: FileSystem> ReadJob<F> {
    /// Reads the files. Blocks.
    ///
    /// # Errors
    /// When the files cannot be read or are corrupt. (Also when the segment was removed meanwhile;
    /// another [`Log::begin_read`] tells.)
    pub fn run(self) -> Result<ReadDone, LogError> {
        let read = self.segment.read(self.from, self.limits)?;
        let result = match read {
            None => ReadResult::none(self.from),
            Some((bytes, next_offset)) => ReadResult { bytes, next_offset },
        };
        Ok(ReadDone {
            from: self.from,
            result,
            truncations: self.truncations,
        })
    }
}

impl<F: FileSystem> Log<F> {
    /// Reads whole batches from the one that holds `from` on: at most `max_bytes` (but with
    /// `minimum_one` the first batch however large it is), and only batches that lie wholly before
    /// `upper` (a high watermark, or the log's end for a follower).
    ///
    /// One call reads from one segment, and no more than [`READ_BYTES_MAX`], so it may give less
    /// than there is. May block; see [`Log::begin_read`].
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
        match self.begin_read(from, max_bytes, upper, minimum_one)? {
            ReadStep::Done(result) => Ok(result),
            ReadStep::Job(job) => Ok(job.run()?.result),
        }
    }

    /// The same as [`Log::read`], but never blocks: where files have to be read, the rest is a job
    /// for another thread.
    ///
    /// # Errors
    /// [`LogError::OffsetOutOfRange`] when `from` is before the log's start or past its end.
    pub fn begin_read(
        &self,
        from: Offset,
        max_bytes: usize,
        upper: Offset,
        minimum_one: bool,
    ) -> Result<ReadStep<F>, LogError> {
        let log_end = self.log_end();
        if from < self.log_start || from > log_end {
            return Err(LogError::OffsetOutOfRange {
                requested: from,
                log_start: self.log_start,
                log_end,
            });
        }
        let limits = ReadLimits {
            max_bytes: max_bytes.min(READ_BYTES_MAX),
            upper: upper.min(log_end),
            minimum_one,
        };
        if from >= limits.upper {
            return Ok(ReadStep::Done(ReadResult::none(from)));
        }
        if let Some((bytes, next_offset)) = self.tail.read(from, limits) {
            return Ok(ReadStep::Done(ReadResult { bytes, next_offset }));
        }
        // The one that holds `from`, or the next where a gap was left.
        let floor = self.segments.range(..=from).next_back();
        let first = floor.map_or(from, |(base, _)| *base);
        let mut segments = self.segments.range(first..).map(|(_, segment)| segment);
        let holds = |segment: &&Segment<F>| from < segment.content.next_offset;
        Ok(match segments.find(holds) {
            None => ReadStep::Done(ReadResult::none(from)),
            Some(segment) => ReadStep::Job(ReadJob {
                segment: segment.clone(),
                from,
                limits,
                truncations: self.truncations,
            }),
        })
    }

    /// What a job read, or nothing if the log was truncated meanwhile: the bytes may be of what
    /// was cut, and must not be shown.
    #[must_use]
    pub fn finish_read(&self, done: ReadDone) -> ReadResult {
        if done.truncations == self.truncations {
            done.result
        } else {
            ReadResult::none(done.from)
        }
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

    /// The largest timestamp of a batch in any segment, also of records before the log's start
    /// whose segment is still there.
    #[must_use]
    pub fn max_timestamp(&self) -> Option<TimestampMs> {
        let segments = self.segments.values();
        let largest = segments.filter_map(|segment| segment.content.max_timestamp);
        largest.map(|largest| largest.timestamp).max()
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
