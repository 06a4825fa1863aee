//! Appending.

use bytes::Bytes;
use kintsugi_types::{LeaderEpoch, Offset, TimestampMs};
use kintsugi_wire::batch::{self, BatchError, BatchHeader};

use super::{Log, LogConfig, LogError};
use crate::fs::FileSystem;
use crate::segment::{BATCH_BYTES_MAX, Segment};

/// What an append did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Appended {
    /// The offset of the first record.
    pub first_offset: Offset,
    /// The offset of the last record.
    pub last_offset: Offset,
    /// The greatest timestamp.
    pub max_timestamp: TimestampMs,
    /// The bytes.
    pub size_bytes: usize,
}

/// A run of batches that go into one segment by one write.
struct Run {
    start: usize,
    headers: Vec<BatchHeader>,
    size_bytes: usize,
}

/// The header of the whole batch at the start of `bytes`.
fn whole_header(bytes: &[u8]) -> Result<BatchHeader, LogError> {
    let header = BatchHeader::parse(bytes).map_err(LogError::Batch)?;
    if header.size_bytes() > bytes.len() {
        return Err(LogError::Batch(BatchError::Truncated {
            needed: header.size_bytes() as u64,
            found: bytes.len(),
        }));
    }
    Ok(header)
}

impl<F: FileSystem> Log<F> {
    /// Appends batches that the caller has validated, as the leader of `epoch`: stamps their base
    /// offsets and leader epochs in place. `now_wall` decides when a segment is old enough to roll.
    ///
    /// # Errors
    /// When the bytes are not whole batches, one is too large, the epoch is below the latest, or
    /// the write fails; the log's end is then as before.
    pub fn append_as_leader(
        &mut self,
        batches: &mut [u8],
        epoch: LeaderEpoch,
        now_wall: TimestampMs,
    ) -> Result<Appended, LogError> {
        self.check_usable()?;
        self.check_epoch(epoch)?;
        let max_bytes = self.config.max_message_bytes.min(BATCH_BYTES_MAX);
        let mut headers = Vec::new();
        let (mut at, mut next) = (0, self.log_end());
        while at < batches.len() {
            let size_bytes = whole_header(&batches[at..])?.size_bytes();
            if size_bytes > max_bytes || size_bytes as u64 > self.config.segment_bytes {
                return Err(LogError::BatchTooLarge {
                    size_bytes,
                    max_bytes,
                });
            }
            batch::stamp(&mut batches[at..], next, epoch).map_err(LogError::Batch)?;
            // Read again: the offsets must not overflow with the new base either.
            let header = whole_header(&batches[at..])?;
            next = header.next_offset();
            at += size_bytes;
            headers.push(header);
        }
        self.append(batches, headers, now_wall)
    }

    /// Appends batches as the leader sent them: whole ones, from the log's end on, each verified
    /// by its CRC. Bytes of a batch that is cut off at the end are an error, too.
    ///
    /// # Errors
    /// When a batch is not intact, does not follow the one before it, has an epoch below the
    /// latest, or the write fails; the log's end is then as before.
    pub fn append_as_follower(
        &mut self,
        batches: &Bytes,
        now_wall: TimestampMs,
    ) -> Result<Appended, LogError> {
        self.check_usable()?;
        let mut headers: Vec<BatchHeader> = Vec::new();
        let mut expected = self.log_end();
        let mut latest = self.latest_epoch().unwrap_or(LeaderEpoch::UNKNOWN);
        for item in batch::split(batches.clone()) {
            let (_, bytes) = item.map_err(LogError::Batch)?;
            let header = batch::verify(&bytes).map_err(LogError::Batch)?;
            let found = header.base_offset;
            if found != expected {
                return Err(LogError::NotContiguous { expected, found });
            }
            if header.leader_epoch < latest {
                let found = header.leader_epoch;
                return Err(LogError::EpochWentBack { latest, found });
            }
            if bytes.len() > BATCH_BYTES_MAX {
                return Err(LogError::BatchTooLarge {
                    size_bytes: bytes.len(),
                    max_bytes: BATCH_BYTES_MAX,
                });
            }
            expected = header.next_offset();
            latest = header.leader_epoch;
            headers.push(header);
        }
        self.append(batches, headers, now_wall)
    }

    fn check_epoch(&self, found: LeaderEpoch) -> Result<(), LogError> {
        match self.latest_epoch() {
            Some(latest) if latest > found => Err(LogError::EpochWentBack { latest, found }),
            _ => Ok(()),
        }
    }

    fn append(
        &mut self,
        bytes: &[u8],
        headers: Vec<BatchHeader>,
        now_wall: TimestampMs,
    ) -> Result<Appended, LogError> {
        let (Some(first), Some(last)) = (headers.first(), headers.last()) else {
            return Err(LogError::Empty);
        };
        let appended = Appended {
            first_offset: first.base_offset,
            last_offset: last.last_offset(),
            max_timestamp: headers
                .iter()
                .map(|h| h.max_timestamp)
                .max()
                .unwrap_or_default(),
            size_bytes: bytes.len(),
        };
        let old_end = self.log_end();
        for run in self.runs(headers, now_wall) {
            if let Err(error) = self.append_run(bytes, &run, now_wall) {
                self.go_back_to(old_end);
                return Err(error);
            }
        }
        self.tail.push(bytes, self.log_end());
        Ok(appended)
    }

    /// Parts batches where a new segment has to begin before one.
    fn runs(&self, headers: Vec<BatchHeader>, now_wall: TimestampMs) -> Vec<Run> {
        let active = self.active();
        let (mut base, mut size) = (active.base, active.content.size_bytes);
        let mut runs: Vec<Run> = Vec::new();
        let mut at = 0;
        for header in headers {
            let size_bytes = header.size_bytes();
            let is_full = size > 0
                && (size + size_bytes as u64 > self.segment_bytes()
                    || header.last_offset().since(base) > i64::from(i32::MAX)
                    || (runs.is_empty() && self.is_old(now_wall)));
            if is_full {
                (base, size) = (header.base_offset, 0);
            }
            match runs.last_mut() {
                Some(run) if !is_full => {
                    run.headers.push(header);
                    run.size_bytes += size_bytes;
                }
                _ => runs.push(Run {
                    start: at,
                    headers: vec![header],
                    size_bytes,
                }),
            }
            size += size_bytes as u64;
            at += size_bytes;
        }
        runs
    }

    fn segment_bytes(&self) -> u64 {
        self.config.segment_bytes.min(LogConfig::SEGMENT_BYTES_MAX)
    }

    /// Whether the active segment has been in use for `segment.ms`.
    fn is_old(&self, now_wall: TimestampMs) -> bool {
        self.active_since
            .is_some_and(|since| now_wall.0.saturating_sub(since.0) >= self.config.segment_ms)
    }

    fn append_run(
        &mut self,
        bytes: &[u8],
        run: &Run,
        now_wall: TimestampMs,
    ) -> Result<(), LogError> {
        let active = self.active();
        let base = run.headers[0].base_offset;
        let size_after = active.content.size_bytes + run.size_bytes as u64;
        let last = run.headers[run.headers.len() - 1].last_offset();
        let is_full = active.content.size_bytes > 0
            && (size_after > self.segment_bytes()
                || last.since(active.base) > i64::from(i32::MAX)
                || self.is_old(now_wall));
        if is_full || (active.content.size_bytes == 0 && active.base != base) {
            self.roll_to(base)?;
        }
        let bytes = &bytes[run.start..run.start + run.size_bytes];
        let active = self.active_mut();
        let base = active.base;
        active.append(bytes, &run.headers)?;
        self.unsynced.insert(base);
        self.active_since.get_or_insert(now_wall);
        self.unflushed_since.get_or_insert(now_wall);
        for header in &run.headers {
            self.epochs.assign(header.leader_epoch, header.base_offset);
            self.producers.update(header, Some(now_wall));
        }
        Ok(())
    }

    /// Begins a new segment at the log's end. Does nothing when the active one is empty.
    ///
    /// # Errors
    /// When its files cannot be made.
    pub fn roll(&mut self) -> Result<(), LogError> {
        self.check_usable()?;
        if self.active().content.size_bytes == 0 {
            return Ok(());
        }
        self.roll_to(self.log_end())
    }

    pub(super) fn roll_to(&mut self, base: Offset) -> Result<(), LogError> {
        if self.active().content.size_bytes > 0 {
            let sealed = self.active_mut().seal();
            if let Err(error) = sealed {
                self.undo_active();
                return Err(error.into());
            }
            self.unsynced.insert(self.active().base);
        }
        let interval = self.config.index_interval_bytes;
        let descriptors = &self.context.descriptors;
        let segment = Segment::create(descriptors, &self.directory, base, interval)?;
        self.segments.insert(base, segment);
        self.unsynced.insert(base);
        self.unsynced.directory = true;
        self.active_since = None;
        // Without it the next open reads more headers, so a failure of this is none of the roll.
        let _ = self.snapshot_producers();
        Ok(())
    }

    /// Undoes a failed append; if that fails as well, the log takes no more writes.
    fn go_back_to(&mut self, old_end: Offset) {
        self.undo_active();
        if self.poisoned.is_none()
            && self.log_end() > old_end
            && let Err(error) = self.truncate_to(old_end)
        {
            self.poison(&error);
        }
        self.tail.clear(self.log_end());
    }

    fn undo_active(&mut self) {
        if let Err(error) = self.active().undo() {
            self.poison(&error);
        }
    }
}
