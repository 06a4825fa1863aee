//! From what was read to what the planner takes.

use std::collections::{BTreeMap, BTreeSet};

use kintsugi_planner::{BrokerInput, BrokerState, ClusterInput, Load, PartitionInput, TopicInput};

use crate::observation::{Cluster, Measured, PartitionKey, Sizes};

/// Stands for a capacity that nobody told: so large that no capacity goal is ever broken by it, and
/// the same for every broker, so that shares of it compare as the loads do.
pub const UNKNOWN_CAPACITY: f64 = 1e17;

/// What the caller knows of the brokers and the cluster does not tell.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Capacities {
    /// Bytes a broker's disks hold; otherwise what every broker told, if each did.
    pub disk_bytes: Option<u64>,
    /// Bytes a second in each direction.
    pub network_bytes_per_second: Option<u64>,
}

/// The planner's input, with the names of its partitions in its order.
pub struct Prepared {
    /// What [`kintsugi_planner::Model::build`] takes.
    pub input: ClusterInput,
    /// The partition at each place.
    pub keys: Vec<PartitionKey>,
    /// Whether the disks' capacities are known.
    pub disk_is_known: bool,
}

/// Puts together what was read. Brokers that have replicas and are not among those that live count
/// as dead; those of `leaving` must be emptied.
pub fn prepare(
    cluster: &Cluster,
    sizes: &Sizes,
    measured: &BTreeMap<PartitionKey, Measured>,
    capacities: &Capacities,
    leaving: &BTreeSet<i32>,
) -> Prepared {
    let disks = disks(cluster, sizes, capacities.disk_bytes);
    let state = |id: &i32| match (cluster.brokers.contains_key(id), leaving.contains(id)) {
        (false, _) => BrokerState::Dead,
        (true, true) => BrokerState::Draining,
        (true, false) => BrokerState::Alive,
    };
    let network = capacities
        .network_bytes_per_second
        .map_or(UNKNOWN_CAPACITY, float);
    let named = cluster
        .partitions
        .values()
        .flat_map(|partition| &partition.replicas);
    let ids: BTreeSet<i32> = cluster.brokers.keys().chain(named).copied().collect();
    let broker = |id: i32| BrokerInput {
        id,
        rack: cluster.brokers.get(&id).cloned().flatten(),
        capacity: Load {
            disk_bytes: disks.as_ref().map_or(UNKNOWN_CAPACITY, |disks| {
                // A dead broker's disk is of no use to anybody.
                disks.get(&id).copied().unwrap_or(UNKNOWN_CAPACITY)
            }),
            network_in_bytes_per_second: network,
            network_out_bytes_per_second: network,
            cpu: UNKNOWN_CAPACITY,
        },
        state: state(&id),
    };
    let (topics, partitions, keys) = partitions(cluster, measured);
    Prepared {
        input: ClusterInput {
            brokers: ids.into_iter().map(broker).collect(),
            topics,
            partitions,
        },
        keys,
        disk_is_known: disks.is_some(),
    }
}

/// The capacity of each living broker's disks; None unless all are known, for a known one beside an
/// unknown one would look full.
fn disks(cluster: &Cluster, sizes: &Sizes, told: Option<u64>) -> Option<BTreeMap<i32, f64>> {
    let of = |id: &i32| told.or_else(|| sizes.get(id)?.total_bytes).map(float);
    cluster
        .brokers
        .keys()
        .map(|id| Some((*id, of(id)?)))
        .collect()
}

fn partitions(
    cluster: &Cluster,
    measured: &BTreeMap<PartitionKey, Measured>,
) -> (Vec<TopicInput>, Vec<PartitionInput>, Vec<PartitionKey>) {
    let mut topics: Vec<TopicInput> = Vec::new();
    let (mut inputs, mut keys) = (Vec::new(), Vec::new());
    for (key, partition) in &cluster.partitions {
        if topics.last().is_none_or(|last| last.name != key.topic) {
            topics.push(TopicInput {
                name: key.topic.clone(),
                ..TopicInput::default()
            });
        }
        let measured = measured.get(key).copied().unwrap_or_default();
        let (leader_load, follower_load) = loads(measured, partition.replicas.len());
        inputs.push(PartitionInput {
            topic: u32::try_from(topics.len() - 1).unwrap_or(u32::MAX),
            number: key.number,
            replicas: partition.replicas.clone(),
            leader: partition.leader,
            leader_load,
            follower_load,
        });
        keys.push(key.clone());
    }
    (topics, inputs, keys)
}

/// What producers add comes in on every replica and goes out of the leader once a follower. What
/// consumers read is not told by the protocol, and processor time neither: both are left out.
fn loads(measured: Measured, replicas: usize) -> (Load, Load) {
    let followers = u32::try_from(replicas.saturating_sub(1)).unwrap_or(u32::MAX);
    let follower = Load {
        disk_bytes: float(measured.size_bytes),
        network_in_bytes_per_second: measured.growth_bytes_per_second,
        ..Load::default()
    };
    let leader = Load {
        network_out_bytes_per_second: measured.growth_bytes_per_second * f64::from(followers),
        ..follower
    };
    (leader, follower)
}

#[expect(clippy::cast_precision_loss, reason = "planning needs no single bytes")]
fn float(bytes: u64) -> f64 {
    bytes as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::{LogDirectories, Partition};

    fn key() -> PartitionKey {
        PartitionKey {
            topic: "orders".to_owned(),
            number: 0,
        }
    }

    fn cluster() -> Cluster {
        let partition = Partition {
            replicas: vec![0, 1, 7],
            leader: Some(0),
        };
        Cluster {
            brokers: BTreeMap::from([(0, Some("a".to_owned())), (1, None)]),
            partitions: BTreeMap::from([(key(), partition)]),
        }
    }

    fn prepared(totals: [Option<u64>; 2], capacities: &Capacities) -> Prepared {
        let sizes = [(0, totals[0]), (1, totals[1])].map(|(id, total_bytes)| {
            let directories = LogDirectories {
                total_bytes,
                ..LogDirectories::default()
            };
            (id, directories)
        });
        let measured = Measured {
            size_bytes: 100,
            growth_bytes_per_second: 5.0,
        };
        prepare(
            &cluster(),
            &Sizes::from(sizes),
            &BTreeMap::from([(key(), measured)]),
            capacities,
            &BTreeSet::from([1]),
        )
    }

    #[test]
    fn a_broker_that_is_named_by_replicas_only_is_dead_and_one_that_leaves_is_drained() {
        let prepared = prepared([None, None], &Capacities::default());
        let states: Vec<_> = prepared
            .input
            .brokers
            .iter()
            .map(|b| (b.id, b.state))
            .collect();
        let expected = [
            (0, BrokerState::Alive),
            (1, BrokerState::Draining),
            (7, BrokerState::Dead),
        ];
        assert_eq!(states, expected);
    }

    #[test]
    fn a_leader_sends_to_each_follower_and_every_replica_receives() {
        let prepared = prepared([None, None], &Capacities::default());
        let partition = &prepared.input.partitions[0];
        assert_eq!(partition.leader_load.network_out_bytes_per_second, 10.0);
        assert_eq!(partition.leader_load.network_in_bytes_per_second, 5.0);
        assert_eq!(partition.follower_load.network_out_bytes_per_second, 0.0);
        assert_eq!(partition.follower_load.network_in_bytes_per_second, 5.0);
        assert_eq!(partition.follower_load.disk_bytes, 100.0);
    }

    #[test]
    fn one_broker_that_does_not_tell_its_disk_makes_all_disks_unknown() {
        let some = prepared([Some(1_000), None], &Capacities::default());
        assert!(!some.disk_is_known);
        assert_eq!(some.input.brokers[0].capacity.disk_bytes, UNKNOWN_CAPACITY);
        let all = prepared([Some(1_000), Some(2_000)], &Capacities::default());
        assert!(all.disk_is_known);
        assert_eq!(all.input.brokers[1].capacity.disk_bytes, 2_000.0);
        let told = Capacities {
            disk_bytes: Some(500),
            ..Capacities::default()
        };
        assert_eq!(
            prepared([None, None], &told).input.brokers[0]
                .capacity
                .disk_bytes,
            500.0
        );
    }
}
