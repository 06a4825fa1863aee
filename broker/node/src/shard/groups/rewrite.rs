//! Keeping the logs of coordinators short: a coordinator appends anew what is still in use, and the
//! log begins there from then on.
//!
//! Nothing before the start of a rewrite is needed once its last batch is committed. Followers hear
//! of the new start with their next fetch. Where the leader changes meanwhile, the log still begins
//! where it did, and whoever reads it reads some things twice.

use std::time::Duration;

use kintsugi_coordinator as coordinator;
use kintsugi_storage::FileSystem;
use kintsugi_types::{PartitionId, Time};

use super::Shard;
use super::hosted::State;
use crate::message::shard::Command;

/// How long a coordinator that has just been loaded, or whose rewrite failed, is left alone.
pub(super) const REWRITE_PAUSE: Duration = Duration::from_secs(10);

/// A log is rewritten when it has become so many times as large as what was in use the last time.
const GROWTH: u64 = 3;

impl<F: FileSystem> Shard<F> {
    /// Begins to rewrite the logs that have become too large.
    pub(in crate::shard) fn rewrite_groups(&mut self, now: Time, out: &mut Vec<Command>) {
        let hosted = self.groups.hosted.iter();
        let due = hosted.filter(|(id, hosted)| {
            let is_ready = matches!(hosted.state, State::Ready(_));
            let size_bytes = self.partitions.get(id).map_or(0, |p| p.log.size_bytes());
            is_ready
                && hosted.rewrite.from.is_none()
                && now >= hosted.rewrite.not_before
                && size_bytes >= hosted.rewrite.at_bytes
        });
        let due: Vec<PartitionId> = due.map(|(id, _)| *id).collect();
        for id in due {
            self.begin_rewrite(now, id, out);
        }
    }

    fn begin_rewrite(&mut self, now: Time, id: PartitionId, out: &mut Vec<Command>) {
        let Some(partition) = self.partitions.get_mut(&id) else {
            return;
        };
        self.watch.add(id, partition);
        // A segment of its own, so that those before it can go as a whole.
        let rolled = partition.log.roll();
        let end = partition.log.log_end();
        let is_rolled = rolled.is_ok();
        self.note_storage(id, rolled.err());
        if let Some(hosted) = self.groups.hosted.get_mut(&id) {
            hosted.rewrite.from = is_rolled.then_some(end);
        }
        if is_rolled {
            self.coordinate(now, id, coordinator::Event::Rewrite, out);
        }
    }

    /// A rewrite has ended.
    pub(super) fn end_rewrite(
        &mut self,
        now: Time,
        id: PartitionId,
        is_done: bool,
        size_bytes: usize,
    ) {
        let wall = self.groups.wall;
        let at_least = self.config.limits.group_log_bytes;
        let Some(hosted) = self.groups.hosted.get_mut(&id) else {
            return;
        };
        let from = hosted.rewrite.from.take();
        let (Some(from), Some(partition)) = (from, self.partitions.get_mut(&id)) else {
            return;
        };
        self.watch.add(id, partition);
        if !is_done {
            hosted.rewrite.not_before = now + REWRITE_PAUSE;
            return;
        }
        let size_bytes = u64::try_from(size_bytes).unwrap_or(u64::MAX);
        self.counts.group_log_rewrites += 1;
        hosted.rewrite.at_bytes = at_least.max(size_bytes.saturating_mul(GROWTH));
        let high_watermark = partition.replica.high_watermark();
        let advanced = partition.log.advance_log_start(from);
        let result = advanced.and_then(|()| {
            let removed = partition.log.delete_old_segments(wall, high_watermark);
            removed.map(|_| ())
        });
        self.note_storage(id, result.err());
        // Followers are told where the log starts now.
        self.wake_watchers(id);
    }
}
