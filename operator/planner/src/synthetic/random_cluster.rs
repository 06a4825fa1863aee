//! Clusters of the shape that Cruise Control tests itself with (its `RandomCluster` and the base
//! properties of its `TestConstants`): loads from exponential distributions times the popularity
//! of the topic, replicas on brokers at random, racks not obeyed. Its random numbers are others,
//! and here the replicas of a partition store and receive the same.

use crate::input::{BrokerInput, BrokerState, ClusterInput, PartitionInput, TopicInput};
use crate::load::Load;

use super::exponential;

/// How replicas fall on brokers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Distribution {
    /// Each broker as likely.
    Uniform,
    /// A broker as likely as its place is high.
    Linear,
    /// A broker as likely as twice its place is high, less one.
    Exponential,
}

/// What to make.
#[derive(Debug, Clone, Copy)]
pub struct RandomCluster {
    /// Racks; each has a broker, the others fall where they fall.
    pub racks: u32,
    /// Brokers.
    pub brokers: u32,
    /// Of them, dead ones: the first.
    pub dead_brokers: u32,
    /// Topics.
    pub topics: u32,
    /// Replicas, about.
    pub replicas: u32,
    /// Replicas of each partition, at most `brokers`.
    pub replication: u32,
    /// How replicas fall on brokers.
    pub distribution: Distribution,
    /// The same seed makes the same cluster.
    pub seed: u64,
}

impl RandomCluster {
    /// Cruise Control's base: 40 brokers on 10 racks, 3,000 topics, 50,001 replicas.
    pub fn base(distribution: Distribution, seed: u64) -> RandomCluster {
        RandomCluster {
            racks: 10,
            brokers: 40,
            dead_brokers: 0,
            topics: 3_000,
            replicas: 50_001,
            replication: 3,
            distribution,
            seed,
        }
    }

    /// The cluster.
    pub fn cluster(self) -> ClusterInput<impl Iterator<Item = PartitionInput>> {
        let mut random = fastrand::Rng::with_seed(self.seed);
        // Their brokers carry 1,250 replicas each; these as many times more as there are more.
        let scale = f64::from(self.replicas) / f64::from(self.brokers) / 1_250.0;
        let capacity = Load {
            disk_bytes: 300_000.0 * scale,
            network_in_bytes_per_second: 300_000.0 * scale,
            network_out_bytes_per_second: 200_000.0 * scale,
            cpu: 100.0 * scale,
        };
        let brokers = (0..self.brokers)
            .map(|id| {
                let rack = if id < self.racks {
                    id
                } else {
                    random.u32(0..self.racks)
                };
                BrokerInput {
                    id: id as i32,
                    rack: Some(rack.to_string()),
                    capacity,
                    state: if id < self.dead_brokers {
                        BrokerState::Dead
                    } else {
                        BrokerState::Alive
                    },
                }
            })
            .collect();
        let topics = (0..self.topics)
            .map(|at| TopicInput {
                name: format!("topic-{at}"),
                ..TopicInput::default()
            })
            .collect();
        ClusterInput {
            brokers,
            topics,
            partitions: self.partitions(random),
        }
    }

    fn partitions(self, mut random: fastrand::Rng) -> impl Iterator<Item = PartitionInput> {
        let total = (self.replicas / self.replication).max(self.topics);
        // From one partition to twice the mean, and what is left for the last.
        let twice = (2 * total / self.topics).max(2);
        let (mut topic, mut number, mut left, mut popularity) = (0, 0, 0, 0.0);
        (0..total).map(move |at| {
            if left == 0 {
                topic = if at == 0 {
                    0
                } else {
                    (topic + 1).min(self.topics - 1)
                };
                number = if at > 0 && topic == self.topics - 1 {
                    number
                } else {
                    0
                };
                left = if topic == self.topics - 1 {
                    u32::MAX
                } else {
                    random.u32(1..twice)
                };
                popularity = exponential(&mut random, 1.0);
            }
            left -= 1;
            number += 1;
            let mut replicas: Vec<i32> = Vec::with_capacity(self.replication as usize);
            while replicas.len() < self.replication as usize {
                let broker = self.broker(&mut random);
                if !replicas.contains(&broker) {
                    replicas.push(broker);
                }
            }
            let mut of = |mean: f64| exponential(&mut random, mean * popularity);
            let leader_load = Load {
                disk_bytes: of(100.0),
                network_in_bytes_per_second: of(100.0),
                network_out_bytes_per_second: of(100.0),
                cpu: of(0.01),
            };
            let follower_load = Load {
                network_out_bytes_per_second: 0.0,
                cpu: leader_load.cpu / 2.0,
                ..leader_load
            };
            let online = replicas
                .iter()
                .copied()
                .find(|id| *id >= self.dead_brokers as i32);
            PartitionInput {
                topic,
                number: number - 1,
                leader: online,
                replicas,
                leader_load,
                follower_load,
            }
        })
    }

    fn broker(self, random: &mut fastrand::Rng) -> i32 {
        let brokers = f64::from(self.brokers);
        let point = random.f64();
        let place = match self.distribution {
            Distribution::Uniform => point * brokers,
            // The share of the first n places of n (n + 1) / 2, and of n squared.
            Distribution::Linear => {
                ((1.0 + 4.0 * point * brokers * (brokers + 1.0)).sqrt() - 1.0) / 2.0
            }
            Distribution::Exponential => point.sqrt() * brokers,
        };
        place.min(brokers - 1.0) as i32
    }
}
