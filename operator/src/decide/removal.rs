//! Brokers that the resource no longer asks for: emptied, then taken away, one at a time.
//!
//! Guarantees: nothing is taken away that any partition names, in m of n live reads, and the quorum
//! refuses to forget such a broker once more by itself. Every step follows from what is observed
//! (the mark on the volume, the quorum, the KafkaRebalance), so an operator that restarts between two
//! of them goes on, and a wiped status changes nothing. A broker that is asked for again meanwhile
//! stays. The mark comes first and goes last: it alone tells whose act a cordon was.
//! Never does: move a replica. That is the KafkaRebalance's.
//!
//! | seen | done |
//! |---|---|
//! | a broker too many, every gate open | one is chosen and its volume marked `draining` |
//! | marked, not cordoned | it is cordoned |
//! | cordoned, partitions name it | a KafkaRebalance moves their replicas away |
//! | no partition names it, every gate open | its volume is marked `drained`: it is out of force |
//! | `drained`, a pod | the pod is deleted: a planned stop |
//! | no pod, registered, fenced | it is unregistered |
//! | not registered | the KafkaRebalance goes, and the volume by `storage.deletionPolicy` |

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kintsugi_crds::{DeletionPolicy, RebalancePhase};
use kintsugi_types::Endpoint;

use super::Draft;
use super::gates::{Closed, Gate, first_closed};
use super::members::Members;
use super::rollout::Rollout;
use crate::build::rebalance;
use crate::cluster::Cluster;
use crate::history::{EVIDENCE_HELD, EVIDENCE_READS, History, Suspicion};
use crate::names::{REMOVAL_ANNOTATION, Role, drain_rebalance};
use crate::observe::{
    BrokerView, Observed, ObservedPod, ObservedRebalance, ObservedVolume, Removal,
};
use crate::plan::{Announcement, BrokerChange, Command, ObjectVersion, VolumeChange};

mod checks;
mod choose;
mod keep;
mod take_away;

use checks::{Check, stop_checks};
use choose::choice_checks;
pub(super) use choose::choose;

/// How long a KafkaRebalance that failed is left for people to read before another one tries.
const RETRY_AFTER: SignedDuration = SignedDuration::from_mins(5);

/// The brokers whose volume carries a mark.
struct Removals {
    /// In force and to be emptied.
    draining: Vec<i32>,
    /// In force, because they are asked for again.
    kept: Vec<i32>,
    /// Out of force.
    removed: Vec<i32>,
}

impl Removals {
    fn find(observed: &Observed, members: &Members<'_>) -> Self {
        let (mut draining, mut kept, mut removed) = (Vec::new(), Vec::new(), Vec::new());
        let mut ids: Vec<i32> = observed
            .volumes
            .iter()
            .filter(|volume| volume.member.role == Role::Broker)
            .map(|volume| volume.member.id)
            .collect();
        ids.sort_unstable();
        ids.dedup();
        for id in ids {
            match observed.removal(id) {
                None => {}
                Some(Removal::Drained) if !members.broker_ids.contains(&id) => removed.push(id),
                Some(Removal::Draining) if draining.len() < members.excess => draining.push(id),
                Some(_) => kept.push(id),
            }
        }
        Self {
            draining,
            kept,
            removed,
        }
    }
}

/// A broker that is on its way out, or back, if there is one.
pub fn under_way(observed: &Observed, members: &Members<'_>) -> Option<i32> {
    let removals = Removals::find(observed, members);
    let marked = removals.draining.iter().chain(&removals.kept);
    let leaves = |id: &&i32| observed.broker(**id).is_some() || pod_of(observed, **id).is_some();
    let leaving = removals.removed.iter().filter(leaves);
    marked.chain(leaving).copied().next()
}

/// What calls for an act that cannot be undone.
pub fn suspicions(
    cluster: &Cluster,
    observed: &Observed,
    members: &Members<'_>,
    rollout: &Rollout<'_>,
) -> Vec<Suspicion> {
    let removals = Removals::find(observed, members);
    let mut found = Vec::new();
    if members.excess > 0 && under_way(observed, members).is_none() {
        let due = choose(cluster, observed, members).ok().filter(|broker| {
            let checks = choice_checks(cluster, observed, members, rollout, *broker);
            first_closed("", checks).is_none()
        });
        found.extend(due.map(|broker| Suspicion::RemovalDue { broker }));
    }
    let drained = removals.draining.iter().filter(|id| {
        is_empty(cluster, observed, **id)
            && first_closed("", stop_checks(cluster, observed, members, **id)).is_none()
    });
    found.extend(drained.map(|broker| Suspicion::Drained { broker: *broker }));
    let gone = removals
        .removed
        .iter()
        .filter(|id| take_away::is_gone(observed, **id));
    let gone = gone.filter(|_| cluster.brokers.deletion_policy == DeletionPolicy::Delete);
    found.extend(gone.map(|broker| Suspicion::Removed { broker: *broker }));
    found
}

/// Adds the next step of each removal that is under way, or the first of one that is due.
pub fn step(
    cluster: &Cluster,
    observed: &Observed,
    members: &Members<'_>,
    rollout: &Rollout<'_>,
    history: &History,
    now: Timestamp,
    draft: &mut Draft,
) {
    let removals = Removals::find(observed, members);
    for id in &removals.kept {
        keep::step(cluster, observed, *id, now, draft);
    }
    keep::stop_strays(cluster, observed, draft);
    for id in &removals.removed {
        take_away::step(cluster, observed, history, *id, now, draft);
    }
    for id in &removals.draining {
        drain(cluster, observed, members, history, *id, now, draft);
    }
    if members.excess > 0 && under_way(observed, members).is_none() {
        begin(cluster, observed, members, rollout, history, draft);
    }
}

/// Marks the broker that goes next.
fn begin(
    cluster: &Cluster,
    observed: &Observed,
    members: &Members<'_>,
    rollout: &Rollout<'_>,
    history: &History,
    draft: &mut Draft,
) {
    let id = match choose(cluster, observed, members) {
        Ok(id) => id,
        Err(reason) => return draft.refuse_shrink(closed(Gate::Replication, "brokers", reason)),
    };
    let mut checks = choice_checks(cluster, observed, members, rollout, id);
    checks.push(evidence(
        history.holds(&Suspicion::RemovalDue { broker: id }),
        "all gates must be open",
    ));
    if let Some(closed) = first_closed(&subject(id), checks) {
        return draft.refuse_shrink(closed);
    }
    let Some(volume) = observed.broker_volume(id) else {
        return;
    };
    let replicas = observed.broker(id).and_then(|broker| broker.replicas);
    draft.commands.push(mark(volume, Some(Removal::Draining)));
    draft.commands.push(announce(
        "BrokerRemovalBegun",
        id,
        format!(
            "Broker {id} is to be removed: {} brokers are there and {} are asked for; its {} \
             replicas are moved to others first",
            members.broker_ids.len(),
            cluster.brokers.replicas,
            replicas.unwrap_or(0)
        ),
    ));
}

/// Cordons a marked broker, has it emptied, and marks it as that.
fn drain(
    cluster: &Cluster,
    observed: &Observed,
    members: &Members<'_>,
    history: &History,
    id: i32,
    now: Timestamp,
    draft: &mut Draft,
) {
    if observed.registered().is_none() {
        let reason = "no active controller answers: it must say what is left on it";
        return draft.refuse_shrink(closed(Gate::QuorumHealth, &subject(id), reason.to_owned()));
    }
    let view = observed.broker(id);
    if view.is_some_and(|broker| !broker.cordoned) {
        return ask(cluster, observed, id, Command::Cordon, now, draft);
    }
    if !is_empty(cluster, observed, id) {
        return move_away(cluster, observed, id, view, now, draft);
    }
    let mut checks = stop_checks(cluster, observed, members, id);
    checks.push(evidence(
        history.holds(&Suspicion::Drained { broker: id }),
        "no partition may name it",
    ));
    if let Some(closed) = first_closed(&subject(id), checks) {
        return draft.refuse_shrink(closed);
    }
    if let Some(volume) = observed.broker_volume(id) {
        draft.commands.push(mark(volume, Some(Removal::Drained)));
        let note = format!("No partition has a replica on broker {id} any more: it is stopped");
        draft.commands.push(announce("BrokerDrained", id, note));
    }
}

/// Has a KafkaRebalance move the replicas of a cordoned broker.
fn move_away(
    cluster: &Cluster,
    observed: &Observed,
    id: i32,
    view: Option<&BrokerView>,
    now: Timestamp,
    draft: &mut Draft,
) {
    let left = view.and_then(|broker| broker.replicas);
    let counted = left.map_or_else(
        || "an unknown number of replicas are".to_owned(),
        |left| format!("{left} replicas are"),
    );
    draft.waiting.push(format!(
        "broker {id} is being removed: {counted} left on it"
    ));
    let Some(rebalance) = rebalance_of(cluster, observed, id) else {
        let rebalance = rebalance::drain(cluster, id);
        draft
            .commands
            .push(Command::CreateRebalance(Box::new(rebalance)));
        return;
    };
    let name = &rebalance.name;
    let failed_long = rebalance
        .failed_since
        .is_none_or(|since| now.duration_since(since) > RETRY_AFTER);
    match rebalance.phase {
        _ if rebalance.terminating => {}
        Some(RebalancePhase::Completed) if left.is_some() => {
            let why = "it is complete, and replicas are left: the next one plans anew";
            draft.commands.push(remove_rebalance(rebalance, why));
        }
        Some(RebalancePhase::Failed) if failed_long => {
            let why = "it failed: the next one plans anew";
            draft.commands.push(remove_rebalance(rebalance, why));
        }
        Some(RebalancePhase::Failed) => {
            let message = format!(
                "KafkaRebalance {name} failed, and is tried again after {} min: {}",
                RETRY_AFTER.as_mins(),
                rebalance.message
            );
            draft.shrink_held = Some(("RebalanceFailed", message));
        }
        Some(RebalancePhase::Stopped) => {
            let message = format!(
                "KafkaRebalance {name} was stopped: delete it to have broker {id} emptied by another \
                 one, or raise the number of brokers to keep it"
            );
            draft.shrink_held = Some(("RebalanceStopped", message));
        }
        _ => {}
    }
}

/// Whether no partition names a broker, and nothing moves for it any more.
fn is_empty(cluster: &Cluster, observed: &Observed, id: i32) -> bool {
    let Some(registered) = observed.registered() else {
        return false;
    };
    let holds_none = registered
        .get(&id)
        .is_none_or(|broker| broker.cordoned && broker.replicas == Some(0));
    let is_over = |one: &ObservedRebalance| one.is_over() && !one.terminating;
    holds_none && rebalance_of(cluster, observed, id).is_none_or(is_over)
}

/// Adds a request to the quorum, which some other broker passes on.
fn ask(
    cluster: &Cluster,
    observed: &Observed,
    id: i32,
    change: impl FnOnce(BrokerChange) -> Command,
    now: Timestamp,
    draft: &mut Draft,
) {
    let others = observed
        .pods
        .iter()
        .filter(|pod| pod.member.role == Role::Broker && pod.member.id != id && pod.ready);
    let port = u16::try_from(cluster.client_port).ok();
    let mut endpoints = others.filter_map(|pod| {
        let (host, port) = (pod.ip.clone()?, port?);
        Some(Endpoint { host, port })
    });
    match endpoints.next() {
        Some(through) => draft.commands.push(change(BrokerChange {
            through,
            cluster_id: cluster.cluster_id.clone(),
            broker: id,
            decided: now,
        })),
        None => draft.waiting.push(format!(
            "no other broker is ready to pass on what the quorum is asked about broker {id}"
        )),
    }
}

fn pod_of(observed: &Observed, id: i32) -> Option<&ObservedPod> {
    let mut pods = observed.pods.iter();
    pods.find(|pod| pod.member.role == Role::Broker && pod.member.id == id)
}

fn rebalance_of<'a>(
    cluster: &Cluster,
    observed: &'a Observed,
    id: i32,
) -> Option<&'a ObservedRebalance> {
    let name = drain_rebalance(&cluster.name, id);
    observed.rebalances.iter().find(|one| one.name == name)
}

fn remove_rebalance(rebalance: &ObservedRebalance, why: &str) -> Command {
    Command::DeleteRebalance(version_of(rebalance, why))
}

fn version_of(rebalance: &ObservedRebalance, why: &str) -> ObjectVersion {
    ObjectVersion {
        name: rebalance.name.clone(),
        uid: rebalance.uid.clone(),
        resource_version: rebalance.resource_version.clone(),
        why: why.to_owned(),
    }
}

/// The change that sets the mark on a broker's volume, or takes it away.
fn mark(volume: &ObservedVolume, removal: Option<Removal>) -> Command {
    let mut change = VolumeChange::of(volume);
    let value = removal.map(|removal| removal.as_str().to_owned());
    change
        .annotations
        .insert(REMOVAL_ANNOTATION.to_owned(), value);
    Command::ChangeVolume(change)
}

fn announce(reason: &'static str, id: i32, note: String) -> Command {
    Command::Announce(Announcement {
        reason,
        subject: subject(id),
        note,
        warning: false,
    })
}

fn subject(id: i32) -> String {
    format!("broker-{id}")
}

fn closed(gate: Gate, subject: &str, reason: String) -> Closed {
    Closed {
        gate,
        subject: subject.to_owned(),
        reason,
    }
}

fn evidence(holds: bool, what: &str) -> Check {
    let reason = format!("{what} in {EVIDENCE_HELD} of {EVIDENCE_READS} live reads");
    (Gate::Evidence, holds, reason)
}
