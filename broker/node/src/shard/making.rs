//! Making logs of new partitions: a few at a time, between other events.
//!
//! Each takes some waits for the disk. Made in one go, those of a topic with thousands of partitions
//! would hold everything else up for seconds: every other partition's records, and the shard's sign
//! of life, without which the broker is fenced.

use std::collections::BTreeSet;
use std::sync::Arc;

use kintsugi_storage::FileSystem;
use kintsugi_types::{PartitionId, Time};

use super::Shard;

/// The most logs that are made in one event: some tens of milliseconds on a disk that syncs in one.
pub(super) const LOGS_MADE_MAX: usize = 32;

/// New partitions whose logs have yet to be made. Until then they are not led or followed here.
#[derive(Debug, Default)]
pub(super) struct Making {
    waiting: BTreeSet<PartitionId>,
    /// How many may still be made in this event.
    left: usize,
}

impl Making {
    /// An event begins.
    pub fn begin_event(&mut self) {
        self.left = LOGS_MADE_MAX;
    }

    /// Whether this one's log may be made now; else it is noted for later.
    pub fn may_make(&mut self, id: PartitionId) -> bool {
        if self.left == 0 {
            self.waiting.insert(id);
            return false;
        }
        self.left -= 1;
        self.waiting.remove(&id);
        true
    }

    /// When the next ones are made: as soon as nothing else waits.
    pub fn next_wake(&self) -> Time {
        if self.waiting.is_empty() {
            Time::NEVER
        } else {
            Time::ZERO
        }
    }
}

impl<F: FileSystem> Shard<F> {
    /// Makes the next logs.
    pub(super) fn make_logs(&mut self, now: Time) {
        let image = Arc::clone(&self.image);
        for _ in 0..LOGS_MADE_MAX {
            let Some(id) = self.making.waiting.pop_first() else {
                return;
            };
            // One that was deleted meanwhile is not made any more.
            if let Some(state) = image.partition(id) {
                let result = self.take_state(now, id, state);
                self.note_failure(result);
            }
        }
    }
}
