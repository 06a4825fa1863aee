//! Taking over what a partition of `__consumer_offsets` holds.

use kintsugi_coordinator::Coordinator;
use kintsugi_storage::FileSystem;
use kintsugi_types::{PartitionId, Time};
use kintsugi_wire::batch::split;

use super::{Shard, State};

/// How many bytes one piece of loading reads: a few milliseconds.
const LOAD_BYTES: usize = 1 << 20;

impl<F: FileSystem> Shard<F> {
    /// Loads a piece more of a coordinator that is loading.
    ///
    /// Nothing is loaded before everything that the log held when this leadership began is
    /// committed: what is not might yet be cut off.
    pub(super) fn load_some(&mut self, now: Time, id: PartitionId) {
        let Some(partition) = self.partitions.get(&id) else {
            return;
        };
        let end = partition.log.log_end();
        if partition.replica.high_watermark() < end {
            return;
        }
        let Some(hosted) = self.groups.hosted.get_mut(&id) else {
            return;
        };
        let State::Loading { coordinator, next } = &mut hosted.state else {
            return;
        };
        let mut left = LOAD_BYTES;
        while *next < end && left > 0 {
            let Ok(read) = partition.log.read(*next, left, end, true) else {
                hosted.state = State::Failed;
                return;
            };
            left = left.saturating_sub(read.bytes.len());
            if load_all(coordinator, read.bytes).is_err() || read.next_offset <= *next {
                hosted.state = State::Failed;
                return;
            }
            *next = read.next_offset;
        }
        if *next >= end
            && let State::Loading {
                mut coordinator, ..
            } = std::mem::replace(&mut hosted.state, State::Failed)
        {
            coordinator.finish_load(now);
            hosted.state = State::Ready(coordinator);
        }
    }

    /// Loads a piece more of every coordinator that is loading.
    pub(in crate::shard) fn load_groups(&mut self, now: Time) {
        let loading = self.groups.hosted.iter();
        let loading = loading.filter(|(_, hosted)| matches!(hosted.state, State::Loading { .. }));
        let loading: Vec<PartitionId> = loading.map(|(id, _)| *id).collect();
        for id in loading {
            self.load_some(now, id);
        }
    }

    /// Whether a coordinator can go on loading at once.
    pub(in crate::shard) fn has_groups_to_load(&self) -> bool {
        self.groups.hosted.iter().any(|(id, hosted)| {
            let is_loading = matches!(hosted.state, State::Loading { .. });
            let local = self.partitions.get(id).filter(|_| is_loading);
            local.is_some_and(|p| p.replica.high_watermark() >= p.log.log_end())
        })
    }
}

fn load_all(coordinator: &mut Coordinator, bytes: bytes::Bytes) -> Result<(), ()> {
    for batch in split(bytes) {
        let (_, batch) = batch.map_err(|_| ())?;
        coordinator.load(&batch).map_err(|_| ())?;
    }
    Ok(())
}
