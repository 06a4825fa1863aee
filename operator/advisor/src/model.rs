//! From what was read to what the planner takes.

use std::collections::{BTreeMap, BTreeSet};

use kintsugi_planner::{BrokerState, Load};
use kintsugi_survey::PartitionLoads;
pub use kintsugi_survey::{Prepared, UNKNOWN_CAPACITY};

use crate::observation::{Cluster, Measured, PartitionKey, Sizes};

/// What the caller knows of the brokers and the cluster does not tell.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Capacities {
    /// Bytes a broker's disks hold; otherwise what every broker told, if each did.
    pub disk_bytes: Option<u64>,
    /// Bytes a second in each direction.
    pub network_bytes_per_second: Option<u64>,
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
    let disk = |id: &i32| {
        let told = || sizes.get(id)?.total_bytes;
        Some((*id, float(capacities.disk_bytes.or_else(told)?)))
    };
    let known = kintsugi_survey::Capacities {
        disk_bytes: cluster.brokers.keys().filter_map(disk).collect(),
        network_bytes_per_second: capacities.network_bytes_per_second.map(float),
        cpu_cores: None,
    };
    let loads = cluster.partitions.iter().map(|(key, partition)| {
        let measured = measured.get(key).copied().unwrap_or_default();
        (key.clone(), loads(measured, partition.replicas.len()))
    });
    let states = leaving.iter().map(|id| (*id, BrokerState::Draining));
    kintsugi_survey::prepare(cluster, &loads.collect(), &known, &states.collect())
}

/// What producers add comes in on every replica and goes out of the leader once a follower. What
/// consumers read is not told by the protocol, and processor time neither: both are left out.
fn loads(measured: Measured, replicas: usize) -> PartitionLoads {
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
    PartitionLoads { leader, follower }
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
            in_sync: vec![0, 1],
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
    fn a_broker_that_leaves_is_drained() {
        let brokers = prepared([None, None], &Capacities::default()).input.brokers;
        let found = brokers.iter().find(|broker| broker.id == 1);
        assert_eq!(found.unwrap().state, BrokerState::Draining);
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
    fn what_the_caller_says_of_disks_counts_more_than_what_brokers_tell() {
        let disk = |prepared: Prepared| prepared.input.brokers[1].capacity.disk_bytes;
        let told = [Some(1_000), Some(2_000)];
        assert_eq!(disk(prepared(told, &Capacities::default())), 2_000.0);
        let given = Capacities {
            disk_bytes: Some(500),
            ..Capacities::default()
        };
        assert_eq!(disk(prepared(told, &given)), 500.0);
        assert_eq!(disk(prepared([None, None], &given)), 500.0);
    }
}
