//! What must hold for a broker to be taken out of the cluster, from one live read.

use crate::cluster::Cluster;
use crate::decide::gates::Gate;
use crate::decide::members::Members;
use crate::decide::rollout::checks::first_amiss;
use crate::names::Role;
use crate::observe::Observed;

/// A gate, whether it is open, and what it waits for.
pub type Check = (Gate, bool, String);

/// The gates before a broker that holds nothing is stopped, except evidence. They are asked before
/// it is emptied too.
pub fn stop_checks(
    cluster: &Cluster,
    observed: &Observed,
    members: &Members<'_>,
    id: i32,
) -> Vec<Check> {
    let quorum = observed.quorum.as_ref();
    let answering = quorum.map_or(0, |quorum| quorum.answering.len());
    let active = quorum.is_some_and(|quorum| quorum.brokers.is_some());
    let majority = cluster.majority();
    let amiss = first_amiss(observed, members, Some((Role::Broker, id)));
    vec![
        (
            Gate::Pause,
            cluster.healing.enabled,
            "spec.healing.enabled is false".to_owned(),
        ),
        (
            Gate::QuorumHealth,
            active && answering >= majority,
            format!("{answering} controllers answer, a majority is {majority}"),
        ),
        (
            Gate::OneDisruption,
            amiss.is_none(),
            amiss.unwrap_or_default(),
        ),
    ]
}
