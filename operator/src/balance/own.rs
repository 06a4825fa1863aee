//! The operator's own KafkaRebalance, as it is seen, and what stands in the way of one.

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kintsugi_crds::{BalanceState, RebalancePhase};

use super::step::Act;
use crate::cluster::Cluster;
use crate::decide::{has_unfilled, shrinking, unsettled};
use crate::names::balance_rebalance;
use crate::observe::{Observed, ObservedRebalance};
use crate::plan::ObjectVersion;

/// How long a KafkaRebalance that failed is left for people to read.
const RETRY_AFTER: SignedDuration = SignedDuration::from_mins(5);

/// What is seen of it.
#[derive(Clone, Debug, PartialEq)]
pub enum Own<'a> {
    /// There is none.
    Absent,
    /// It has made its moves, and stays until the cooldown is over.
    Completed(&'a ObservedRebalance),
    /// It failed, long enough ago.
    Failed(&'a ObservedRebalance),
    /// It goes on, or people must say whether another one may: where it stands, why, and what is to
    /// be done about it.
    Busy(BalanceState, String, Option<Act>),
}

/// What is seen of the KafkaRebalance of `cluster`.
pub fn find<'a>(cluster: &Cluster, observed: &'a Observed, now: Timestamp) -> Own<'a> {
    let name = balance_rebalance(&cluster.name);
    let Some(one) = observed.rebalances.iter().find(|one| one.name == name) else {
        return Own::Absent;
    };
    let stands = |state, reason| Own::Busy(state, reason, None);
    if one.owner.as_ref() != Some(&cluster.uid) {
        let reason = format!(
            "KafkaRebalance {name} is not the operator's: delete it, or set spec.rebalance.mode to \
             Manual"
        );
        return stands(BalanceState::Stopped, reason);
    }
    if one.terminating {
        let reason = format!("KafkaRebalance {name} is being deleted");
        return stands(BalanceState::Rebalancing, reason);
    }
    match one.phase {
        Some(RebalancePhase::Completed) => Own::Completed(one),
        Some(RebalancePhase::Stopped) => {
            let reason = format!(
                "KafkaRebalance {name} was stopped: delete it to have load evened out again, or set \
                 spec.rebalance.mode to Manual"
            );
            stands(BalanceState::Stopped, reason)
        }
        Some(RebalancePhase::Failed) if failed_long(one, now) => Own::Failed(one),
        Some(RebalancePhase::Failed) => {
            let message = &one.message;
            let minutes = RETRY_AFTER.as_mins();
            let reason = format!(
                "KafkaRebalance {name} failed, and is deleted after {minutes} min: {message}"
            );
            stands(BalanceState::Stopped, reason)
        }
        _ => match stands_in_the_way(cluster, observed) {
            Some(why) => {
                let reason = format!("KafkaRebalance {name} makes room: {why}");
                let delete = Act::Delete(version_of(one, &why));
                Own::Busy(BalanceState::Waiting, reason, Some(delete))
            }
            None => {
                let mut reason = format!("KafkaRebalance {name} is under way");
                if !one.message.is_empty() {
                    reason = format!("{reason}: {}", one.message);
                }
                stands(BalanceState::Rebalancing, reason)
            }
        },
    }
}

fn failed_long(one: &ObservedRebalance, now: Timestamp) -> bool {
    one.failed_since
        .is_none_or(|since| now.duration_since(since) > RETRY_AFTER)
}

/// For whose sake one that is under way is given up: data that is about to be moved again, or that
/// people want elsewhere.
fn stands_in_the_way(cluster: &Cluster, observed: &Observed) -> Option<String> {
    shrinking(cluster, observed).or_else(|| others(cluster, observed))
}

/// Another KafkaRebalance of the cluster that is under way, or about to be. A proposal that waits for
/// people may wait for ever, and keeps nobody.
fn others(cluster: &Cluster, observed: &Observed) -> Option<String> {
    let own = balance_rebalance(&cluster.name);
    let is_under_way = |one: &&ObservedRebalance| {
        let waits = one.phase == Some(RebalancePhase::ProposalReady);
        one.name != own && !one.is_over() && !waits
    };
    let other = observed.rebalances.iter().find(is_under_way)?;
    Some(format!("KafkaRebalance {} goes first", other.name))
}

/// What keeps load from being evened out now, if anything does. What is measured meanwhile is not
/// what the cluster is like when it is whole.
pub fn waits_for(cluster: &Cluster, observed: &Observed, now: Timestamp) -> Option<String> {
    unsettled(cluster, observed, now)
        .or_else(|| others(cluster, observed))
        .or_else(|| resizes(cluster, observed))
}

/// Whether the number of brokers is about to change, or did and new ones are not filled yet.
fn resizes(cluster: &Cluster, observed: &Observed) -> Option<String> {
    if has_unfilled(cluster, observed) {
        return Some("brokers that joined are filled first".to_owned());
    }
    let autoscaling = cluster.autoscaling.as_ref()?;
    let status = &cluster.sizing.as_ref()?.status;
    let wanted = status.wanted_replicas.unwrap_or(status.desired_replicas);
    let changes = !autoscaling.dry_run && wanted != cluster.brokers.replicas;
    changes.then(|| format!("the number of brokers is about to become {wanted}"))
}

/// It as it was observed, with a reason to give it up.
pub fn version_of(one: &ObservedRebalance, why: &str) -> ObjectVersion {
    ObjectVersion {
        name: one.name.clone(),
        uid: one.uid.clone(),
        resource_version: one.resource_version.clone(),
        why: why.to_owned(),
    }
}
