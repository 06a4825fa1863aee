//! Syncs: begun here, run on another thread, one at a time for each log.
//!
//! With `flush.messages=1` a record counts only once it is synced, on the leader and on each
//! follower: the leader's own end, and the end that a follower tells, is where its synced part ends
//! (group commit: what is appended during one sync is covered by the next). A failed sync ends the
//! process: what it should have made durable may be lost though it can still be read, and a second
//! sync would succeed without writing anything.

use std::collections::BTreeSet;

use kintsugi_replica::Ticket;
use kintsugi_storage::{FileSystem, FsError, SyncJob, SyncScope, Synced};
use kintsugi_types::{ErrorCode, Offset, PartitionId, Time, TimestampMs};

use super::Shard;
use crate::message::shard::Command;

/// Produces with acks=1 that wait until the leader has synced what they appended.
#[derive(Debug, Default)]
pub(super) struct SyncWaits(BTreeSet<(Offset, Ticket)>);

impl SyncWaits {
    pub fn insert(&mut self, required: Offset, ticket: Ticket) {
        self.0.insert((required, ticket));
    }

    pub fn remove(&mut self, ticket: Ticket) {
        self.0.retain(|(_, waiting)| *waiting != ticket);
    }

    /// Those that need nothing after `end`.
    fn take_reached(&mut self, end: Offset) -> Vec<Ticket> {
        let mut reached = Vec::new();
        while let Some((required, ticket)) = self.0.first().copied()
            && required <= end
        {
            self.0.pop_first();
            reached.push(ticket);
        }
        reached
    }

    pub fn take_all(&mut self) -> Vec<Ticket> {
        self.take_reached(Offset(i64::MAX))
    }
}

impl<F: FileSystem> Shard<F> {
    /// What [`Command::Sync`] wants done, to be run on another thread and answered by
    /// `Event::Synced`; `None` when there is nothing to sync any more.
    pub fn begin_sync(&mut self, partition: PartitionId) -> Option<SyncJob<F>> {
        let local = self.partitions.get_mut(&partition)?;
        self.watch.add(partition, local);
        let wanted = local.log.sync_wanted();
        let due = std::mem::take(&mut local.is_flush_due).then_some(SyncScope::Batches);
        let scope = due.filter(|_| local.log.needs_sync()).or(wanted)?;
        // A file that cannot be opened now may be later: whatever is appended next asks again, and
        // so does the clock.
        local.log.begin_sync(scope).ok()
    }

    pub(super) fn counts_synced_only(&self, id: PartitionId) -> bool {
        let local = self.partitions.get(&id);
        local.is_some_and(|local| local.log.counts_synced_only())
    }

    /// Whether something before `end` counts only after a sync.
    pub(super) fn is_unsynced(&self, id: PartitionId, end: Offset) -> bool {
        let local = self.partitions.get(&id);
        local.is_some_and(|local| local.log.counted_end() < end)
    }

    /// After an append or a change of role: asks for a sync if one is wanted.
    pub(super) fn want_sync(&mut self, id: PartitionId) {
        let local = self.partitions.get_mut(&id);
        if let Some(local) = local.filter(|local| local.log.sync_wanted().is_some()) {
            self.watch.add(id, local);
            self.todo.syncs.insert(id);
        }
    }

    /// Asks for the sync that `flush.ms` makes due, or that could not begin before.
    pub(super) fn flush_if_overdue(&mut self, wall: TimestampMs, id: PartitionId) {
        let Some(local) = self.partitions.get_mut(&id) else {
            return;
        };
        local.is_flush_due |= local.log.is_flush_overdue(wall);
        if local.is_flush_due || local.log.sync_wanted().is_some() {
            self.todo.syncs.insert(id);
        }
    }

    pub(super) fn synced(&mut self, now: Time, id: PartitionId, result: Result<Synced, FsError>) {
        let Some(local) = self.partitions.get_mut(&id) else {
            // Its log was dropped meanwhile, and its directory with it: that it is not found is no
            // news. A disk that fails to sync is bad news all the same.
            if let Err(error) = result
                && !error.is_not_found()
            {
                self.todo.fatal.get_or_insert(error.to_string());
            }
            return;
        };
        let finished = local.log.finish_sync(result);
        let end = local.log.counted_end();
        let reached = local.sync_waits.take_reached(end);
        let decided = reached.into_iter().map(|ticket| (ticket, ErrorCode::None));
        self.todo.decided.extend(decided);
        if local.log.counts_synced_only() {
            self.fetchers.tell_again(id);
        }
        self.note_storage(id, finished.err());
        self.with_replica(id, |replica, brokers, commands| {
            replica.appended(now, end, None, brokers, commands);
        });
        self.want_sync(id);
    }

    pub(super) fn push_syncs(&mut self, out: &mut Vec<Command>) {
        for partition in std::mem::take(&mut self.todo.syncs) {
            out.push(Command::Sync { partition });
        }
    }

    /// This broker does not lead the partition any more: what waits for its own sync cannot tell
    /// whether what it appended stays.
    pub(super) fn fail_sync_waits(&mut self, id: PartitionId) {
        if let Some(local) = self.partitions.get_mut(&id) {
            let failed = local.sync_waits.take_all().into_iter();
            let failed = failed.map(|ticket| (ticket, ErrorCode::NotLeaderOrFollower));
            self.todo.decided.extend(failed);
        }
    }
}
