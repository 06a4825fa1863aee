//! From what was read to what the planner takes.

use std::collections::{BTreeMap, BTreeSet};

use kintsugi_planner::{BrokerInput, BrokerState, ClusterInput, Load, PartitionInput, TopicInput};

use crate::observation::{Cluster, PartitionKey};

/// Stands for a capacity that nobody told: so large that no capacity goal is ever broken by it, and
/// the same for every broker, so that shares of it compare as the loads do.
pub const UNKNOWN_CAPACITY: f64 = 1e17;

/// What brokers can give, as far as it is known.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Capacities {
    /// Bytes that each broker's disks hold; counts only if it is known of every one that lives, for
    /// a known one beside an unknown one would look full.
    pub disk_bytes: BTreeMap<i32, f64>,
    /// Bytes a second in each direction, of every broker.
    pub network_bytes_per_second: Option<f64>,
    /// Cores of every broker.
    pub cpu_cores: Option<f64>,
}

/// What a partition uses.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct PartitionLoads {
    /// Where it is led.
    pub leader: Load,
    /// On each follower.
    pub follower: Load,
}

/// The planner's input, with the names of its partitions in its order.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// What [`kintsugi_planner::Model::build`] takes.
    pub input: ClusterInput,
    /// The partition at each place.
    pub keys: Vec<PartitionKey>,
    /// Whether the disks' capacities are known.
    pub disk_is_known: bool,
}

/// Puts together what was read. Brokers that have replicas and are not among those that live count
/// as dead, and others as alive unless `states` says otherwise. A partition without a load counts
/// as using nothing.
pub fn prepare(
    cluster: &Cluster,
    loads: &BTreeMap<PartitionKey, PartitionLoads>,
    capacities: &Capacities,
    states: &BTreeMap<i32, BrokerState>,
) -> Prepared {
    let disk_is_known = cluster
        .brokers
        .keys()
        .all(|id| capacities.disk_bytes.contains_key(id));
    let state = |id: &i32| match cluster.brokers.contains_key(id) {
        false => BrokerState::Dead,
        true => states.get(id).copied().unwrap_or(BrokerState::Alive),
    };
    let disk_bytes = |id: &i32| {
        // A dead broker's disk is of no use to anybody.
        let known = capacities.disk_bytes.get(id).filter(|_| disk_is_known);
        known.copied().unwrap_or(UNKNOWN_CAPACITY)
    };
    let network = capacities
        .network_bytes_per_second
        .unwrap_or(UNKNOWN_CAPACITY);
    let named = cluster
        .partitions
        .values()
        .flat_map(|partition| &partition.replicas);
    let ids: BTreeSet<i32> = cluster.brokers.keys().chain(named).copied().collect();
    let broker = |id: i32| BrokerInput {
        id,
        rack: cluster.brokers.get(&id).cloned().flatten(),
        capacity: Load {
            disk_bytes: disk_bytes(&id),
            network_in_bytes_per_second: network,
            network_out_bytes_per_second: network,
            cpu: capacities.cpu_cores.unwrap_or(UNKNOWN_CAPACITY),
        },
        state: state(&id),
    };
    let (topics, partitions, keys) = partitions(cluster, loads);
    Prepared {
        input: ClusterInput {
            brokers: ids.into_iter().map(broker).collect(),
            topics,
            partitions,
        },
        keys,
        disk_is_known,
    }
}

fn partitions(
    cluster: &Cluster,
    loads: &BTreeMap<PartitionKey, PartitionLoads>,
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
        let loads = loads.get(key).copied().unwrap_or_default();
        inputs.push(PartitionInput {
            topic: u32::try_from(topics.len() - 1).unwrap_or(u32::MAX),
            number: key.number,
            replicas: partition.replicas.clone(),
            leader: partition.leader,
            leader_load: loads.leader,
            follower_load: loads.follower,
        });
        keys.push(key.clone());
    }
    (topics, inputs, keys)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::Partition;

    fn key() -> PartitionKey {
        PartitionKey {
            topic: "orders".to_owned(),
            number: 0,
        }
    }

    fn cluster() -> Cluster {
        let partition = Partition {
            replicas: vec![0, 1, 7],
            in_sync: vec![0, 1],
            leader: Some(0),
        };
        Cluster {
            brokers: BTreeMap::from([(0, Some("a".to_owned())), (1, None)]),
            partitions: BTreeMap::from([(key(), partition)]),
        }
    }

    fn prepared(disk_bytes: &[(i32, f64)]) -> Prepared {
        let capacities = Capacities {
            disk_bytes: disk_bytes.iter().copied().collect(),
            ..Capacities::default()
        };
        let states = BTreeMap::from([(1, BrokerState::Draining), (7, BrokerState::Alive)]);
        prepare(&cluster(), &BTreeMap::new(), &capacities, &states)
    }

    #[test]
    fn a_broker_that_is_named_by_replicas_only_is_dead_whatever_it_should_be() {
        let brokers = prepared(&[]).input.brokers;
        let states: Vec<_> = brokers.iter().map(|b| (b.id, b.state)).collect();
        let expected = [
            (0, BrokerState::Alive),
            (1, BrokerState::Draining),
            (7, BrokerState::Dead),
        ];
        assert_eq!(states, expected);
    }

    #[test]
    fn one_broker_that_does_not_tell_its_disk_makes_all_disks_unknown() {
        let some = prepared(&[(0, 1_000.0)]);
        assert!(!some.disk_is_known);
        assert_eq!(some.input.brokers[0].capacity.disk_bytes, UNKNOWN_CAPACITY);
        let all = prepared(&[(0, 1_000.0), (1, 2_000.0)]);
        assert!(all.disk_is_known);
        assert_eq!(all.input.brokers[1].capacity.disk_bytes, 2_000.0);
    }
}
