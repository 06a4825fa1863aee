//! What the model says now.

use std::sync::Arc;

use super::partition::Partition;
use super::{LoadModel, WARM_UP_MS};
use crate::cpu::{cores_per_work, follower_work, leader_work};
use crate::{
    BrokerLoad, Load, Millis, PartitionLoad, PartitionRates, Rates, TimesInterval, TopicPartition,
};

impl LoadModel {
    /// Whether every broker that is known was observed for [`super::WARM_UP`], and there is one. What
    /// was observed before a restart counts, once every broker of then has answered, or has had as
    /// long for it.
    pub fn is_useful(&self) -> bool {
        if self.awaits_brokers() {
            return false;
        }
        let mut brokers = self.brokers.values();
        !self.brokers.is_empty() && brokers.all(|b| b.rates.observed_ms() >= WARM_UP_MS)
    }

    /// Every partition, in order.
    pub fn partitions(&self) -> Vec<PartitionLoad> {
        let cores_per_work = self.cores_per_work();
        let load = |(key, partition)| self.partition(key, partition, cores_per_work);
        self.partitions.iter().map(load).collect()
    }

    /// Rates of one partition; 0 if it is not known.
    pub fn rates(&self, partition: &TopicPartition) -> Rates {
        self.partitions
            .get(partition)
            .map_or_else(Rates::default, rates)
    }

    /// The partitions of one topic, in order.
    pub fn topic(&self, topic: &str) -> Vec<PartitionRates> {
        let first = TopicPartition {
            topic: Arc::from(topic),
            number: i32::MIN,
        };
        let from_first = self.partitions.range(first..);
        let of_topic = from_first.take_while(|(key, _)| &*key.topic == topic);
        let each = of_topic.map(|(key, partition)| {
            let leader = partition.leader.and_then(|id| self.brokers.get(&id));
            PartitionRates {
                number: key.number,
                rates: rates(partition),
                observed_ms: partition.rates.observed_ms(),
                told_at: leader.map(|broker| broker.sampled_at),
            }
        });
        each.collect()
    }

    /// Every partition's rates, in order.
    pub(crate) fn all_rates(&self) -> impl Iterator<Item = (&TopicPartition, Rates)> {
        self.partitions
            .iter()
            .map(|(key, partition)| (key, rates(partition)))
    }

    fn partition(
        &self,
        key: &TopicPartition,
        partition: &Partition,
        cores_per_work: f64,
    ) -> PartitionLoad {
        let rates = rates(partition);
        let disk_bytes = partition.size_bytes();
        let brokers = self.brokers_of(partition);
        let copied_bytes = copied_bytes(&rates, followers(partition, &brokers));
        PartitionLoad {
            partition: key.clone(),
            leader: partition.leader,
            brokers,
            rates,
            leader_load: Load {
                disk_bytes,
                network_in_bytes_per_second: rates.bytes_in,
                network_out_bytes_per_second: rates.bytes_out + copied_bytes,
                cpu: leader_work(&rates, copied_bytes) * cores_per_work,
            },
            follower_load: Load {
                disk_bytes,
                network_in_bytes_per_second: rates.bytes_in,
                network_out_bytes_per_second: 0.0,
                cpu: follower_work(&rates) * cores_per_work,
            },
            observed_ms: partition.rates.observed_ms(),
        }
    }

    fn brokers_of(&self, partition: &Partition) -> Vec<i32> {
        // A replica that its broker's last sample did not name is gone.
        let is_last = |id: i32, at: Millis| {
            self.brokers
                .get(&id)
                .is_some_and(|broker| broker.sampled_at == at)
        };
        partition.brokers(is_last)
    }

    fn cores_per_work(&self) -> f64 {
        let cores = self.brokers.values().map(|broker| broker.rates.rates()[0]);
        let work = self.partitions.values().map(|partition| {
            let rates = rates(partition);
            let followers = followers(partition, &self.brokers_of(partition));
            let copied_bytes = copied_bytes(&rates, followers);
            leader_work(&rates, copied_bytes) + followers as f64 * follower_work(&rates)
        });
        cores_per_work(cores.sum(), work.sum())
    }

    /// Every broker that answered lately, in order of their ids.
    pub fn brokers(&self) -> Vec<BrokerLoad> {
        let each = self.brokers.iter().map(|(id, broker)| {
            let [
                cpu,
                network_in,
                network_out,
                replication_in,
                replication_out,
            ] = broker.rates.rates();
            let used = broker.disk_total_bytes.zip(broker.disk_usable_bytes);
            let used = used.map(|(total, usable)| (total - usable).max(0.0));
            BrokerLoad {
                id: *id,
                load: Load {
                    disk_bytes: used.unwrap_or_else(|| self.logs_on(*id)),
                    network_in_bytes_per_second: network_in + replication_in,
                    network_out_bytes_per_second: network_out + replication_out,
                    cpu,
                },
                disk_capacity_bytes: broker.disk_total_bytes,
                observed_ms: broker.rates.observed_ms(),
                sampled_at: broker.sampled_at,
            }
        });
        each.collect()
    }

    /// How long producers' requests took on each broker that answered lately, by interval, the oldest
    /// first. None of a broker that does not tell.
    pub fn produce_times(
        &self,
    ) -> impl Iterator<Item = (i32, Option<impl Iterator<Item = &TimesInterval>>)> {
        let brokers = self.brokers.iter();
        brokers.map(|(id, broker)| (*id, broker.produce_times.told()))
    }

    /// Bytes of the logs on one broker: what would have to be copied if it were emptied.
    pub fn logs_on(&self, broker: i32) -> f64 {
        self.partitions.values().map(|p| p.size_on(broker)).sum()
    }
}

/// Bytes a second that followers are given of what is appended. What they are given beyond that brings
/// new ones up to date: it ends by itself, and would make a leader look loaded by the very move that
/// is to relieve it.
fn copied_bytes(rates: &Rates, followers: usize) -> f64 {
    rates.bytes_in * followers as f64
}

/// How many of the brokers that hold a replica follow.
fn followers(partition: &Partition, brokers: &[i32]) -> usize {
    brokers.len() - usize::from(partition.leader.is_some()).min(brokers.len())
}

fn rates(partition: &Partition) -> Rates {
    let [
        bytes_in,
        messages_in,
        produce_requests,
        bytes_out,
        fetch_requests,
        replication_bytes_out,
    ] = partition.rates.rates();
    Rates {
        bytes_in,
        messages_in,
        produce_requests,
        bytes_out,
        fetch_requests,
        replication_bytes_out,
    }
}
