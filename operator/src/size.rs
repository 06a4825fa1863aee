//! How many brokers are asked for.

use std::collections::BTreeSet;

use kintsugi_crds::{Autoscaling, AutoscalingStatus};

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
