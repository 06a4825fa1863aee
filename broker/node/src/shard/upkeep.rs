//! What comes round: ISR checks, checkpoints, retention, time-outs, and the hand-over.

use kintsugi_storage::FileSystem;
use kintsugi_storage::checkpoint::{OffsetCheckpoint, OffsetCheckpoints};
use kintsugi_types::{ErrorCode, PartitionId, Time, TimestampMs};

use super::{Shard, Timings};
use crate::message::shard::Command;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Drain {
    No,
    Asked,
    Done,
}

/// When what comes round is due.
#[derive(Debug)]
pub(super) struct Upkeep {
    timings: Timings,
    isr_check_at: Time,
    checkpoint_at: Time,
    retention_at: Time,
    drain: Drain,
}

impl Upkeep {
    pub fn new(timings: Timings, now: Time) -> Self {
        Self {
            timings,
            isr_check_at: now + timings.isr_check,
            checkpoint_at: now + timings.checkpoint,
            retention_at: now + timings.retention,
            drain: Drain::No,
        }
    }

    pub fn drain(&mut self) {
        if self.drain == Drain::No {
            self.drain = Drain::Asked;
        }
    }

    pub fn is_draining(&self) -> bool {
        self.drain != Drain::No
    }

    pub fn next_wake(&self) -> Time {
        let due = self.isr_check_at.min(self.checkpoint_at);
        due.min(self.retention_at)
    }
}

impl<F: FileSystem> Shard<F> {
    /// Does what is due.
    pub(super) fn keep_up(&mut self, now: Time, wall: TimestampMs, out: &mut Vec<Command>) {
        self.name_again(now);
        self.time_out_produces(now, out);
        let overdue = self.fetches.overdue(now);
        self.todo.fetches.extend(overdue);
        let overdue = self.sessions.overdue(now);
        self.todo.sessions.extend(overdue);
        self.fetchers.wake(now);
        self.load_groups(now);
        self.wake_groups(now, out);
        self.scrub(now);
        if now >= self.upkeep.isr_check_at {
            self.upkeep.isr_check_at = now + self.upkeep.timings.isr_check;
            self.look_at_watched(now, wall);
            self.rewrite_groups(now, out);
        }
        if now >= self.upkeep.checkpoint_at {
            self.upkeep.checkpoint_at = now + self.upkeep.timings.checkpoint;
            if self.watch.take_news() {
                let offsets = Box::new(self.checkpoints());
                out.push(Command::Checkpoint { offsets });
            }
            self.tell_counts(out);
        }
        if now >= self.upkeep.retention_at {
            self.upkeep.retention_at = now + self.upkeep.timings.retention;
            self.retain(wall);
        }
        if self.upkeep.drain == Drain::Asked && self.is_handed_over() {
            self.upkeep.drain = Drain::Done;
            out.push(Command::Drained);
        }
    }

    /// Brokers changed: looks for ISR changes in everything that is led.
    pub(super) fn tick_leaders(&mut self, now: Time) {
        let led = self
            .partitions
            .iter()
            .filter(|(_, p)| p.replica.is_leader());
        let led: Vec<PartitionId> = led.map(|(id, _)| *id).collect();
        for id in led {
            self.tick_leader(now, id);
        }
    }

    pub(super) fn tick_leader(&mut self, now: Time, id: PartitionId) {
        self.with_replica(id, |replica, brokers, commands| {
            replica.tick(now, brokers, commands);
        });
    }

    pub(super) fn isr_answered(&mut self, id: PartitionId, error: ErrorCode) {
        self.with_replica(id, |replica, _, _| replica.isr_answered(error));
    }

    /// The offsets of every partition; also of logs that the metadata has not named yet, so that a
    /// checkpoint never forgets one.
    pub(super) fn checkpoints(&mut self) -> OffsetCheckpoints {
        let named = self.partitions.iter_mut().map(|(id, partition)| {
            let high_watermark = partition.replica.high_watermark();
            (
                &partition.name,
                id.index,
                high_watermark,
                &mut partition.log,
            )
        });
        let found = self
            .recovered
            .iter_mut()
            .map(|(id, found)| (&found.topic, id.index, found.high_watermark, &mut found.log));
        let mut offsets = OffsetCheckpoints::default();
        for (topic, index, high_watermark, log) in named.chain(found) {
            let key = || (topic.clone(), index);
            offsets.high_watermarks.insert(key(), high_watermark);
            let recovery_point = log.checkpoint_recovery_point();
            offsets.recovery_points.insert(key(), recovery_point);
            if let Some(log_start) = log.log_start_to_checkpoint() {
                offsets.log_starts.insert(key(), log_start);
            }
        }
        offsets
    }

    /// Where every log ends.
    pub(super) fn log_ends_by_name(&self) -> OffsetCheckpoint {
        let named = self.partitions.iter();
        let named = named.map(|(id, local)| ((local.name.clone(), id.index), local.log.log_end()));
        let found = self.recovered.iter();
        let found = found.map(|(id, found)| ((found.topic.clone(), id.index), found.log.log_end()));
        named.chain(found).collect()
    }

    fn retain(&mut self, wall: TimestampMs) {
        let ids: Vec<PartitionId> = self.partitions.keys().copied().collect();
        for id in ids {
            let Some(partition) = self.partitions.get_mut(&id) else {
                continue;
            };
            let expired = partition.log.expire_producers(wall);
            self.counts.producers_expired += u64::try_from(expired).unwrap_or(u64::MAX);
            let high_watermark = partition.replica.high_watermark();
            let result = partition.log.delete_old_segments(wall, high_watermark);
            if result.as_ref().is_ok_and(|removed| *removed > 0) {
                self.look_later(id);
            }
            self.note_storage(id, result.err());
        }
    }

    /// Whether every in-sync follower has everything of what is still led here.
    fn is_handed_over(&self) -> bool {
        let mut partitions = self.partitions.values();
        partitions.all(|partition| partition.replica.is_handed_over())
    }
}
