//! Makes a plan of what is there. Pure.

use std::collections::{BTreeMap, BTreeSet};

use kintsugi_crds::RebalanceGoalStatus;
use kintsugi_planner::{
    BrokerState, GoalOutcome, Limits, Model, Plan as Planned, Scope as PlannedScope, plan,
};
use kintsugi_survey::{Capacities, Cluster, PartitionKey, prepare};

use super::disks;
use super::held::{Change, Proposal};
use super::observe::{LoadView, Snapshot};
use super::validate::{Rebalance, Scope};

/// Moves of one plan: what is left is planned when they are done. A tenth of a second of planning,
/// and some megabytes of memory.
const MOVES_MAX: usize = 20_000;
/// Characters of why a goal is not met; the schema allows this many.
const UNMET_CHARACTERS_MAX: usize = 512;

/// A plan for `rebalance`. Brokers of `cordoned` get nothing.
pub fn propose(
    rebalance: &Rebalance,
    snapshot: &Snapshot,
    load: &LoadView,
    cordoned: &BTreeSet<i32>,
) -> Proposal {
    let cluster = at_rest(snapshot);
    let brokers = cluster.brokers.keys().copied().collect();
    match planned(rebalance, &cluster, load, cordoned) {
        Ok((plan, keys)) => Proposal {
            brokers,
            changes: changes(&plan, &keys),
            carried: 0,
            goals: plan.goals.iter().map(goal_status).collect(),
            bound_bytes: plan.bound_bytes,
            failed: forbids(&plan),
        },
        Err(why) => Proposal {
            brokers,
            failed: Some(why),
            ..Proposal::default()
        },
    }
}

/// The cluster as it is when the moves in flight are over.
fn at_rest(snapshot: &Snapshot) -> Cluster {
    let mut cluster = snapshot.cluster.clone();
    for (key, moving) in &snapshot.moving {
        if let Some(partition) = cluster.partitions.get_mut(key) {
            partition.replicas = moving.target();
            if let Some(leader) = partition.leader
                && !partition.replicas.contains(&leader)
            {
                partition.leader = partition.replicas.first().copied();
            }
        }
    }
    cluster
}

fn planned(
    rebalance: &Rebalance,
    cluster: &Cluster,
    load: &LoadView,
    cordoned: &BTreeSet<i32>,
) -> Result<(Planned, Vec<PartitionKey>), String> {
    let disk_bytes = match &rebalance.scope {
        Scope::Disks { max_percent, .. } => disks::for_logs(cluster, load, *max_percent)?,
        _ => load.disk_bytes.clone(),
    };
    let capacities = Capacities {
        disk_bytes,
        network_bytes_per_second: None,
        cpu_cores: load.cpu_cores,
    };
    let states: BTreeMap<i32, BrokerState> = cordoned
        .iter()
        .map(|id| (*id, BrokerState::Cordoned))
        .collect();
    let prepared = prepare(cluster, &load.partitions, &capacities, &states);
    let known: BTreeSet<i32> = prepared
        .input
        .brokers
        .iter()
        .map(|broker| broker.id)
        .collect();
    let scope = match &rebalance.scope {
        Scope::Full => PlannedScope::Full,
        Scope::Leaders => PlannedScope::Leaders,
        Scope::Disks {
            brokers,
            max_percent,
        } => {
            let too_full = disks::too_full(cluster, load, brokers, *max_percent)?;
            PlannedScope::MoveOutOfDisk(too_full)
        }
        Scope::Add(ids) => PlannedScope::AddBrokers(ids.iter().copied().collect()),
        // A broker that is neither live nor has replicas is empty already.
        Scope::Remove(ids) => {
            PlannedScope::RemoveBrokers(ids.intersection(&known).copied().collect())
        }
    };
    let limits = Limits {
        max_moves: MOVES_MAX,
        ..Limits::default()
    };
    let model = Model::build(prepared.input).map_err(|error| error.to_string())?;
    let plan =
        plan(&model, &rebalance.profile, &scope, &limits).map_err(|error| error.to_string())?;
    Ok((plan, prepared.keys))
}

fn changes(plan: &Planned, keys: &[PartitionKey]) -> Vec<Change> {
    let changes = plan.changes.iter().filter_map(|change| {
        let key = keys.get(usize::try_from(change.partition.0).ok()?)?;
        Some(Change {
            key: key.clone(),
            from: change.replicas_before.clone(),
            to: change.replicas_after.clone(),
            leader: change.leader_after,
            bytes: change.bytes,
        })
    });
    changes.collect()
}

/// A plan that leaves replicas where they must not be is half a drain, and one that breaks a hard
/// goal mends one thing with another.
fn forbids(plan: &Planned) -> Option<String> {
    let is_forbidden = |outcome: &&GoalOutcome| {
        let grows = outcome.violations_after > outcome.violations_before;
        let stays =
            outcome.goal == kintsugi_planner::Goal::OfflineReplicas && outcome.violations_after > 0;
        outcome.goal.is_hard() && (grows || stays)
    };
    let outcome = plan.goals.iter().find(is_forbidden)?;
    let why = outcome.unmet.as_deref().unwrap_or("no plan was found");
    Some(format!(
        "goal {} would be broken in {} places ({} before): {why}",
        outcome.goal.name(),
        outcome.violations_after,
        outcome.violations_before
    ))
}

fn goal_status(outcome: &GoalOutcome) -> RebalanceGoalStatus {
    let count = |violations: u64| i64::try_from(violations).unwrap_or(i64::MAX);
    let unmet = outcome.unmet.as_ref();
    RebalanceGoalStatus {
        goal: outcome.goal.name().to_owned(),
        violations_before: count(outcome.violations_before),
        violations_after: count(outcome.violations_after),
        unmet: unmet.map(|why| why.chars().take(UNMET_CHARACTERS_MAX).collect()),
    }
}
