//! From which session of which leader each partition is fetched: those in sync apart from those
//! that catch up, and those that are throttled apart from both.

use kintsugi_metadata::PartitionState;
use kintsugi_storage::FileSystem;
use kintsugi_types::{BrokerId, PartitionId, Time};

use super::Shard;
use super::fetchers::FetcherKey;
use crate::message::replication::FetchClass;

/// The rates in force on this broker, in bytes a second; `None`: unlimited.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct ThrottleRates {
    pub leader: Option<u64>,
    pub follower: Option<u64>,
}

impl<F: FileSystem> Shard<F> {
    /// Fetches a partition from where its state says; anew if its leader epoch is new.
    pub(super) fn fetch_from_leader(
        &mut self,
        now: Time,
        id: PartitionId,
        state: &PartitionState,
        is_new_epoch: bool,
    ) {
        if !self.partitions.contains_key(&id) {
            return;
        }
        let source = self.source_of(id, state);
        if is_new_epoch || source != self.fetchers.source(id) {
            self.fetchers.assign(now, id, source);
        }
    }

    fn source_of(&self, id: PartitionId, state: &PartitionState) -> Option<FetcherKey> {
        let leader = state
            .leader
            .filter(|leader| *leader != self.config.broker)?;
        let class = if state.isr.contains(&self.config.broker) {
            FetchClass::InSync
        } else {
            self.catching_up(id, leader)
        };
        Some((leader, id.shard_of(self.shards_of(leader)), class))
    }

    fn catching_up(&self, _id: PartitionId, _leader: BrokerId) -> FetchClass {
        FetchClass::catching_up(false, false)
    }

    /// How many shards a broker has.
    pub(super) fn shards_of(&self, broker: BrokerId) -> u16 {
        let broker = self.image.brokers.get(&broker);
        broker.map_or(1, |broker| broker.registration.shards)
    }

    /// The rates in force.
    pub(super) fn throttle_rates(&self) -> ThrottleRates {
        ThrottleRates::default()
    }

    /// The rate at which this broker may serve a session of this class, if it is limited.
    pub(super) fn leader_rate(&self, class: FetchClass) -> Option<u64> {
        let rate = self.throttle_rates().leader;
        rate.filter(|_| class.is_limited_by_leader())
    }
}

/// So many bytes, or what the rate allows in a second if that is less.
pub(super) fn at_most_a_second(max_bytes: usize, rate: Option<u64>) -> usize {
    let rate = rate.and_then(|rate| usize::try_from(rate).ok());
    rate.map_or(max_bytes, |rate| max_bytes.min(rate.max(1)))
}
