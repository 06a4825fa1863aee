//! How many brokers are asked for, and what keeps that from being changed.

use std::collections::BTreeSet;

use k8s_openapi::jiff::Timestamp;
use kintsugi_crds::{Autoscaling, AutoscalingStatus};

use super::fill::is_any_unfilled;
use super::members::Members;
use super::removal;
use super::rollout::Rollout;
use super::rollout::checks::first_amiss;
use crate::cluster::Cluster;
use crate::names::Role;
use crate::observe::Observed;

/// The largest number of brokers.
const BROKERS_MAX: i32 = 100;

/// The number of brokers that is asked for: `start`, or where the operator chooses, what it decided
/// last. Where that is lost, at least the brokers that are there and not on their way out, so that
/// nothing shrinks for want of memory, and what was begun goes on.
pub fn size_in_force(
    autoscaling: Option<&Autoscaling>,
    start: i32,
    written: Option<&AutoscalingStatus>,
    observed: &Observed,
) -> i32 {
    let Some(autoscaling) = autoscaling.filter(|autoscaling| !autoscaling.dry_run) else {
        return start;
    };
    if let Some(written) = written.filter(|written| written.desired_replicas > 0) {
        return written.desired_replicas.min(BROKERS_MAX);
    }
    let volumes = observed.volumes.iter();
    let with_volume = volumes.filter(|volume| volume.member.role == Role::Broker);
    let ids = with_volume.map(|volume| volume.member.id);
    let registered = observed.registered().into_iter().flatten();
    let stays = |id: &i32| observed.removal(*id).is_none();
    let present: BTreeSet<i32> = ids
        .chain(registered.map(|(id, _)| *id))
        .filter(stays)
        .collect();
    let present = i32::try_from(present.len()).unwrap_or(i32::MAX);
    let (min, max) = (autoscaling.min_replicas, autoscaling.max_replicas);
    // Not `clamp`, which panics where an older schema let the limits contradict each other.
    start.min(max).max(min).max(present).min(BROKERS_MAX)
}

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
