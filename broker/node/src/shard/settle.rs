//! What events leave to be done: collected while an event is handled, done at its end, so that
//! several appends of one event wake a waiting fetch once.

use std::collections::BTreeSet;
use std::sync::Arc;

use kintsugi_replica::{self as replica, Replica, Ticket};
use kintsugi_storage::{FileSystem, LogError};
use kintsugi_types::{ErrorCode, PartitionId, Time};

use super::Shard;
use super::partition::Brokers;
use super::sessions::SessionKey;
use crate::message::link::IsrChange;
use crate::message::shard::{Command, Token};

/// What is to be done at the end of an event.
#[derive(Debug, Default)]
pub(super) struct Todo {
    /// Clients' held fetches to look at again.
    pub fetches: BTreeSet<Token>,
    /// Followers' sessions to look at again.
    pub sessions: BTreeSet<SessionKey>,
    /// Produces that are decided.
    pub decided: Vec<(Ticket, ErrorCode)>,
    /// Logs that want a sync.
    pub syncs: BTreeSet<PartitionId>,
    /// ISR changes to ask for.
    pub isr_changes: Vec<IsrChange>,
    /// Why the process cannot go on.
    pub fatal: Option<String>,
}

impl<F: FileSystem> Shard<F> {
    /// Lets a partition's replica handle something, and collects what it wants done.
    pub(super) fn with_replica<T>(
        &mut self,
        id: PartitionId,
        act: impl FnOnce(&mut Replica, &Brokers<'_>, &mut Vec<replica::Command>) -> T,
    ) -> Option<T> {
        let image = Arc::clone(&self.image);
        let mut commands = Vec::new();
        let partition = self.partitions.get_mut(&id)?;
        self.watch.add(id, partition);
        let result = act(&mut partition.replica, &Brokers(&image), &mut commands);
        for command in commands {
            self.take_over(id, command);
        }
        Some(result)
    }

    fn take_over(&mut self, id: PartitionId, command: replica::Command) {
        match command {
            replica::Command::HighWatermark(_) => self.wake_watchers(id),
            replica::Command::Acknowledge { ticket, error } => {
                self.todo.decided.push((ticket, error));
            }
            replica::Command::ProposeIsr(proposal) => self.todo.isr_changes.push(IsrChange {
                partition: id,
                leader_epoch: proposal.leader_epoch,
                partition_epoch: proposal.partition_epoch,
                isr: proposal.isr,
            }),
            replica::Command::Truncate(end) => {
                if let Some(partition) = self.partitions.get_mut(&id) {
                    let result = partition.log.truncate_to(end);
                    self.note_storage(id, result.map(|_| ()).err());
                }
            }
        }
    }

    /// Something new is in a partition: whoever waits for it is looked at at the end of the event.
    pub(super) fn wake_watchers(&mut self, id: PartitionId) {
        let Some(partition) = self.partitions.get(&id) else {
            return;
        };
        self.todo.fetches.extend(&partition.fetches);
        for key in &partition.sessions {
            if self.sessions.mark_ready(*key, id) {
                self.todo.sessions.insert(*key);
            }
        }
    }

    /// After an error of a log: what is damaged is mended. When it takes no more writes the process
    /// must end: what it holds in memory may not be what is on the disk.
    pub(super) fn note_storage(&mut self, id: PartitionId, error: Option<LogError>) {
        let Some(error) = error else {
            return;
        };
        self.note_damage(id, &error);
        self.note_poison(id, &error);
    }

    pub(super) fn note_poison(&mut self, id: PartitionId, error: &LogError) {
        let poisoned = self.partitions.get(&id).and_then(|p| p.log.poisoned());
        if poisoned.is_some() && self.todo.fatal.is_none() {
            self.todo.fatal = Some(format!("storage of partition {id} failed: {error}"));
        }
    }

    pub(super) fn settle_all(&mut self, now: Time, out: &mut Vec<Command>) {
        // What a coordinator learns is committed may make it append more, which a partition
        // without followers commits at once.
        while !self.todo.decided.is_empty() {
            for (ticket, error) in std::mem::take(&mut self.todo.decided) {
                if !self.group_append_decided(now, ticket, error, out) {
                    self.produces.decide(ticket, error, out);
                }
            }
        }
        for key in std::mem::take(&mut self.todo.sessions) {
            self.serve_held(now, key, out);
        }
        for token in std::mem::take(&mut self.todo.fetches) {
            self.look_again(now, token, out);
        }
        self.push_syncs(out);
        self.mend(now, out);
        self.send_fetches(now, out);
        let changes = std::mem::take(&mut self.todo.isr_changes);
        if !changes.is_empty() {
            out.push(Command::AlterPartition { changes });
        }
        if let Some(reason) = self.todo.fatal.take() {
            out.push(Command::Fatal { reason });
        }
    }
}
