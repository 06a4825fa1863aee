//! From which session of which leader each partition is fetched: those in sync apart from those
//! that catch up, and those that are throttled apart from both.

use kintsugi_metadata::PartitionState;
use kintsugi_metadata::configs::broker::{FOLLOWER_THROTTLED_RATE, LEADER_THROTTLED_RATE};
use kintsugi_metadata::configs::kind::elements;
use kintsugi_metadata::configs::topic::{FOLLOWER_THROTTLED_REPLICAS, LEADER_THROTTLED_REPLICAS};
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
        if is_new_epoch {
            self.fetchers.assign(now, id, source);
        } else if source != self.fetchers.source(id) {
            self.fetchers.change(now, id, source);
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

    /// Whether a leader or this follower throttles the replica: by the topic's lists.
    fn catching_up(&self, id: PartitionId, leader: BrokerId) -> FetchClass {
        let configs = self.image.topics.get(&id.topic).map(|topic| &topic.configs);
        let names = |list: &str, broker: BrokerId| {
            let list = configs.and_then(|configs| configs.get(list));
            list.is_some_and(|list| is_named(list, id, broker))
        };
        let by_leader = names(LEADER_THROTTLED_REPLICAS, leader);
        let by_follower = names(FOLLOWER_THROTTLED_REPLICAS, self.config.broker);
        FetchClass::catching_up(by_leader, by_follower)
    }

    /// How many shards a broker has.
    pub(super) fn shards_of(&self, broker: BrokerId) -> u16 {
        let broker = self.image.brokers.get(&broker);
        broker.map_or(1, |broker| broker.registration.shards)
    }

    /// The rates in force.
    pub(super) fn throttle_rates(&self) -> ThrottleRates {
        let configs = &self.image.dynamic_configs;
        let rate = |name| {
            let (value, _) = configs.get(self.config.broker, name)?;
            value.parse().ok()
        };
        ThrottleRates {
            leader: rate(LEADER_THROTTLED_RATE),
            follower: rate(FOLLOWER_THROTTLED_RATE),
        }
    }

    /// Forgets what was counted at another rate, if that changed.
    pub(super) fn note_rates(&self, before: ThrottleRates) {
        let rates = self.throttle_rates();
        if rates.leader != before.leader {
            self.config.throttles.leader.reset();
        }
        if rates.follower != before.follower {
            self.config.throttles.follower.reset();
        }
    }

    /// The rate at which this broker may serve a session of this class, if it is limited.
    pub(super) fn leader_rate(&self, class: FetchClass) -> Option<u64> {
        let rate = self.throttle_rates().leader;
        rate.filter(|_| class.is_limited_by_leader())
    }
}

/// Whether a list of throttled replicas names this one: `*`, or as `partition:broker`.
fn is_named(list: &str, id: PartitionId, broker: BrokerId) -> bool {
    let is_it = |replica: &str| {
        let pair = replica.split_once(':');
        pair.is_some_and(|(partition, named)| {
            partition.parse() == Ok(id.index.0) && named.parse() == Ok(broker.0)
        })
    };
    list.trim() == "*" || elements(list).any(is_it)
}

/// So many bytes, or what the rate allows in a second if that is less.
pub(super) fn at_most_a_second(max_bytes: usize, rate: Option<u64>) -> usize {
    let rate = rate.and_then(|rate| usize::try_from(rate).ok());
    rate.map_or(max_bytes, |rate| max_bytes.min(rate.max(1)))
}
