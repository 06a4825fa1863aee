//! The recovery point, and what keeps a checkpointed one true.
//!
//! Recovery believes what lies before the checkpointed recovery point without reading it. The
//! checkpoint is written now and then, by another thread, so after a cut it speaks for a while of
//! offsets that were synced, cut off, and may have been appended anew without a sync. For that while
//! a lower bound lies in the log's own directory: an empty file there means zero.

use std::path::Path;

use kintsugi_types::{Offset, TimestampMs};

use super::{Log, LogError};
use crate::fs::{FileSystem, FsError};

/// The name of the file that bounds a checkpointed recovery point.
pub(super) const BOUND_FILE: &str = "kintsugi.recovery-point-bound";

/// The longest content of it: a decimal offset.
const BOUND_BYTES_MAX: u64 = 32;

/// The bound in a log's directory. Content that is no offset is taken for zero.
pub(super) fn read_bound<F: FileSystem>(fs: &F, directory: &Path) -> Result<Offset, FsError> {
    let path = directory.join(BOUND_FILE);
    let content = fs.read_to_vec(&path, BOUND_BYTES_MAX)?;
    let text = String::from_utf8_lossy(&content);
    Ok(Offset(text.trim().parse().unwrap_or_default()).max(Offset::ZERO))
}

impl<F: FileSystem> Log<F> {
    /// Everything before this offset was synced.
    #[must_use]
    pub fn recovery_point(&self) -> Offset {
        self.recovery_point
    }

    /// The recovery point, to be written to a checkpoint at some later time.
    pub fn checkpoint_recovery_point(&mut self) -> Offset {
        self.checkpointed = self.checkpointed.max(self.recovery_point);
        self.recovery_point
    }

    /// Where this log ends for those who must not count what a loss of power could take away:
    /// with `flush.messages=1` where its synced part ends, else where it ends.
    #[must_use]
    pub fn counted_end(&self) -> Offset {
        if self.counts_synced_only() {
            self.recovery_point.min(self.log_end())
        } else {
            self.log_end()
        }
    }

    /// Whether the oldest unsynced records are older than `flush.ms`, and no sync is under way.
    #[must_use]
    pub fn is_flush_overdue(&self, now_wall: TimestampMs) -> bool {
        let (Some(flush_ms), Some(since)) = (self.config.flush_ms, self.unflushed_since) else {
            return false;
        };
        let age_ms = now_wall.0.saturating_sub(since.0);
        self.syncing.is_none()
            && self.recovery_point < self.log_end()
            && u64::try_from(age_ms).is_ok_and(|age_ms| age_ms >= flush_ms)
    }

    /// Whether `flush.ms` will make a sync due that has not begun.
    #[must_use]
    pub const fn awaits_flush(&self) -> bool {
        self.config.flush_ms.is_some() && self.unflushed_since.is_some()
    }

    /// Whether a record counts only when it is synced (`flush.messages=1`).
    #[must_use]
    pub const fn counts_synced_only(&self) -> bool {
        self.config.flush_messages <= 1
    }

    /// The checkpoint may still hold a recovery point of a log that had this directory's name
    /// before: it does not count for this one. Holds until the log is opened again.
    ///
    /// # Errors
    /// When the bound cannot be written.
    pub fn distrust_checkpoint(&mut self) -> Result<(), LogError> {
        self.checkpointed = Offset(i64::MAX);
        self.bound_recovery_point(Offset::ZERO)
    }

    /// Before a cut at `end`: a checkpointed recovery point above it counts no more.
    pub(super) fn bound_recovery_point(&mut self, end: Offset) -> Result<(), LogError> {
        if end >= self.checkpointed || self.bound.is_some_and(|bound| bound <= end) {
            return Ok(());
        }
        let path = self.directory.join(BOUND_FILE);
        let text = format!("{}\n", end.0);
        self.context.fs().write_atomically(&path, text.as_bytes())?;
        self.bound = Some(end);
        Ok(())
    }

    /// After a sync: the bound goes when all that a checkpoint may speak of is synced again. A loss
    /// of power may bring it back, which only makes recovery read more.
    pub(super) fn settle_recovery_point(&mut self) {
        if self.bound.is_some() && self.recovery_point >= self.checkpointed {
            let path = self.directory.join(BOUND_FILE);
            match self.context.fs().remove_file(&path) {
                Err(error) if !error.is_not_found() => {}
                _ => self.bound = None,
            }
        }
    }
}
