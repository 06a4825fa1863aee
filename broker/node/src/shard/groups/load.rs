//! Taking over what a partition of `__consumer_offsets` holds.
//!
//! Begins when the leadership is taken over, in pieces: after each event one piece of one
//! coordinator is read, so that other partitions are served between.

use kintsugi_coordinator::Coordinator;
use kintsugi_storage::FileSystem;
use kintsugi_types::{PartitionId, Time};
use kintsugi_wire::batch::split;

use super::Shard;
use super::hosted::State;
use super::rewrite::REWRITE_PAUSE;

/// How many bytes one piece of loading reads: a few milliseconds.
const LOAD_BYTES: usize = 1 << 20;

impl<F: FileSystem> Shard<F> {
    /// A partition of `__consumer_offsets` has a leader of a new epoch, which may be here.
    pub(in crate::shard) fn note_group_partition(&mut self, id: PartitionId) {
        let led = self.partitions.get(&id);
        let led = led.filter(|partition| partition.replica.is_leader());
        if led.is_some_and(|partition| partition.name.as_str() == super::TOPIC_NAME) {
            self.groups.to_begin.insert(id);
        }
    }

    /// Begins to load the coordinators of partitions that are led here since the last event.
    pub(in crate::shard) fn begin_groups(&mut self, now: Time) {
        for id in std::mem::take(&mut self.groups.to_begin) {
            self.begin_group(now, id);
        }
    }

    /// Begins to load a coordinator, unless there is one.
    pub(super) fn begin_group(&mut self, now: Time, id: PartitionId) {
        let Some(partition) = self.partitions.get(&id) else {
            return;
        };
        let (epoch, start) = (partition.replica.leader_epoch(), partition.log.log_start());
        if partition.replica.is_leader() && !self.groups.hosted.contains_key(&id) {
            let rewrite_at_bytes = self.config.limits.group_log_bytes;
            let place = (id, epoch, start);
            self.groups.begin(now, place, rewrite_at_bytes);
        }
    }

    /// Loads a piece more of one of the coordinators that are loading: first of those that somebody
    /// waits for.
    pub(in crate::shard) fn load_groups(&mut self, now: Time) {
        let can_go_on = self
            .groups
            .hosted
            .iter()
            .filter(|(id, _)| self.can_load(id));
        let next = can_go_on.min_by_key(|(_, hosted)| !hosted.is_wanted);
        if let Some(id) = next.map(|(id, _)| *id) {
            self.load_some(now, id);
        }
    }

    /// Whether a coordinator can go on loading at once.
    pub(in crate::shard) fn has_groups_to_load(&self) -> bool {
        self.groups.hosted.keys().any(|id| self.can_load(id))
    }

    /// Nothing is loaded that is not committed: it might yet be cut off.
    fn can_load(&self, id: &PartitionId) -> bool {
        let hosted = self.groups.hosted.get(id);
        let (Some(hosted), Some(partition)) = (hosted, self.partitions.get(id)) else {
            return false;
        };
        if self.mends.is_damaged(*id) {
            return false;
        }
        let committed = partition.replica.high_watermark();
        match &hosted.state {
            State::Loading { next, .. } => {
                *next < committed || committed >= partition.log.log_end()
            }
            State::Ready(_) | State::Failed => false,
        }
    }

    fn load_some(&mut self, now: Time, id: PartitionId) {
        let wall = self.groups.wall;
        let hosted = self.groups.hosted.get_mut(&id);
        let (Some(hosted), Some(partition)) = (hosted, self.partitions.get(&id)) else {
            return;
        };
        let State::Loading { coordinator, next } = &mut hosted.state else {
            return;
        };
        let end = partition.log.log_end();
        let committed = partition.replica.high_watermark().min(end);
        let mut left = LOAD_BYTES;
        while *next < committed && left > 0 {
            let read = match partition.log.read(*next, left, committed, true) {
                Ok(read) => read,
                Err(error) => {
                    self.note_storage(id, Some(error));
                    if !self.mends.is_damaged(id)
                        && let Some(hosted) = self.groups.hosted.get_mut(&id)
                    {
                        hosted.state = State::Failed;
                    }
                    return;
                }
            };
            left = left.saturating_sub(read.bytes.len());
            if load_all(coordinator, read.bytes).is_err() || read.next_offset <= *next {
                hosted.state = State::Failed;
                return;
            }
            *next = read.next_offset;
        }
        // What was appended before this leadership and is not committed yet comes, too.
        if *next >= end
            && let State::Loading {
                mut coordinator, ..
            } = std::mem::replace(&mut hosted.state, State::Failed)
        {
            coordinator.finish_load(now, wall);
            hosted.state = State::Ready(coordinator);
            hosted.rewrite.not_before = now + REWRITE_PAUSE;
            self.groups.loaded.insert(id);
            let took = now.since(hosted.begun);
            self.counts.group_loads += 1;
            self.counts.group_load_ms += u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        }
    }
}

fn load_all(coordinator: &mut Coordinator, bytes: bytes::Bytes) -> Result<(), ()> {
    for batch in split(bytes) {
        let (_, batch) = batch.map_err(|_| ())?;
        coordinator.load(&batch).map_err(|_| ())?;
    }
    Ok(())
}
