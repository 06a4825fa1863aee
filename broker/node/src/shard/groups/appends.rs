//! What coordinators append, until it is committed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use kintsugi_coordinator as coordinator;
use kintsugi_replica::Ticket;
use kintsugi_storage::FileSystem;
use kintsugi_types::{ErrorCode, PartitionId, Time};

use super::Shard;
use crate::message::shard::Command;

/// How long an append may wait for the in-sync replicas (`offsets.commit.timeout.ms`).
const COMMIT_WAIT_MAX: Duration = Duration::from_secs(5);

/// The appends that wait.
#[derive(Debug, Default)]
pub(super) struct Appends {
    waiting: BTreeMap<Ticket, Append>,
    deadlines: BTreeSet<(Time, Ticket)>,
}

#[derive(Clone, Copy, Debug)]
struct Append {
    partition: PartitionId,
    append_token: u64,
    deadline: Time,
}

impl Appends {
    pub fn next_wake(&self) -> Time {
        self.deadlines.first().map_or(Time::NEVER, |(at, _)| *at)
    }

    /// Forgets what a coordinator waits for that has ended.
    pub fn forget(&mut self, partition: PartitionId) {
        self.waiting
            .retain(|_, append| append.partition != partition);
        let waiting = &self.waiting;
        self.deadlines
            .retain(|(_, ticket)| waiting.contains_key(ticket));
    }

    fn insert(&mut self, ticket: Ticket, append: Append) {
        self.deadlines.insert((append.deadline, ticket));
        self.waiting.insert(ticket, append);
    }

    fn remove(&mut self, ticket: Ticket) -> Option<Append> {
        let append = self.waiting.remove(&ticket)?;
        self.deadlines.remove(&(append.deadline, ticket));
        Some(append)
    }

    fn overdue(&self, now: Time) -> Vec<Ticket> {
        let due = self.deadlines.iter().take_while(|(at, _)| now >= *at);
        due.map(|(_, ticket)| *ticket).collect()
    }
}

impl<F: FileSystem> Shard<F> {
    /// Appends a coordinator's batch; gives back the event that says so when it failed at once.
    pub(super) fn group_append(
        &mut self,
        now: Time,
        id: PartitionId,
        append_token: u64,
        batch: Bytes,
    ) -> Option<coordinator::Event> {
        let wall = self.groups.wall;
        if let Err(error) = self.append(now, wall, id, batch, true) {
            return Some(coordinator::Event::Appended {
                append_token,
                result: Err(error),
            });
        }
        let ticket = self.produces.draw_ticket();
        let append = Append {
            partition: id,
            append_token,
            deadline: now + COMMIT_WAIT_MAX,
        };
        self.groups.appends.insert(ticket, append);
        let end = self.partitions.get(&id).map(|p| p.log.log_end())?;
        self.count_append(now, id, end, Some(ticket));
        None
    }

    /// An append of a coordinator is decided; false if the ticket is nobody's here.
    pub(in crate::shard) fn group_append_decided(
        &mut self,
        now: Time,
        ticket: Ticket,
        error: ErrorCode,
        out: &mut Vec<Command>,
    ) -> bool {
        let Some(append) = self.groups.appends.remove(ticket) else {
            return false;
        };
        let result = match error {
            ErrorCode::None => Ok(()),
            error => Err(error),
        };
        let event = coordinator::Event::Appended {
            append_token: append.append_token,
            result,
        };
        self.coordinate(now, append.partition, event, out);
        true
    }

    pub(super) fn time_out_appends(&mut self, now: Time, out: &mut Vec<Command>) {
        for ticket in self.groups.appends.overdue(now) {
            let append = self.groups.appends.waiting.get(&ticket).copied();
            if let Some(append) = append {
                self.with_replica(append.partition, |replica, _, _| replica.cancel(ticket));
            }
            self.group_append_decided(now, ticket, ErrorCode::RequestTimedOut, out);
        }
    }
}
