//! Which broker goes, and whether the others can do without it.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::checks::{Check, stop_checks};
use crate::build::config_map::copies_of_new_topics;
use crate::cluster::Cluster;
use crate::decide::gates::Gate;
use crate::decide::members::Members;
use crate::decide::rollout::Rollout;
use crate::names::REMOVE_BROKERS_ANNOTATION;
use crate::observe::{Disk, Observed};

/// The share of a disk that may be full after others' replicas came to it, as the planner has it.
const DISK_SHARE_MAX: f64 = 0.8;
/// Steps in which sizes are compared: brokers that are about as full must not take turns at being
/// chosen while evidence is gathered.
const SIZE_STEPS: f64 = 10.0;

/// The broker that goes next: one that people named, or that takes no new replicas, or never
/// registered; of the zone that has most; with the fewest bytes to move.
///
/// # Errors
/// Why none can go, where the zones that are left would be fewer than partitions have copies.
pub fn choose(
    cluster: &Cluster,
    observed: &Observed,
    members: &Members<'_>,
) -> Result<i32, String> {
    let with_volume = members
        .brokers
        .iter()
        .filter(|(_, volume)| volume.is_some());
    let mut candidates: Vec<i32> = with_volume.map(|(id, _)| *id).collect();
    if candidates
        .iter()
        .any(|id| cluster.removed_first.contains(id))
    {
        candidates.retain(|id| cluster.removed_first.contains(id));
    }
    let zones = zones(members);
    let needed = copies(cluster, observed).unwrap_or(0).min(zones.len());
    let leaves_zones = |id: &i32| zones_left(&zones, *id) >= needed;
    let size = |id: &i32| size_steps(observed, *id);
    let rank = |id: &i32| {
        let broker = observed.broker(*id);
        (
            !broker.is_some_and(|broker| broker.cordoned),
            broker.is_some(),
            Reverse(zone_of(&zones, *id).map_or(0, BTreeSet::len)),
            size(id),
            broker.and_then(|broker| broker.replicas),
            Reverse(*id),
        )
    };
    let choice = candidates
        .iter()
        .copied()
        .filter(leaves_zones)
        .min_by_key(rank);
    choice.ok_or_else(|| match candidates.is_empty() {
        true => "no broker has a volume that can be marked".to_owned(),
        false => format!(
            "without any of brokers {candidates:?} fewer zones than {needed} would have brokers, and \
             partitions have copies in as many: add brokers to other zones first, or name others in \
             annotation {REMOVE_BROKERS_ANNOTATION}"
        ),
    })
}

/// The gates before `id` is begun to be emptied, except evidence.
pub fn choice_checks(
    cluster: &Cluster,
    observed: &Observed,
    members: &Members<'_>,
    rollout: &Rollout<'_>,
    id: i32,
) -> Vec<Check> {
    let mut checks = stop_checks(cluster, observed, members, id);
    let is_steady = rollout.outdated.is_empty() && rollout.failing.is_empty();
    checks.push((
        Gate::Rollout,
        is_steady,
        "pods are restarted with what spec asks for first".to_owned(),
    ));
    checks.push(replication(cluster, observed, members));
    checks.push(capacity(observed, members, id));
    checks
}

/// The most copies that a partition has or a new one would get. None if nobody says.
fn copies(cluster: &Cluster, observed: &Observed) -> Option<usize> {
    let quorum = observed.quorum.as_ref()?;
    let present = quorum.partitions?.replicas_max?;
    let present = usize::try_from(present).unwrap_or(usize::MAX);
    Some(present.max(copies_of_new_topics(cluster)))
}

fn replication(cluster: &Cluster, observed: &Observed, members: &Members<'_>) -> Check {
    let left = members.broker_ids.len().saturating_sub(1);
    match copies(cluster, observed) {
        None => {
            let reason = "the active controller does not say how many copies partitions have";
            (Gate::Replication, false, reason.to_owned())
        }
        Some(copies) => (
            Gate::Replication,
            left >= copies,
            format!(
                "partitions have up to {copies} copies, or new ones would, and {left} brokers would \
                 be left: lower the topics' replication factor and default.replication.factor and \
                 offsets.topic.replication.factor in spec.config first, or raise the number of \
                 brokers to {}",
                members.broker_ids.len()
            ),
        ),
    }
}

/// What the broker holds must fit on the others' disks.
fn capacity(observed: &Observed, members: &Members<'_>, id: i32) -> Check {
    let gate = Gate::Capacity;
    let holds_none = match observed.registered() {
        None => false,
        Some(all) => all.get(&id).is_none_or(|broker| broker.replicas == Some(0)),
    };
    if holds_none {
        return (gate, true, String::new());
    }
    let others = members.broker_ids.iter().filter(|other| **other != id);
    let disks: Option<Vec<&Disk>> = others.map(|other| observed.disks.get(other)).collect();
    let (Some(own), Some(disks)) = (observed.disks.get(&id), disks) else {
        let reason =
            "what brokers' disks hold is not known yet: it is 15 s after the operator's start";
        return (gate, false, reason.to_owned());
    };
    let room: f64 = disks.into_iter().map(room).sum();
    let reason = format!(
        "its replicas have {:.0} bytes, and the other brokers have room for {room:.0} until their \
         disks are {:.0} % full: delete records, or enlarge spec.brokers.storage.size",
        own.logs_bytes,
        100.0 * DISK_SHARE_MAX
    );
    (gate, own.logs_bytes <= room, reason)
}

fn room(disk: &Disk) -> f64 {
    let capacity = disk.capacity_bytes.unwrap_or(0.0);
    (DISK_SHARE_MAX * capacity - disk.used_bytes).max(0.0)
}

fn size_steps(observed: &Observed, id: i32) -> u32 {
    let sizes = observed.disks.values().map(|disk| disk.logs_bytes);
    let largest = sizes.fold(1.0, f64::max);
    let own = observed.disks.get(&id).map_or(0.0, |disk| disk.logs_bytes);
    // Within 0 and SIZE_STEPS, so nothing is cut off.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let steps = (SIZE_STEPS * own / largest) as u32;
    steps
}

/// The brokers of each zone that volumes name.
fn zones(members: &Members<'_>) -> BTreeMap<String, BTreeSet<i32>> {
    let mut zones: BTreeMap<String, BTreeSet<i32>> = BTreeMap::new();
    for (id, volume) in &members.brokers {
        if let Some(zone) = volume.and_then(|volume| volume.zone.clone()) {
            zones.entry(zone).or_default().insert(*id);
        }
    }
    zones
}

fn zone_of(zones: &BTreeMap<String, BTreeSet<i32>>, id: i32) -> Option<&BTreeSet<i32>> {
    zones.values().find(|brokers| brokers.contains(&id))
}

fn zones_left(zones: &BTreeMap<String, BTreeSet<i32>>, id: i32) -> usize {
    let is_left = |brokers: &&BTreeSet<i32>| brokers.iter().any(|other| *other != id);
    zones.values().filter(is_left).count()
}
