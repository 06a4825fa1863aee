//! The gates before a move: a closed list, each with a name, a metric and an Event. Looked at in
//! this order before each batch; moves in flight go on.
//!
//! | gate | closed while |
//! |---|---|
//! | ClusterPaused | the KafkaCluster's `spec.paused` is set |
//! | QuorumHealth | no active controller answers, or fewer controllers than a majority |
//! | Healing | a replica that no move adds is out of sync, or its broker is not live, unless that broker is to be emptied |
//! | Rollout | pods are restarted one after the other, or a broker is stopping |
//! | OtherRebalance | another KafkaRebalance of the cluster has begun, or would and is older |
//! | OtherMoves | another tool moves partitions |

use std::fmt;

use kintsugi_survey::{Partition, PartitionKey};

use super::observe::{ClusterView, Observed, Rival, Snapshot};
use super::validate::Rebalance;

/// A gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Gate {
    /// There is no such KafkaCluster.
    ClusterMissing,
    /// No broker answers.
    ClusterUnreachable,
    /// See the room's table.
    ClusterPaused,
    /// See the room's table.
    QuorumHealth,
    /// See the room's table.
    Healing,
    /// See the room's table.
    Rollout,
    /// See the room's table.
    OtherRebalance,
    /// See the room's table.
    OtherMoves,
    /// Brokers of `spec.brokers` are not live yet.
    BrokersMissing,
    /// Loads have not been measured for long enough to plan by.
    LoadUnknown,
}

impl Gate {
    /// All gates, for metrics that show each from the start.
    pub const ALL: [Gate; 10] = [
        Gate::ClusterMissing,
        Gate::ClusterUnreachable,
        Gate::ClusterPaused,
        Gate::QuorumHealth,
        Gate::Healing,
        Gate::Rollout,
        Gate::OtherRebalance,
        Gate::OtherMoves,
        Gate::BrokersMissing,
        Gate::LoadUnknown,
    ];

    /// The name in status, metrics and Events.
    pub fn name(self) -> &'static str {
        match self {
            Gate::ClusterMissing => "ClusterMissing",
            Gate::ClusterUnreachable => "ClusterUnreachable",
            Gate::ClusterPaused => "ClusterPaused",
            Gate::QuorumHealth => "QuorumHealth",
            Gate::Healing => "Healing",
            Gate::Rollout => "Rollout",
            Gate::OtherRebalance => "OtherRebalance",
            Gate::OtherMoves => "OtherMoves",
            Gate::BrokersMissing => "BrokersMissing",
            Gate::LoadUnknown => "LoadUnknown",
        }
    }
}

impl fmt::Display for Gate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// A closed gate, and what it waits for.
pub type Closed = (Gate, String);

/// The first closed gate that keeps a plan from being made: with a broker down, the plan would be
/// one for a cluster without it.
pub fn before_plan(
    rebalance: &Rebalance,
    observed: &Observed,
    snapshot: &Snapshot,
) -> Option<Closed> {
    quorum_health(observed).or_else(|| healing(rebalance, snapshot))
}

/// The first closed gate before a move.
pub fn before_moves(
    rebalance: &Rebalance,
    observed: &Observed,
    snapshot: &Snapshot,
) -> Option<Closed> {
    quorum_health(observed)
        .or_else(|| healing(rebalance, snapshot))
        .or_else(|| rollout(observed))
        .or_else(|| other_rebalance(rebalance, observed))
        .or_else(|| other_moves(rebalance, snapshot))
}

fn quorum_health(observed: &Observed) -> Option<Closed> {
    let trouble = observed.quorum_trouble.clone()?;
    Some((Gate::QuorumHealth, trouble))
}

/// The partitions that are not whole, apart from what moves add.
pub fn healing(rebalance: &Rebalance, snapshot: &Snapshot) -> Option<Closed> {
    let leaving = rebalance.leaving();
    let is_amiss = |(key, partition): &(&PartitionKey, &Partition)| {
        let adding = snapshot.moving.get(*key).map(|moving| &moving.adding);
        let mut replicas = partition.replicas.iter();
        replicas.any(|id| {
            let comes = adding.is_some_and(|adding| adding.contains(id));
            let is_whole =
                partition.in_sync.contains(id) && snapshot.cluster.brokers.contains_key(id);
            !comes && !is_whole && !leaving.contains(id)
        })
    };
    let mut amiss = snapshot.cluster.partitions.iter().filter(is_amiss);
    let (first, _) = amiss.next()?;
    let count = amiss.count() + 1;
    let reason = format!(
        "{count} partitions have replicas that are not in sync, such as {}-{}: moves go on when they \
         are whole",
        first.topic, first.number
    );
    Some((Gate::Healing, reason))
}

fn rollout(observed: &Observed) -> Option<Closed> {
    let ClusterView::Present {
        rollout: Some(why), ..
    } = &observed.cluster
    else {
        return None;
    };
    Some((Gate::Rollout, why.clone()))
}

/// Of two that want to begin the older does; one that has begun goes on.
fn other_rebalance(rebalance: &Rebalance, observed: &Observed) -> Option<Closed> {
    let has_begun = rebalance.marks.underway.is_some();
    let own = (rebalance.created, rebalance.uid.as_str());
    let goes_first = |rival: &&Rival| {
        let is_older = (rival.created, rival.uid.as_str()) < own;
        match (rival.has_begun, has_begun) {
            (true, false) => true,
            (false, true) => false,
            _ => is_older && (rival.has_begun || rival.wants_to_begin),
        }
    };
    let rival = observed.rivals.iter().find(goes_first)?;
    let reason = format!(
        "KafkaRebalance {} of the same cluster is carried out first: wait for it, or stop it",
        rival.name
    );
    Some((Gate::OtherRebalance, reason))
}

fn other_moves(rebalance: &Rebalance, snapshot: &Snapshot) -> Option<Closed> {
    let underway = rebalance.marks.underway.as_ref();
    let is_own = |key: &PartitionKey| underway.is_some_and(|own| own.intent(key).is_some());
    let mut others = snapshot.moving.keys().filter(|key| !is_own(key));
    let first = others.next()?;
    let reason = format!(
        "another tool moves {} partitions, such as {}-{}: wait for it, or cancel its moves",
        others.count() + 1,
        first.topic,
        first.number
    );
    Some((Gate::OtherMoves, reason))
}
