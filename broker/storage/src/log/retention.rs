//! Retention: the oldest segments go.

use kintsugi_types::{Offset, TimestampMs};

use super::{Log, LogError};
use crate::fs::FileSystem;

impl<F: FileSystem> Log<F> {
    /// Removes the oldest segments that `retention.ms`, `retention.bytes` or the log's start let
    /// go; gives how many. Never a segment with records at or past `up_to`, the high watermark.
    /// The active segment rolls first when it has expired. Also gives the memory of the tail cache
    /// back if nothing was appended since the last call.
    ///
    /// # Errors
    /// When a file cannot be removed or made; what was removed before is gone.
    pub fn delete_old_segments(
        &mut self,
        now_wall: TimestampMs,
        up_to: Offset,
    ) -> Result<usize, LogError> {
        self.check_usable()?;
        self.tail.clear_if_idle(self.log_end());
        let mut removed = 0;
        while let Some((base, next)) = self.oldest()
            && next <= up_to
            && self.may_go(base, next, now_wall)
        {
            if self.segments.len() == 1 {
                self.roll_to(next)?;
            }
            let Some(segment) = self.segments.remove(&base) else {
                break;
            };
            self.unsynced.remove(base);
            self.unsynced.directory = true;
            let log_start = self.log_start.max(next);
            self.log_start = log_start;
            self.epochs.advance_start(log_start);
            segment.remove()?;
            removed += 1;
        }
        if removed > 0 {
            self.retain_snapshots()?;
        }
        Ok(removed)
    }

    /// The oldest segment's base offset and the offset after it, if it holds anything.
    fn oldest(&self) -> Option<(Offset, Offset)> {
        let mut segments = self.segments.values();
        let oldest = segments.next()?;
        let next = segments
            .next()
            .map_or(oldest.content.next_offset, |s| s.base);
        (oldest.content.size_bytes > 0 || self.segments.len() > 1).then_some((oldest.base, next))
    }

    fn may_go(&self, base: Offset, next: Offset, now_wall: TimestampMs) -> bool {
        let Some(segment) = self.segments.get(&base) else {
            return false;
        };
        let is_active = self.segments.len() == 1;
        if next <= self.log_start && !is_active {
            return true;
        }
        if let Some(retention_ms) = self.config.retention_ms
            && let Some(max) = segment.content.max_timestamp
            && now_wall.0.saturating_sub(max.timestamp.0) > retention_ms
        {
            return true;
        }
        if let Some(retention_bytes) = self.config.retention_bytes
            && !is_active
            && self.size_bytes() - segment.content.size_bytes >= retention_bytes
        {
            return true;
        }
        segment.content.size_bytes == 0 && !is_active
    }
}
