//! What must hold for a pod to be stopped on purpose, from one live read.

use crate::cluster::Cluster;
use crate::decide::gates::Gate;
use crate::decide::members::Members;
use crate::decide::rollout::{Rollout, WATCHED};
use crate::decide::voters::not_voting;
use crate::names::{ALLOW_UNAVAILABILITY_ANNOTATION, PAUSE_ROLLOUT_ANNOTATION, Role};
use crate::observe::{BrokerView, Observed, ObservedPod};

/// A gate, whether it is open, and what it waits for.
pub type Check = (Gate, bool, String);

/// The gates before a planned stop of `pod`, except those that need memory.
pub fn safety(
    cluster: &Cluster,
    observed: &Observed,
    members: &Members<'_>,
    rollout: &Rollout<'_>,
    pod: &ObservedPod,
) -> Vec<Check> {
    let watched = rollout.watched(pod.member.role);
    let mut checks = vec![
        (
            Gate::Pause,
            !cluster.rollout_paused,
            format!("annotation {PAUSE_ROLLOUT_ANNOTATION} is true: remove it to go on"),
        ),
        (
            Gate::Pause,
            cluster.healing.enabled,
            "spec.healing.enabled is false".to_owned(),
        ),
        (
            Gate::Rollout,
            rollout.failing.is_empty(),
            format!(
                "{} has the new template and does not run as it should: correct spec, or set it back",
                rollout.failing.first().map_or("", |pod| pod.name.as_str())
            ),
        ),
        (
            Gate::Rollout,
            watched.is_none(),
            format!(
                "{} is the first with the new template and is watched until it has been ready for \
                 {} s",
                watched.map_or("", |pod| pod.name.as_str()),
                WATCHED.as_secs()
            ),
        ),
    ];
    checks.push(quorum_health(cluster, observed, members, pod));
    checks.push(others_are_whole(observed, members, pod));
    if pod.member.role == Role::Broker {
        checks.extend(min_isr(cluster, observed, pod));
    }
    checks
}

/// Without `pod`, a majority of controllers that vote and know all that is committed must be left.
fn quorum_health(
    cluster: &Cluster,
    observed: &Observed,
    members: &Members<'_>,
    pod: &ObservedPod,
) -> Check {
    let quorum = observed.quorum.as_ref();
    let without_vote = not_voting(observed, members);
    let left = quorum.map_or(0, |quorum| {
        let stays = |id: &&i32| pod.member.role != Role::Controller || **id != pod.member.id;
        let knows = |id: &&i32| !quorum.behind.contains(id);
        let votes = |id: &&i32| !without_vote.iter().any(|(other, _)| other == *id);
        let left = quorum.answering.iter().filter(stays).filter(knows);
        left.filter(votes).count()
    });
    let active = quorum.is_some_and(|quorum| quorum.brokers.is_some());
    let alone = pod.member.role == Role::Controller && cluster.controllers.replicas == 1;
    let needed = cluster.majority();
    let reason = if alone {
        format!(
            "it is the only controller, and nothing is decided while it restarts: annotate the \
             KafkaCluster with {ALLOW_UNAVAILABILITY_ANNOTATION}=true to let it"
        )
    } else {
        format!("{left} controllers would vote, answer and be up to date, a majority is {needed}")
    };
    let enough = left >= needed || (alone && cluster.unavailability_allowed);
    (Gate::QuorumHealth, active && enough, reason)
}

/// Every other node runs, is ready and registered, and has all its copies in sync: the restart
/// before this one is over, and nothing else is amiss.
fn others_are_whole(observed: &Observed, members: &Members<'_>, pod: &ObservedPod) -> Check {
    let amiss = first_amiss(observed, members, Some((pod.member.role, pod.member.id)));
    let reason = amiss.clone().unwrap_or_default();
    (Gate::OneDisruption, amiss.is_none(), reason)
}

/// What is amiss with any node, but for that of `except`, if something is.
pub fn first_amiss(
    observed: &Observed,
    members: &Members<'_>,
    except: Option<(Role, i32)>,
) -> Option<String> {
    let nodes = members
        .controllers
        .iter()
        .map(|(id, volume)| (Role::Controller, id, volume));
    let brokers = members
        .brokers
        .iter()
        .map(|(id, volume)| (Role::Broker, id, volume));
    for (role, id, volume) in nodes.chain(brokers) {
        if Some((role, *id)) == except {
            continue;
        }
        let other = volume.and_then(|volume| observed.pod(volume.member));
        match other {
            None => return Some(format!("{role} {id} has no pod")),
            Some(other) if other.restart_for.is_some() => {
                return Some(format!("{role} {id} is about to be restarted"));
            }
            Some(other) if !other.ready => return Some(format!("{role} {id} is not ready")),
            Some(_) => {}
        }
    }
    if let Some((id, why)) = not_voting(observed, members).first() {
        return Some(format!("controller {id}: {why}"));
    }
    let others = members
        .broker_ids
        .iter()
        .filter(|id| Some((Role::Broker, **id)) != except);
    for id in others {
        match observed.broker(*id) {
            None => return Some(format!("broker {id} has not registered")),
            Some(broker) if broker.fenced => return Some(format!("broker {id} is fenced")),
            Some(broker) if broker.stopping => return Some(format!("broker {id} is stopping")),
            Some(broker) if broker.lagging.unwrap_or(0) > 0 => {
                let lagging = broker.lagging.unwrap_or(0);
                return Some(format!(
                    "{lagging} copies on broker {id} are not in sync yet"
                ));
            }
            Some(_) => {}
        }
    }
    uncounted_copies(observed)
}

/// Where the controller does not count copies by broker, the sum must be zero.
fn uncounted_copies(observed: &Observed) -> Option<String> {
    let counted = observed
        .registered()
        .is_some_and(|brokers| brokers.values().all(|broker| broker.lagging.is_some()));
    let partitions = observed
        .quorum
        .as_ref()
        .and_then(|quorum| quorum.partitions);
    match partitions {
        None => Some("no active controller counts partitions".to_owned()),
        Some(partitions) if partitions.leaderless > 0 => Some(format!(
            "{} partitions have no leader",
            partitions.leaderless
        )),
        Some(partitions) if !counted && partitions.under_replicated > 0 => Some(format!(
            "{} partitions are under-replicated",
            partitions.under_replicated
        )),
        Some(_) => None,
    }
}

/// Every partition on the broker keeps its minimum of in-sync copies without it.
fn min_isr(cluster: &Cluster, observed: &Observed, pod: &ObservedPod) -> Vec<Check> {
    let Some(broker) = observed.broker(pod.member.id) else {
        let reason = "the quorum does not know the broker".to_owned();
        return vec![(Gate::MinIsr, false, reason)];
    };
    let needed = needed(broker, observed);
    let always = broker.needed_always.unwrap_or(0);
    vec![
        (
            Gate::MinIsr,
            needed == Some(0),
            match needed {
                Some(count) => format!(
                    "{count} partitions would have less in-sync copies than min.insync.replicas \
                     without it; this passes when their other copies are in sync again"
                ),
                None => "the active controller does not say which partitions need it".to_owned(),
            },
        ),
        (
            Gate::MinIsr,
            always == 0 || cluster.unavailability_allowed,
            format!(
                "{always} partitions on it have no more copies than min.insync.replicas, so \
                 acks=all (or everything) would be refused while it restarts: give their topics \
                 more replicas or a lower minimum, or annotate the KafkaCluster with \
                 {ALLOW_UNAVAILABILITY_ANNOTATION}=true"
            ),
        ),
    ]
}

/// Partitions that need the broker at this moment. Where the controller does not count them by broker, all
/// that any broker is needed for count.
fn needed(broker: &BrokerView, observed: &Observed) -> Option<u32> {
    let partitions = observed
        .quorum
        .as_ref()
        .and_then(|quorum| quorum.partitions);
    broker
        .needed
        .or_else(|| partitions.and_then(|partitions| partitions.at_min_isr))
}
