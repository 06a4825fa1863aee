//! What only a leader keeps: how far its followers are, the ISR, and who waits for them.

mod isr;
mod progress;
mod waits;

use std::collections::BTreeMap;

use kintsugi_types::bug::{Bug, is_on};
use kintsugi_types::{BrokerEpoch, BrokerId, Offset, Time};

use crate::assignment::{Assignment, LogEnds, Registry};
use crate::config::ReplicaConfig;

pub(crate) use isr::{Isr, Pending};
use progress::Progress;
use waits::Waits;

/// A follower's fetch that passed the leader's checks: everything before `end` is in its log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FollowerFetch {
    /// Who fetches.
    pub follower: BrokerId,
    /// Under which registration.
    pub broker_epoch: BrokerEpoch,
    /// Its end offset.
    pub end: Offset,
}

/// A leader's view of its partition in one leader epoch.
#[derive(Debug)]
pub(crate) struct Leader {
    /// Where its leader epoch began: the end of its log when it became leader, synced or not. All
    /// that was committed before lies below it.
    pub epoch_start: Offset,
    /// How far it counts as holding its log.
    pub end: Offset,
    pub isr: Isr,
    pub waits: Waits,
    replicas_in_force: usize,
    followers: BTreeMap<BrokerId, Progress>,
}

impl Leader {
    pub fn new(now: Time, local: BrokerId, assignment: &Assignment, ends: LogEnds) -> Self {
        let mut leader = Self {
            epoch_start: ends.log,
            end: ends.counted,
            isr: Isr::new(assignment),
            waits: Waits::default(),
            replicas_in_force: 0,
            followers: BTreeMap::new(),
        };
        leader.set_replicas(now, local, assignment);
        leader
    }

    /// Starts and stops following the progress of replicas.
    pub fn set_replicas(&mut self, now: Time, local: BrokerId, assignment: &Assignment) {
        let replicas = &assignment.replicas;
        self.replicas_in_force = assignment.replicas_in_force.max(1);
        self.followers.retain(|broker, _| replicas.contains(broker));
        for broker in replicas.iter().filter(|broker| **broker != local) {
            let in_sync = self.isr.committed.contains(broker);
            self.followers
                .entry(*broker)
                .or_insert_with(|| Progress::new(in_sync.then_some(now)));
        }
    }

    /// How many in-sync replicas an acks=all produce needs: never more than there are replicas.
    pub fn min_isr(&self, config: &ReplicaConfig) -> usize {
        config.min_isr.min(self.replicas_in_force)
    }

    pub fn is_under_min_isr(&self, config: &ReplicaConfig) -> bool {
        self.isr.committed.len() < self.min_isr(config)
    }

    pub fn appended(&mut self, now: Time, end: Offset) {
        for progress in self.followers.values_mut() {
            progress.leader_appended(now, self.end);
        }
        self.end = end;
    }

    /// Notes a fetch; false if the follower is no replica of this partition.
    pub fn fetched(&mut self, now: Time, fetch: FollowerFetch) -> bool {
        let end = self.end;
        self.followers
            .get_mut(&fetch.follower)
            .map(|progress| progress.fetched(now, fetch, end))
            .is_some()
    }

    /// Where the high watermark may stand, if anything can be said: the least end over the maximal
    /// ISR, and over caught-up replicas that may join it, so that they can reach it.
    pub fn high_watermark(
        &self,
        now: Time,
        config: &ReplicaConfig,
        registry: &impl Registry,
    ) -> Option<Offset> {
        if self.is_under_min_isr(config) && !is_on(Bug::AdvanceBelowMinIsr) {
            return None;
        }
        let mut least = self.end;
        for (broker, progress) in &self.followers {
            let is_member = self.isr.maximal_contains(*broker);
            let may_join = || {
                progress.is_caught_up(now, self.end, config.lag_max)
                    && progress.broker_epoch.is_some()
                    && registry.eligible_epoch(*broker) == progress.broker_epoch
            };
            if is_member {
                least = least.min(progress.end?);
            } else if may_join() {
                least = least.min(progress.end.unwrap_or(least));
            }
        }
        Some(least)
    }

    /// Whether time alone changes nothing any more: no proposal is under way, every member of the ISR
    /// has everything, and so has every other replica, or it counts as caught up no longer.
    pub fn is_settled(&self, now: Time, config: &ReplicaConfig) -> bool {
        let is_settled = |broker: &BrokerId, progress: &Progress| {
            progress.end.is_some_and(|end| end >= self.end)
                || (!self.isr.committed.contains(broker)
                    && !progress.is_caught_up(now, self.end, config.lag_max))
        };
        self.isr.pending.is_none()
            && self
                .followers
                .iter()
                .all(|(broker, progress)| is_settled(broker, progress))
    }

    /// Whether every other in-sync replica has everything.
    pub fn is_handed_over(&self) -> bool {
        let has_all = |progress: &Progress| progress.end.is_some_and(|end| end >= self.end);
        self.followers
            .iter()
            .filter(|(broker, _)| self.isr.maximal_contains(**broker))
            .all(|(_, progress)| has_all(progress))
    }

    /// Replicas outside the ISR that may join it.
    pub fn joiners(&self, high_watermark: Offset, registry: &impl Registry) -> Vec<BrokerId> {
        let least = if is_on(Bug::JoinBeforeEpochStart) {
            high_watermark
        } else {
            high_watermark.max(self.epoch_start)
        };
        let is_known = |broker: BrokerId, epoch| {
            let eligible = registry.eligible_epoch(broker);
            eligible == epoch || (is_on(Bug::OldIncarnationInIsr) && eligible.is_some())
        };
        let joins = |broker: BrokerId, progress: &Progress| {
            !self.isr.committed.contains(&broker)
                && progress.end.is_some_and(|end| end >= least)
                && progress.broker_epoch.is_some()
                && is_known(broker, progress.broker_epoch)
        };
        self.followers
            .iter()
            .filter(|(broker, progress)| joins(**broker, progress))
            .map(|(broker, _)| *broker)
            .collect()
    }

    /// Members of the ISR that have not been caught up for too long.
    pub fn laggards(&self, now: Time, config: &ReplicaConfig) -> Vec<BrokerId> {
        self.followers
            .iter()
            .filter(|(broker, _)| self.isr.committed.contains(broker))
            .filter(|(_, progress)| !progress.is_caught_up(now, self.end, config.lag_max))
            .map(|(broker, _)| *broker)
            .collect()
    }

    /// The broker epoch that the follower fetched with, or that it is registered with.
    pub fn broker_epoch(&self, broker: BrokerId, registry: &impl Registry) -> BrokerEpoch {
        self.followers
            .get(&broker)
            .and_then(|progress| progress.broker_epoch)
            .or_else(|| registry.registered_epoch(broker))
            .unwrap_or(BrokerEpoch(-1))
    }
}
