//! KafkaRebalances that the operator makes itself.

use kintsugi_crds::{
    KafkaRebalance, KafkaRebalanceSpec, RebalanceApproval, RebalanceProfile, RebalanceScope,
};

use super::owned_metadata;
use crate::cluster::Cluster;
use crate::names::{balance_rebalance, cluster_labels, drain_rebalance, fill_rebalance};

/// The one that moves every replica of `broker` to others, without being asked for.
pub fn drain(cluster: &Cluster, broker: i32) -> KafkaRebalance {
    let name = drain_rebalance(&cluster.name, broker);
    automatic(cluster, name, RebalanceScope::RemoveBrokers, vec![broker])
}

/// The one that moves replicas and leaderships to `brokers`, which joined, without being asked for.
pub fn fill(cluster: &Cluster, brokers: Vec<i32>) -> KafkaRebalance {
    let first = brokers.iter().copied().min().unwrap_or_default();
    let name = fill_rebalance(&cluster.name, first);
    automatic(cluster, name, RebalanceScope::AddBrokers, brokers)
}

/// The one that evens the load of the brokers that are there, without being asked for.
pub fn balance(cluster: &Cluster, scope: RebalanceScope) -> KafkaRebalance {
    automatic(cluster, balance_rebalance(&cluster.name), scope, Vec::new())
}

fn automatic(
    cluster: &Cluster,
    name: String,
    scope: RebalanceScope,
    brokers: Vec<i32>,
) -> KafkaRebalance {
    let labels = cluster_labels(&cluster.name);
    KafkaRebalance {
        metadata: owned_metadata(cluster, name, labels),
        spec: KafkaRebalanceSpec {
            cluster_name: cluster.name.clone(),
            scope,
            brokers,
            max_disk_percent: None,
            profile: RebalanceProfile::default(),
            goals: Vec::new(),
            approval: RebalanceApproval::Automatic,
            paused: false,
            throttle_bytes_per_second: None,
        },
        status: None,
    }
}
