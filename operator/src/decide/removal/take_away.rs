//! A broker that was emptied: stopped, forgotten, and what it left deleted as far as it should be.

use k8s_openapi::jiff::Timestamp;
use kintsugi_crds::DeletionPolicy;

use super::{announce, ask, mark, pod_of, remove_rebalance};
use crate::cluster::Cluster;
use crate::decide::Draft;
use crate::decide::pods::delete;
use crate::history::{History, Suspicion};
use crate::names::{Role, drain_rebalance, fill_rebalance_prefix};
use crate::observe::{Observed, ObservedRebalance, Removal};
use crate::plan::{Command, ObjectVersion};

/// Stops a broker that is out of force, has the quorum forget it, and deletes what is left of it as
/// far as its policy says so.
pub fn step(
    cluster: &Cluster,
    observed: &Observed,
    history: &History,
    id: i32,
    now: Timestamp,
    draft: &mut Draft,
) {
    let Some(volume) = observed.broker_volume(id) else {
        return;
    };
    if observed.registered().is_none() {
        return;
    }
    let view = observed.broker(id);
    if view.is_some_and(|broker| broker.replicas != Some(0)) {
        draft.commands.push(mark(volume, Some(Removal::Draining)));
        let note = format!("Broker {id} is not empty any more: its replicas are moved away again");
        draft
            .commands
            .push(announce("BrokerRemovalPutOff", id, note));
        return;
    }
    if let Some(pod) = pod_of(observed, id) {
        let stops = |command: &Command| matches!(command, Command::DeletePod(_));
        if !pod.is_terminating() && !draft.commands.iter().any(stops) {
            let why = "its broker was emptied and is removed".to_owned();
            draft.commands.push(delete(pod, why, None));
        }
        return;
    }
    match view {
        Some(broker) if broker.fenced => {
            ask(cluster, observed, id, Command::Unregister, now, draft)
        }
        Some(_) => draft
            .waiting
            .push(format!("broker {id} has stopped and is not fenced yet")),
        None => clear(cluster, observed, history, id, draft),
    }
}

/// Deletes what an unregistered broker has left.
fn clear(cluster: &Cluster, observed: &Observed, history: &History, id: i32, draft: &mut Draft) {
    // Those that filled it too: a broker of that id that comes back is filled anew.
    let drain = drain_rebalance(&cluster.name, id);
    let fills = fill_rebalance_prefix(&cluster.name);
    let is_about = |one: &&ObservedRebalance| {
        one.name == drain || (one.name.starts_with(&fills) && one.adds.contains(&id))
    };
    let rebalances = observed.rebalances.iter().filter(is_about);
    for rebalance in rebalances.filter(|one| !one.terminating) {
        let why = "its broker is removed";
        draft.commands.push(remove_rebalance(rebalance, why));
    }
    let deletes = cluster.brokers.deletion_policy == DeletionPolicy::Delete;
    if !deletes || !history.holds(&Suspicion::Removed { broker: id }) {
        return;
    }
    // The newest one carries the mark, so it goes last, with a look of its own.
    let of_broker = observed.volumes.iter().filter(|volume| {
        let member = volume.member;
        member.role == Role::Broker && member.id == id && !volume.terminating
    });
    if let Some(volume) = of_broker.min_by_key(|volume| volume.member.generation) {
        draft.commands.push(Command::DeleteVolume(ObjectVersion {
            name: volume.name.clone(),
            uid: volume.uid.clone(),
            resource_version: volume.resource_version.clone(),
            why: "its broker is removed, and spec.brokers.storage.deletionPolicy is Delete"
                .to_owned(),
        }));
    }
}

/// Whether a removed broker is stopped and forgotten.
pub fn is_gone(observed: &Observed, id: i32) -> bool {
    let is_forgotten = observed
        .registered()
        .is_some_and(|all| !all.contains_key(&id));
    is_forgotten && pod_of(observed, id).is_none()
}
