//! A broker that was to be removed and is asked for again: what was begun is taken back, the mark
//! last.

use k8s_openapi::jiff::Timestamp;
use kintsugi_crds::RebalanceWord;

use super::{announce, ask, mark, rebalance_of, remove_rebalance, version_of};
use crate::cluster::Cluster;
use crate::decide::Draft;
use crate::names::drain_rebalance_prefix;
use crate::observe::{Observed, ObservedRebalance};
use crate::plan::Command;

/// Adds the next step.
pub fn step(cluster: &Cluster, observed: &Observed, id: i32, now: Timestamp, draft: &mut Draft) {
    if observed.registered().is_none() {
        draft.waiting.push(format!(
            "broker {id} is to stay, which waits for an active controller to answer"
        ));
        return;
    }
    if let Some(rebalance) = rebalance_of(cluster, observed, id) {
        end(rebalance, draft);
        if !rebalance.is_over() || rebalance.terminating {
            draft.waiting.push(format!(
                "broker {id} stays, and KafkaRebalance {} ends first",
                rebalance.name
            ));
            return;
        }
    }
    if observed.broker(id).is_some_and(|broker| broker.cordoned) {
        ask(cluster, observed, id, Command::Uncordon, now, draft);
        return;
    }
    if let Some(volume) = observed.broker_volume(id) {
        draft.commands.push(mark(volume, None));
        let note = format!("Broker {id} is asked for again and stays");
        draft
            .commands
            .push(announce("BrokerRemovalTakenBack", id, note));
    }
}

/// Ends the operator's own KafkaRebalances that empty a broker which is not marked: an operator that
/// was frozen may create one after the mark was taken away.
pub fn stop_strays(cluster: &Cluster, observed: &Observed, draft: &mut Draft) {
    let prefix = drain_rebalance_prefix(&cluster.name);
    let is_stray = |rebalance: &&ObservedRebalance| {
        let id = rebalance.name.strip_prefix(&prefix);
        let id: Option<i32> = id.and_then(|id| id.parse().ok());
        rebalance.owner.as_ref() == Some(&cluster.uid)
            && id.is_some_and(|id| observed.removal(id).is_none())
    };
    for rebalance in observed.rebalances.iter().filter(is_stray) {
        end(rebalance, draft);
    }
}

/// Stops a KafkaRebalance, or deletes one that has ended.
fn end(rebalance: &ObservedRebalance, draft: &mut Draft) {
    let why = "its broker stays";
    if rebalance.terminating {
        return;
    }
    if rebalance.is_over() {
        draft.commands.push(remove_rebalance(rebalance, why));
    } else if rebalance.word != Some(RebalanceWord::Stop) {
        let stop = version_of(rebalance, why);
        draft.commands.push(Command::StopRebalance(stop));
    }
}
