//! Brokers that joined an autoscaled cluster: a KafkaRebalance gives them their share, without being
//! asked for. Where people choose the number of brokers they choose this too.
//!
//! A broker is new while no partition names it and no KafkaRebalance with scope AddBrokers names it;
//! so what was filled once is not filled again, whatever was forgotten meanwhile.

use std::collections::BTreeSet;

use super::Draft;
use super::members::Members;
use super::rollout::checks::first_amiss;
use crate::build::rebalance;
use crate::cluster::Cluster;
use crate::observe::Observed;
use crate::plan::Command;

/// Adds a KafkaRebalance for all new brokers together, once every broker is there.
pub fn step(cluster: &Cluster, observed: &Observed, members: &Members<'_>, draft: &mut Draft) {
    if !fills(cluster) || members.excess > 0 {
        return;
    }
    let new = new_brokers(observed, members);
    let is_whole = first_amiss(observed, members, None).is_none();
    if new.is_empty() || !is_whole {
        return;
    }
    let rebalance = rebalance::fill(cluster, new.into_iter().collect());
    let name = rebalance.metadata.name.clone();
    let is_there = |one: &&crate::observe::ObservedRebalance| Some(&one.name) == name.as_ref();
    if observed.rebalances.iter().find(is_there).is_none() {
        draft
            .commands
            .push(Command::CreateRebalance(Box::new(rebalance)));
    }
}

/// Whether new brokers do not carry their share yet.
pub fn is_any_unfilled(cluster: &Cluster, observed: &Observed, members: &Members<'_>) -> bool {
    let is_under_way = |id: &i32| {
        let mut rebalances = observed.rebalances.iter();
        rebalances.any(|one| one.adds.contains(id) && !one.is_over())
    };
    fills(cluster)
        && (!new_brokers(observed, members).is_empty()
            || members.broker_ids.iter().any(is_under_way))
}

fn fills(cluster: &Cluster) -> bool {
    let autoscaling = cluster.autoscaling.as_ref();
    autoscaling.is_some_and(|autoscaling| !autoscaling.dry_run)
}

fn new_brokers(observed: &Observed, members: &Members<'_>) -> BTreeSet<i32> {
    let is_any_partition = observed
        .quorum
        .as_ref()
        .and_then(|quorum| quorum.partitions)
        .is_some_and(|partitions| partitions.total > 0);
    let is_new = |id: &&i32| {
        let broker = observed.broker(**id);
        let is_empty = broker
            .is_some_and(|broker| broker.replicas == Some(0) && !broker.fenced && !broker.cordoned);
        let is_named = observed.rebalances.iter().any(|one| one.adds.contains(id));
        is_empty && !is_named && observed.removal(**id).is_none()
    };
    let brokers = members.broker_ids.iter().filter(is_new);
    brokers.copied().filter(|_| is_any_partition).collect()
}
