//! Truncation, and the log's start.
//!
//! A cut is synced before anything may follow it. A loss of power can bring back what was cut; were
//! newer batches already behind it, old and new ones could make a log that nobody ever had.

use kintsugi_types::Offset;
use kintsugi_types::bug::{Bug, is_on};

use super::sync::Unsynced;
use super::{Log, LogError};
use crate::fs::FileSystem;
use crate::segment::Segment;

/// How much is read at a time where a cut is prepared.
const CHECKED_BYTES: usize = 1 << 20;

impl<F: FileSystem> Log<F> {
    /// Removes the batch that holds `offset` and all after it, and syncs that; gives the new end,
    /// which is at most `offset`. Blocks. Does nothing when the log ends before it. Below the log's start, the log becomes
    /// empty and starts there.
    ///
    /// The recovery point falls with the end. A checkpoint that holds the higher one does no harm: a
    /// bound in the log's directory goes before it.
    ///
    /// # Errors
    /// When a batch before the cut that is to be read again is damaged: nothing is cut then. When it
    /// fails; the log then takes no more writes.
    pub fn truncate_to(&mut self, offset: Offset) -> Result<Offset, LogError> {
        self.check_usable()?;
        if offset >= self.log_end() {
            return Ok(self.log_end());
        }
        if offset < self.log_start {
            self.truncate_fully_and_start_at(offset)?;
            return Ok(offset);
        }
        // Before anything is cut, so that a full disk only puts it off, and a damaged batch as well.
        let end = self.base_of_batch(offset)?;
        self.check_before_cut(end)?;
        self.bound_recovery_point(end)?;
        let cut = self.cut(offset);
        let end = cut.inspect_err(|error| self.poison(error))?;
        if !is_on(Bug::UnsyncedCut) {
            self.sync()?;
        }
        Ok(end)
    }

    fn cut(&mut self, offset: Offset) -> Result<Offset, LogError> {
        self.truncations += 1;
        // The newest first, so that a crash between leaves no gap.
        while self.segments.len() > 1 && self.active().base >= offset {
            self.remove_last()?;
        }
        let active = self.active_mut();
        let base = active.base;
        let end = active.truncate_to(offset)?;
        self.unsynced.insert(base);
        if end < self.log_start {
            // Its batch began before the log's start: all of it is gone.
            self.log_start = end;
        }
        self.settle_after_cut(end);
        self.cut_producers()?;
        Ok(end)
    }

    /// The base offset of the batch that holds an offset.
    fn base_of_batch(&self, offset: Offset) -> Result<Offset, LogError> {
        let holder = self.segments.range(..=offset).next_back();
        let found = holder
            .map(|(_, segment)| segment.find_cut(offset))
            .transpose()?;
        Ok(found.flatten().map_or(offset, |(_, base)| base))
    }

    /// Verifies what a cut reads again: the batches since the last index entry, and those since the
    /// last snapshot of producers if that is gone back to.
    fn check_before_cut(&self, end: Offset) -> Result<(), LogError> {
        let is_rebuilt = self.producers.last_offset().is_some_and(|last| last >= end);
        let snapshot = self.snapshots.range(..=end).next_back().copied();
        let mut next = snapshot.unwrap_or(self.log_start);
        while is_rebuilt && next < end {
            next = self.check(next, CHECKED_BYTES)?.0;
        }
        let holder = self.segments.range(..end).next_back();
        match holder {
            Some((_, segment)) if !is_rebuilt => Ok(segment.check_tail(end)?),
            _ => Ok(()),
        }
    }

    fn remove_last(&mut self) -> Result<(), LogError> {
        if let Some((base, segment)) = self.segments.pop_last() {
            self.unsynced.remove(base);
            self.unsynced.directory = true;
            segment.remove()?;
        }
        Ok(())
    }

    fn settle_after_cut(&mut self, end: Offset) {
        self.epochs.truncate_from(end);
        self.recovery_point = self.recovery_point.min(end);
        self.tail.clear(end);
        if self.active().content.size_bytes == 0 {
            self.active_since = None;
        }
    }

    /// Removes everything; the log is then empty, and starts and ends at `offset`.
    ///
    /// # Errors
    /// When it fails; the log then takes no more writes.
    pub fn truncate_fully_and_start_at(&mut self, offset: Offset) -> Result<(), LogError> {
        self.check_usable()?;
        self.bound_recovery_point(offset)?;
        let emptied = self.empty_and_start_at(offset);
        emptied.inspect_err(|error| self.poison(error))?;
        self.sync()
    }

    fn empty_and_start_at(&mut self, offset: Offset) -> Result<(), LogError> {
        self.truncations += 1;
        while self.segments.len() > 1 {
            self.remove_last()?;
        }
        let interval = self.config.index_interval_bytes;
        let descriptors = &self.context.descriptors;
        if let Some((_, last)) = self.segments.pop_last() {
            // A log has a segment at any time, also when this fails.
            let replacement = Segment::create(descriptors, &self.directory, offset, interval);
            match replacement {
                Ok(segment) => {
                    let is_same = last.base == offset;
                    self.segments.insert(offset, segment);
                    if is_same {
                        last.close();
                    } else {
                        last.remove()?;
                    }
                }
                Err(error) => {
                    self.segments.insert(last.base, last);
                    return Err(error.into());
                }
            }
        }
        self.unsynced = Unsynced::default();
        self.unsynced.insert(offset);
        self.unsynced.directory = true;
        self.log_start = offset;
        self.epochs.clear();
        self.settle_after_cut(offset);
        self.forget_producers()
    }

    /// The log's start, if it lies after the first segment's base offset, so that only a checkpoint
    /// keeps it.
    #[must_use]
    pub fn log_start_to_checkpoint(&self) -> Option<Offset> {
        let first = self.segments.keys().next().copied().unwrap_or_default();
        (self.log_start > first).then_some(self.log_start)
    }

    /// Raises the log's start; does nothing when it is that high. Segments that lie wholly before
    /// it go with the next [`Log::delete_old_segments`].
    ///
    /// # Errors
    /// [`LogError::OffsetOutOfRange`] past the log's end.
    pub fn advance_log_start(&mut self, offset: Offset) -> Result<(), LogError> {
        if offset > self.log_end() {
            return Err(LogError::OffsetOutOfRange {
                requested: offset,
                log_start: self.log_start,
                log_end: self.log_end(),
            });
        }
        if offset > self.log_start {
            self.log_start = offset;
            self.epochs.advance_start(offset);
        }
        Ok(())
    }
}
