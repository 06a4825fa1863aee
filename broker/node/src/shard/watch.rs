//! Which partitions are looked at as time passes: those that something happened to, until nothing
//! can come of time alone. The rest costs nothing, however many there are.

use kintsugi_storage::FileSystem;
use kintsugi_types::{PartitionId, Time, TimestampMs};

use super::Shard;
use super::partition::Partition;

/// What is to be looked at, and whether a checkpoint would differ from the last one.
#[derive(Debug)]
pub(super) struct Watch {
    /// Each partition once, as its [`Partition::is_watched`] says; and some that were dropped.
    watched: Vec<PartitionId>,
    has_news: bool,
}

impl Default for Watch {
    /// The first checkpoint is always news: a file is written when every shard has given its own.
    fn default() -> Self {
        Self {
            watched: Vec::new(),
            has_news: true,
        }
    }
}

impl Watch {
    /// Something happened to a partition: its offsets may be others, and it is looked at next time.
    pub fn add<F: FileSystem>(&mut self, id: PartitionId, partition: &mut Partition<F>) {
        self.has_news = true;
        if !std::mem::replace(&mut partition.is_watched, true) {
            self.watched.push(id);
        }
    }

    /// A partition is gone from checkpoints.
    pub fn note_news(&mut self) {
        self.has_news = true;
    }

    /// Whether anything happened since the last call.
    pub fn take_news(&mut self) -> bool {
        std::mem::take(&mut self.has_news)
    }

    /// How many partitions are looked at next time, at most.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.watched.len()
    }
}

impl<F: FileSystem> Shard<F> {
    /// Something happened to a partition: it is looked at next time.
    pub(super) fn look_later(&mut self, id: PartitionId) {
        if let Some(partition) = self.partitions.get_mut(&id) {
            self.watch.add(id, partition);
        }
    }

    /// Looks for ISR changes and syncs that have become due, and for what was counted.
    pub(super) fn look_at_watched(&mut self, now: Time, wall: TimestampMs) {
        let mut watched = std::mem::take(&mut self.watch.watched);
        watched.retain(|id| self.look_at(now, wall, *id));
        // What was added meanwhile is none of these: they were marked as watched all the time.
        self.watch.watched.append(&mut watched);
    }

    /// Looks at one partition; whether it is to be looked at again.
    fn look_at(&mut self, now: Time, wall: TimestampMs, id: PartitionId) -> bool {
        let Some(partition) = self.partitions.get_mut(&id) else {
            return false;
        };
        if !partition.is_watched {
            return false;
        }
        self.counts.producers_evicted += partition.log.take_evicted_producers();
        self.tick_leader(now, id);
        self.flush_if_overdue(wall, id);
        let Some(partition) = self.partitions.get_mut(&id) else {
            return false;
        };
        let log = &partition.log;
        partition.is_watched = !partition.replica.is_settled(now)
            || partition.is_flush_due
            || log.awaits_flush()
            || log.sync_wanted().is_some();
        partition.is_watched
    }
}

#[cfg(test)]
impl<F: FileSystem> Shard<F> {
    /// Whether time, however much of it, would really change nothing in what is not looked at.
    pub fn check_unwatched(&mut self, now: Time) -> Result<(), String> {
        let image = std::sync::Arc::clone(&self.image);
        let brokers = super::partition::Brokers(&image);
        for (id, partition) in self.partitions.iter_mut().filter(|(_, p)| !p.is_watched) {
            for seconds in [0, 1, 60] {
                let mut out = Vec::new();
                let then = now + std::time::Duration::from_secs(seconds);
                partition.replica.tick(then, &brokers, &mut out);
                if !out.is_empty() || partition.log.sync_wanted().is_some() {
                    return Err(format!(
                        "partition {id} is not looked at, but wants {out:?}"
                    ));
                }
            }
        }
        Ok(())
    }
}
