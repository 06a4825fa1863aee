//! Heartbeats, and the lease that their answers give.

use std::collections::{BTreeMap, BTreeSet};

use kintsugi_types::{BrokerEpoch, Incarnation, MetadataOffset, Time};

use super::config::Timeouts;
use crate::message::broker::Command;
use crate::message::link::{Heartbeat, ToController};

/// The heartbeats of a broker.
#[derive(Debug)]
pub(super) struct Heartbeats {
    timeouts: Timeouts,
    sequence: u64,
    /// When those without an answer were sent, if their answer may extend the lease.
    sent: BTreeMap<u64, Time>,
    next_at: Time,
    lease_until: Option<Time>,
    /// When each shard last made progress.
    progress: BTreeMap<u16, Time>,
    started_at: Time,
}

/// What a heartbeat says that is not its own.
pub(super) struct Content {
    pub broker_epoch: BrokerEpoch,
    pub applied: MetadataOffset,
    pub wants_to_stop: bool,
    pub refused_by: BTreeSet<Incarnation>,
}

impl Heartbeats {
    pub const fn new(timeouts: Timeouts, now: Time) -> Self {
        Self {
            timeouts,
            sequence: 0,
            sent: BTreeMap::new(),
            next_at: now,
            lease_until: None,
            progress: BTreeMap::new(),
            started_at: now,
        }
    }

    pub const fn has_lease(&self) -> bool {
        self.lease_until.is_some()
    }

    /// Makes the next one due at once: there is something that the controller should know.
    pub const fn hurry(&mut self, now: Time) {
        self.next_at = now;
    }

    /// Answers to what was sent on the link will not come any more.
    pub fn link_lost(&mut self) {
        self.sent.clear();
    }

    pub const fn is_due(&self, now: Time) -> bool {
        now.0 >= self.next_at.0
    }

    pub fn progressed(&mut self, shard: u16, at: Time) {
        let seen = self.progress.entry(shard).or_insert(at);
        *seen = (*seen).max(at);
    }

    /// Sends one. False if it says that shards are stuck: the controller does not answer that, and
    /// this broker's lease runs out with its session there.
    pub fn send(
        &mut self,
        now: Time,
        shards: u16,
        content: Content,
        out: &mut Vec<Command>,
    ) -> bool {
        self.sequence += 1;
        let shards_are_live = (0..shards).all(|shard| {
            let seen = self.progress.get(&shard).copied();
            now.since(seen.unwrap_or(self.started_at)) <= self.timeouts.shard_stall
        });
        if shards_are_live {
            self.sent.insert(self.sequence, now);
        }
        self.next_at = now + self.timeouts.heartbeat_interval;
        out.push(Command::ToController(ToController::Heartbeat(Heartbeat {
            sequence: self.sequence,
            broker_epoch: content.broker_epoch,
            applied: content.applied,
            shards_are_live,
            wants_to_stop: content.wants_to_stop,
            refused_by: content.refused_by,
        })));
        shards_are_live
    }

    /// A heartbeat was answered. Only a broker that is not fenced gets a lease, and it counts from
    /// when the heartbeat was sent, so it ends before the controller's session does.
    pub fn answered(&mut self, now: Time, sequence: u64, fenced: bool, out: &mut Vec<Command>) {
        let sent_at = self.sent.remove(&sequence);
        self.sent = self.sent.split_off(&sequence);
        if fenced {
            self.expire(out);
            return;
        }
        let Some(until) = sent_at.map(|sent_at| sent_at + self.timeouts.session) else {
            return;
        };
        if until > now && self.lease_until.is_none_or(|lease| until > lease) {
            self.lease_until = Some(until);
            out.push(Command::ExtendLease { until });
        }
    }

    /// Ends the lease if its time is over.
    pub fn check_lease(&mut self, now: Time, out: &mut Vec<Command>) {
        if self.lease_until.is_some_and(|until| now >= until) {
            self.expire(out);
        }
    }

    pub fn next_wake(&self, is_registered: bool) -> Time {
        let beat = if is_registered {
            self.next_at
        } else {
            Time::NEVER
        };
        beat.min(self.lease_until.unwrap_or(Time::NEVER))
    }

    fn expire(&mut self, out: &mut Vec<Command>) {
        if self.lease_until.take().is_some() {
            out.push(Command::LeaseExpired);
        }
    }
}
