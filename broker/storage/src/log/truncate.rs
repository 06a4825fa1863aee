//! Truncation, and the log's start.
//!
//! A cut is synced before anything may follow it. A loss of power can bring back what was cut; were
//! newer batches already behind it, old and new ones could make a log that nobody ever had.

use kintsugi_types::Offset;
use kintsugi_types::bug::{Bug, is_on};

use super::{Log, LogError};
use crate::fs::FileSystem;
use crate::segment::Segment;

impl<F: FileSystem> Log<F> {
    /// Removes the batch that holds `offset` and all after it, and syncs that; gives the new end,
    /// which is at most `offset`. Blocks. Does nothing when the log ends before it. Below the log's start, the log becomes
    /// empty and starts there.
    ///
    /// The recovery point falls with the end. A caller that keeps it in a checkpoint file must
    /// write the lower one before more is appended: recovery verifies nothing below it.
    ///
    /// # Errors
    /// When it fails; the log then takes no more writes.
    pub fn truncate_to(&mut self, offset: Offset) -> Result<Offset, LogError> {
        self.check_usable()?;
        if offset >= self.log_end() {
            return Ok(self.log_end());
        }
        if offset < self.log_start {
            self.truncate_fully_and_start_at(offset)?;
            return Ok(offset);
        }
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
        self.dirty.insert(base);
        if end < self.log_start {
            // Its batch began before the log's start: all of it is gone.
            self.log_start = end;
        }
        self.settle_after_cut(end);
        self.cut_producers()?;
        Ok(end)
    }

    fn remove_last(&mut self) -> Result<(), LogError> {
        if let Some((base, segment)) = self.segments.pop_last() {
            self.dirty.remove(&base);
            self.directory_is_dirty = true;
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
        self.dirty.clear();
        self.dirty.insert(offset);
        self.directory_is_dirty = true;
        self.log_start = offset;
        self.epochs.clear();
        self.settle_after_cut(offset);
        self.forget_producers()
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
