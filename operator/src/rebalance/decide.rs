//! From what is to what is to be done. Pure: the same arguments give the same plan.
//!
//! What was begun stands in the resource before it is begun, so an operator that dies between two
//! acts leaves nothing that the next one could not see. Only the plan is lost with it: then the rest
//! is planned anew.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use kintsugi_crds::{KafkaRebalanceStatus, RebalancePhase, RebalanceWord};

use super::execute::{execute, marked};
use super::gates::{self, Closed, Gate};
use super::held::Held;
use super::observe::{ClusterView, KafkaView, Observed, Snapshot};
use super::plan::{Command, Marks, Plan};
use super::propose::propose;
use super::standing::{Standing, standings};
use super::status::{Told, tell, tell_without_plan};
use super::take_over::take_over;
use super::throttle::Throttle;
use super::validate::{Rebalance, Scope};
use super::wind_down::{on_deletion, on_refresh, on_stop, wind_down};

/// When to look at what an act has led to.
const REQUEUE_ACTED: Duration = Duration::from_millis(100);
/// When to look whether what a plan waits for is there.
const REQUEUE_WAITING: Duration = Duration::from_secs(2);
/// How often a proposal is compared with what is there.
const REQUEUE_PROPOSED: Duration = Duration::from_secs(30);
/// How often what failed is tried anew.
const REQUEUE_FAILED: Duration = Duration::from_secs(60);

/// What a decision is made of.
#[derive(Clone, Copy)]
pub struct Look<'a> {
    /// The resource.
    pub rebalance: &'a Rebalance,
    /// What was seen.
    pub observed: &'a Observed,
    /// What is remembered.
    pub held: Option<&'a Held>,
    /// The status as it stands.
    pub written: Option<&'a KafkaRebalanceStatus>,
    /// Now.
    pub now: Timestamp,
}

impl Look<'_> {
    /// Acts after which is to be looked at once more, before anything is said of them.
    pub(super) fn acting(&self, commands: Vec<Command>, held: Option<Held>) -> Plan {
        Plan {
            commands,
            requeue: Some(REQUEUE_ACTED),
            held,
        }
    }
}

/// What is to be done.
pub fn decide(look: &Look<'_>) -> Plan {
    let rebalance = look.rebalance;
    let marks = &rebalance.marks;
    if rebalance.is_terminating {
        return on_deletion(look);
    }
    if let Some(closed) = out_of_reach(look) {
        return wait(look, None, closed);
    }
    if marks.cluster.as_ref() != Some(&rebalance.cluster) {
        let marks = Marks {
            cluster: Some(rebalance.cluster.clone()),
            ..marks.clone()
        };
        return look.acting(vec![marked(marks)], look.held.cloned());
    }
    let KafkaView::Answered(snapshot) = &look.observed.kafka else {
        return wait(look, None, (Gate::ClusterUnreachable, String::new()));
    };
    if rebalance.word == Some(RebalanceWord::Refresh) {
        return on_refresh(look);
    }
    if marks.ended {
        let told = Told::of(
            RebalancePhase::Completed,
            None,
            "all moves were made; annotate with kintsugi.dev/rebalance=refresh for another plan",
        );
        return tell_without_plan(look, None, told, None);
    }
    if !rebalance.is_approved() {
        if marks.is_held || marks.underway.is_some() {
            return on_stop(look);
        }
        if rebalance.word == Some(RebalanceWord::Stop) {
            let told = Told::of(
                RebalancePhase::Stopped,
                None,
                "stopped; annotate with kintsugi.dev/rebalance=approve to go on, or refresh for \
                 another plan",
            );
            return tell_without_plan(look, None, told, None);
        }
    }
    follow(look, snapshot)
}

/// Why nothing at all can be done.
fn out_of_reach(look: &Look<'_>) -> Option<Closed> {
    let cluster = &look.rebalance.cluster;
    match (&look.observed.cluster, &look.observed.kafka) {
        (ClusterView::Gone, _) => Some((
            Gate::ClusterMissing,
            format!(
                "there is no KafkaCluster {cluster} in this namespace: create it, or delete this resource"
            ),
        )),
        (ClusterView::Present { paused: true, .. }, _) => Some((
            Gate::ClusterPaused,
            format!(
                "spec.paused of KafkaCluster {cluster} is set: moves in flight go on, nothing else is done"
            ),
        )),
        (_, KafkaView::Silent(why)) => Some((
            Gate::ClusterUnreachable,
            format!("no broker of KafkaCluster {cluster} answers: {why}"),
        )),
        _ => None,
    }
}

/// Makes a plan where there is none, has it approved, carries it out.
fn follow(look: &Look<'_>, snapshot: &Snapshot) -> Plan {
    let rebalance = look.rebalance;
    let held = match look.held {
        Some(held) if is_outdated(look, snapshot, held) => {
            // The next look reads loads to plan by.
            return look.acting(Vec::new(), None);
        }
        Some(held) => held.clone(),
        None => match plan_anew(look, snapshot) {
            Ok(held) => held,
            Err(closed) => return wait(look, Some(snapshot), closed),
        },
    };
    if let Some(why) = held.proposal.failed.clone() {
        return fail(look, snapshot, held, why);
    }
    if rebalance.is_approved() {
        return execute(look, snapshot, held);
    }
    let told = Told::of(
        RebalancePhase::ProposalReady,
        None,
        "annotate with kintsugi.dev/rebalance=approve to have it carried out",
    );
    tell(
        look,
        Some(snapshot),
        held,
        told,
        Vec::new(),
        Some(REQUEUE_PROPOSED),
    )
}

/// Whether the plan is about another cluster than the one that is there. While brokers come and go
/// it is kept: they mostly come back.
fn is_outdated(look: &Look<'_>, snapshot: &Snapshot, held: &Held) -> bool {
    if gates::before_plan(look.rebalance, look.observed, snapshot).is_some() {
        return false;
    }
    let mut brokers = snapshot.cluster.brokers.keys();
    let is_same = brokers.len() == held.proposal.brokers.len()
        && brokers.all(|id| held.proposal.brokers.contains(id));
    if !is_same {
        return true;
    }
    let underway = look.rebalance.marks.underway.as_ref();
    let standings = standings(&held.proposal, snapshot, underway);
    let is_void = |standing: &Standing| *standing == Standing::Void;
    // Once begun, what others moved meanwhile is left to them.
    underway.is_none() && standings.iter().any(|(_, standing)| is_void(standing))
}

fn plan_anew(look: &Look<'_>, snapshot: &Snapshot) -> Result<Held, Closed> {
    let rebalance = look.rebalance;
    if let Some(closed) = gates::before_plan(rebalance, look.observed, snapshot) {
        return Err(closed);
    }
    if let Scope::Add(brokers) | Scope::Disks { brokers, .. } = &rebalance.scope {
        let is_missing = |id: &&i32| !snapshot.cluster.brokers.contains_key(*id);
        let missing: Vec<String> = brokers
            .iter()
            .filter(is_missing)
            .map(ToString::to_string)
            .collect();
        if !missing.is_empty() {
            let reason = format!(
                "brokers {} of spec.brokers are not live: start them",
                missing.join(", ")
            );
            return Err((Gate::BrokersMissing, reason));
        }
    }
    let Some(load) = &look.observed.load else {
        let reason = "loads are measured for 15 s before a plan is made by them".to_owned();
        return Err((Gate::LoadUnknown, reason));
    };
    let mut cordoned = look.observed.leaving.clone();
    if let Scope::Add(brokers) = &rebalance.scope {
        cordoned.retain(|id| !brokers.contains(id));
    }
    let mut proposal = propose(rebalance, snapshot, load, &cordoned);
    let underway = rebalance.marks.underway.as_ref();
    let before = underway.map(|underway| take_over(&mut proposal, underway, snapshot));
    Ok(Held {
        proposal: Arc::new(proposal),
        before,
        throttle: Throttle::new(rebalance.throttle_bytes_per_second, look.now),
        told_bytes_per_second: None,
        status_at: None,
    })
}

/// Says what keeps it waiting. What was seen of its progress stays.
fn wait(look: &Look<'_>, snapshot: Option<&Snapshot>, closed: Closed) -> Plan {
    let former = look.written.and_then(|status| status.phase);
    let has_begun = look.rebalance.marks.underway.is_some();
    let phase = match former {
        Some(RebalancePhase::Failed) | None if has_begun => RebalancePhase::Rebalancing,
        Some(RebalancePhase::Failed) | None => RebalancePhase::Pending,
        Some(phase) => phase,
    };
    let told = Told::of(phase, Some(closed), "");
    match look.held {
        Some(held) => tell(
            look,
            snapshot,
            held.clone(),
            told,
            Vec::new(),
            Some(REQUEUE_WAITING),
        ),
        None => tell_without_plan(look, snapshot, told, Some(REQUEUE_WAITING)),
    }
}

/// Says why there is no plan to follow. What an earlier plan began is taken back.
fn fail(look: &Look<'_>, snapshot: &Snapshot, held: Held, why: String) -> Plan {
    let marks = &look.rebalance.marks;
    if marks.is_held || marks.underway.is_some() {
        return look.acting(wind_down(marks, false), Some(held));
    }
    let told = Told::of(RebalancePhase::Failed, None, &why);
    let mut plan = tell(
        look,
        Some(snapshot),
        held,
        told,
        Vec::new(),
        Some(REQUEUE_FAILED),
    );
    // The next look plans anew: loads and places may allow more by then.
    plan.held = None;
    plan
}
