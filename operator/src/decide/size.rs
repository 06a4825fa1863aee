//! What keeps the number of brokers from being changed.

use k8s_openapi::jiff::Timestamp;

use super::fill::is_any_unfilled;
use super::members::Members;
use super::removal;
use super::rollout::Rollout;
use super::rollout::checks::first_amiss;
use crate::cluster::Cluster;
use crate::observe::Observed;

/// What keeps the number of brokers from being changed now, if anything does.
pub fn unsettled(cluster: &Cluster, observed: &Observed, now: Timestamp) -> Option<String> {
    if cluster.paused {
        return Some("spec.paused is set".to_owned());
    }
    if !cluster.healing.enabled {
        return Some("spec.healing.enabled is false".to_owned());
    }
    if observed.registered().is_none() {
        return Some("no active controller answers".to_owned());
    }
    if let Some(shrinks) = shrinking(cluster, observed) {
        return Some(shrinks);
    }
    let members = Members::find(cluster, observed);
    let rollout = Rollout::find(cluster, observed, &members, now);
    if let Some(next) = rollout.outdated.first() {
        return Some(format!("{} is to be restarted", next.pod.name));
    }
    first_amiss(observed, &members, None)
}

/// Which brokers are removed, or are to be, if any are.
pub fn shrinking(cluster: &Cluster, observed: &Observed) -> Option<String> {
    let members = Members::find(cluster, observed);
    if let Some(id) = removal::under_way(observed, &members) {
        return Some(format!("broker {id} is being removed"));
    }
    (members.excess > 0).then(|| format!("{} brokers are to be removed", members.excess))
}

/// Whether brokers that joined do not carry their share yet.
pub fn has_unfilled(cluster: &Cluster, observed: &Observed) -> bool {
    is_any_unfilled(cluster, observed, &Members::find(cluster, observed))
}
