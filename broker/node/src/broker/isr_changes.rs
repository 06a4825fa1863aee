//! ISR changes on their way to the controller: batched, one request in flight (KIP-497).

use std::collections::BTreeMap;

use kintsugi_types::{BrokerEpoch, ErrorCode, PartitionId, Time};

use super::config::{ISR_CHANGES_MAX, Timeouts};
use crate::message::broker::Command;
use crate::message::link::{AlterPartitionRequest, IsrChange, ToController};

/// Changes that wait, and those that are asked for.
#[derive(Debug)]
pub(super) struct IsrChanges {
    timeouts: Timeouts,
    waiting: BTreeMap<PartitionId, (u16, IsrChange)>,
    in_flight: Option<InFlight>,
    last_request_id: u64,
}

#[derive(Debug)]
struct InFlight {
    request_id: u64,
    sent_at: Time,
    shards: BTreeMap<PartitionId, u16>,
}

impl IsrChanges {
    pub const fn new(timeouts: Timeouts) -> Self {
        Self {
            timeouts,
            waiting: BTreeMap::new(),
            in_flight: None,
            last_request_id: 0,
        }
    }

    /// A shard wants these; a newer change of a partition replaces one that still waits.
    pub fn add(&mut self, shard: u16, changes: Vec<IsrChange>) {
        for change in changes {
            self.waiting.insert(change.partition, (shard, change));
        }
    }

    /// Sends what waits, if nothing is in flight.
    pub fn send(&mut self, now: Time, broker_epoch: BrokerEpoch, out: &mut Vec<Command>) {
        if self.in_flight.is_some() || self.waiting.is_empty() {
            return;
        }
        let mut changes = Vec::new();
        let mut shards = BTreeMap::new();
        while changes.len() < ISR_CHANGES_MAX
            && let Some((partition, (shard, change))) = self.waiting.pop_first()
        {
            shards.insert(partition, shard);
            changes.push(change);
        }
        self.last_request_id += 1;
        self.in_flight = Some(InFlight {
            request_id: self.last_request_id,
            sent_at: now,
            shards,
        });
        let request = AlterPartitionRequest {
            request_id: self.last_request_id,
            broker_epoch,
            changes,
        };
        out.push(Command::ToController(ToController::AlterPartition(request)));
    }

    pub fn answered(
        &mut self,
        request_id: u64,
        error: ErrorCode,
        results: &[(PartitionId, ErrorCode)],
        out: &mut Vec<Command>,
    ) {
        let is_ours = |request: &InFlight| request.request_id == request_id;
        if !self.in_flight.as_ref().is_some_and(is_ours) {
            return;
        }
        let results: BTreeMap<_, _> = results.iter().copied().collect();
        self.settle(out, |partition| {
            let result = results.get(&partition).copied();
            if error.is_none() {
                result.unwrap_or(ErrorCode::UnknownServerError)
            } else {
                error
            }
        });
    }

    /// The link was lost or the time is over: nobody knows what became of the request.
    pub fn give_up(&mut self, out: &mut Vec<Command>) {
        self.settle(out, |_| ErrorCode::RequestTimedOut);
    }

    pub fn wake(&mut self, now: Time, out: &mut Vec<Command>) {
        if now >= self.next_wake() {
            self.give_up(out);
        }
    }

    pub fn next_wake(&self) -> Time {
        self.in_flight.as_ref().map_or(Time::NEVER, |request| {
            request.sent_at + self.timeouts.alter_partition
        })
    }

    fn settle(&mut self, out: &mut Vec<Command>, result: impl Fn(PartitionId) -> ErrorCode) {
        let Some(request) = self.in_flight.take() else {
            return;
        };
        let mut by_shard: BTreeMap<u16, Vec<(PartitionId, ErrorCode)>> = BTreeMap::new();
        for (partition, shard) in request.shards {
            let results = by_shard.entry(shard).or_default();
            results.push((partition, result(partition)));
        }
        for (shard, results) in by_shard {
            out.push(Command::AlterPartitionAnswered { shard, results });
        }
    }
}
