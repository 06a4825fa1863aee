//! A cluster that grew unevenly and got new, empty brokers.

use crate::input::{BrokerInput, BrokerState, ClusterInput, PartitionInput, TopicInput};
use crate::load::Load;

use super::normal;

/// Spread between what a partition stores, sends and costs, beside what it receives.
const RESOURCE_SIGMA: f64 = 0.4;
/// Spread of the logarithms of how often brokers were chosen.
const PLACEMENT_SIGMA: f64 = 0.25;
/// Share of the capacity that is used on average.
const USED: f64 = 0.5;

/// What to make. The partitions come from an iterator: a million of them need not be held.
#[derive(Debug, Clone, Copy)]
pub struct Skewed {
    /// Brokers, new ones counted.
    pub brokers: u32,
    /// Brokers without replicas, the last ones.
    pub new_brokers: u32,
    /// Broker `i` is on rack `i % racks`.
    pub racks: u32,
    /// Partitions.
    pub partitions: u32,
    /// Replicas of each, at most `racks`.
    pub replication: u32,
    /// Topics.
    pub topics: u32,
    /// Spread of the logarithms of partitions' loads; see [`Skewed::HEAVY`].
    pub load_sigma: f64,
    /// The same seed makes the same cluster.
    pub seed: u64,
}

impl Skewed {
    /// The spread of loads at which a few partitions carry most.
    pub const HEAVY: f64 = 1.5;

    /// The cluster.
    pub fn cluster(self) -> ClusterInput<impl Iterator<Item = PartitionInput>> {
        let capacity = self.capacity();
        let brokers = (0..self.brokers)
            .map(|id| BrokerInput {
                id: id as i32,
                rack: Some(format!("rack-{}", id % self.racks)),
                capacity,
                state: BrokerState::Alive,
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
            partitions: self.partitions(),
        }
    }

    fn partitions(self) -> impl Iterator<Item = PartitionInput> {
        let mut random = fastrand::Rng::with_seed(self.seed);
        let old = self.brokers - self.new_brokers;
        let mut total = 0.0;
        let upper: Vec<f64> = (0..old)
            .map(|_| {
                total += (PLACEMENT_SIGMA * normal(&mut random)).exp();
                total
            })
            .collect();
        let each = self.partitions.div_ceil(self.topics).max(1);
        (0..self.partitions).map(move |at| {
            let mut replicas: Vec<i32> = Vec::with_capacity(self.replication as usize);
            while replicas.len() < self.replication as usize {
                let point = random.f64() * total;
                let broker = upper
                    .partition_point(|upper| *upper < point)
                    .min(upper.len() - 1);
                let rack = broker as u32 % self.racks;
                if replicas
                    .iter()
                    .all(|other| *other as u32 % self.racks != rack)
                {
                    replicas.push(broker as i32);
                }
            }
            let (leader_load, follower_load) = loads(self.load_sigma, &mut random);
            PartitionInput {
                topic: at / each,
                number: (at % each) as i32,
                leader: replicas.first().copied(),
                replicas,
                leader_load,
                follower_load,
            }
        })
    }

    /// Twice what a broker uses on average.
    fn capacity(self) -> Load {
        let mean = (self.load_sigma.powi(2) / 2.0).exp();
        let spread = (RESOURCE_SIGMA.powi(2) / 2.0).exp();
        let partitions = f64::from(self.partitions) / f64::from(self.brokers) / USED * mean;
        let replicas = partitions * f64::from(self.replication);
        let followers = replicas - partitions;
        Load {
            disk_bytes: replicas * spread * DISK,
            network_in_bytes_per_second: replicas * IN,
            network_out_bytes_per_second: partitions * spread * OUT,
            cpu: (partitions + followers * FOLLOWER_CPU) * spread * CPU,
        }
    }
}

const DISK: f64 = 5e8;
const IN: f64 = 1e4;
const OUT: f64 = 3e4;
const CPU: f64 = 1e-3;
const FOLLOWER_CPU: f64 = 0.4;

fn loads(sigma: f64, random: &mut fastrand::Rng) -> (Load, Load) {
    let base = (sigma * normal(random)).exp();
    let mut of = |unit: f64| base * unit * (RESOURCE_SIGMA * normal(random)).exp();
    let leader = Load {
        disk_bytes: of(DISK),
        network_in_bytes_per_second: base * IN,
        network_out_bytes_per_second: of(OUT),
        cpu: of(CPU),
    };
    let follower = Load {
        network_out_bytes_per_second: 0.0,
        cpu: leader.cpu * FOLLOWER_CPU,
        ..leader
    };
    (leader, follower)
}
