//! Scrubbing: every log is read through, slowly and over and over, so that what a disk changes is found
//! and mended while other replicas still have it, and not when they are gone.

use std::ops::Bound;

use kintsugi_storage::FileSystem;
use kintsugi_types::{Offset, PartitionId, Time};

use super::Shard;

/// Between two looks.
const INTERVAL: std::time::Duration = std::time::Duration::from_secs(1);

/// The most logs that are read to their end in one look, so that many small ones cost no more than a
/// large one.
const LOGS_MAX: usize = 8;

/// The most pieces that are read in one look. A piece lies in one segment, so that a log of many small
/// segments has many, each of which opens a file.
const PIECES_MAX: usize = 64;

/// Where the reading is.
#[derive(Debug)]
pub(super) struct Scrub {
    next_at: Time,
    partition: Option<PartitionId>,
    offset: Offset,
}

impl Scrub {
    pub const fn new(now: Time) -> Self {
        Self {
            next_at: now,
            partition: None,
            offset: Offset::ZERO,
        }
    }

    pub const fn next_wake(&self) -> Time {
        self.next_at
    }
}

impl<F: FileSystem> Shard<F> {
    /// Reads on, if it is time.
    pub(super) fn scrub(&mut self, now: Time) {
        if now < self.scrub.next_at {
            return;
        }
        let mut left = self.config.limits.scrub_bytes_per_second;
        if left == 0 {
            self.scrub.next_at = Time::NEVER;
            return;
        }
        self.scrub.next_at = now + INTERVAL;
        let logs_max = LOGS_MAX.min(self.partitions.len());
        let mut logs = 0;
        for _ in 0..PIECES_MAX {
            if left == 0 || logs >= logs_max {
                return;
            }
            let Some(id) = self.scrubbed() else {
                return;
            };
            let (bytes, is_over) = self.scrub_log(id, left);
            left = left.saturating_sub(bytes);
            logs += usize::from(is_over);
        }
    }

    /// The log that is being read, or the next one.
    fn scrubbed(&mut self) -> Option<PartitionId> {
        let reading = self.scrub.partition;
        if reading.is_none_or(|id| !self.partitions.contains_key(&id)) {
            self.go_to_log_after(reading);
        }
        self.scrub.partition
    }

    /// Reads on in one log; gives about how many bytes that were, and whether the log is read to its
    /// end.
    fn scrub_log(&mut self, id: PartitionId, max_bytes: usize) -> (usize, bool) {
        let Some(partition) = self.partitions.get(&id) else {
            return (0, true);
        };
        let log = &partition.log;
        let read = log.check(self.scrub.offset, max_bytes);
        let is_over = match &read {
            Ok((next, _)) => *next >= log.log_end(),
            // What lies behind is read in the next round: one place of a log is mended at a time.
            Err(_) => true,
        };
        if is_over {
            self.go_to_log_after(Some(id));
        }
        match read {
            Ok((next, bytes)) => {
                if !is_over {
                    self.scrub.offset = next;
                }
                (bytes, is_over)
            }
            Err(error) => {
                self.note_storage(id, Some(error));
                (max_bytes, is_over)
            }
        }
    }

    fn go_to_log_after(&mut self, id: Option<PartitionId>) {
        let after = id.map_or(Bound::Unbounded, Bound::Excluded);
        let mut later = self.partitions.range((after, Bound::Unbounded));
        let next = later.next().or_else(|| self.partitions.first_key_value());
        let next = next.map(|(id, _)| *id);
        (self.scrub.partition, self.scrub.offset) = (next, Offset::ZERO);
    }
}
