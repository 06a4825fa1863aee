//! What an operator remembers of a rebalance between two looks. Losing it costs a new plan, made
//! from what is there then.

use std::collections::BTreeSet;
use std::sync::Arc;

use k8s_openapi::jiff::Timestamp;
use kintsugi_crds::RebalanceGoalStatus;
use kintsugi_survey::PartitionKey;

use super::plan::Work;
use super::throttle::Throttle;

/// What is remembered.
#[derive(Clone, Debug, PartialEq)]
pub struct Held {
    /// The plan.
    pub proposal: Arc<Proposal>,
    /// What was done before it. None: it was made before the first move.
    pub before: Option<Work>,
    /// How fast moves may copy.
    pub throttle: Throttle,
    /// The rate that brokers were told since this operator began, if any.
    pub told_bytes_per_second: Option<u64>,
    /// When the status was last written.
    pub status_at: Option<Timestamp>,
}

/// A plan, in names instead of places.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Proposal {
    /// The brokers that lived when it was made. With others it would be another plan.
    pub brokers: BTreeSet<i32>,
    /// What to change, in the order in which to do it.
    pub changes: Vec<Change>,
    /// So many of these, the first, were in flight when it was made; the others are planned from where
    /// these end.
    pub carried: usize,
    /// What it makes better.
    pub goals: Vec<RebalanceGoalStatus>,
    /// No plan that meets the goals of disk and network in copies fewer bytes than this.
    pub bound_bytes: Option<u64>,
    /// Why it must not be carried out, or why there is none.
    pub failed: Option<String>,
}

/// One partition's way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Which partition.
    pub key: PartitionKey,
    /// Its replicas when the plan was made.
    pub from: Vec<i32>,
    /// Its replicas as they should be, the preferred leader first.
    pub to: Vec<i32>,
    /// Who should lead it.
    pub leader: Option<i32>,
    /// Bytes to copy.
    pub bytes: u64,
}

impl Change {
    /// The brokers that get a copy.
    pub fn adding(&self) -> impl Iterator<Item = i32> {
        let is_new = |id: &&i32| !self.from.contains(id);
        self.to.iter().filter(is_new).copied()
    }

    /// Whether anything is copied, or taken away.
    pub fn moves_replicas(&self) -> bool {
        !is_same_set(&self.from, &self.to)
    }
}

/// Whether two lists hold the same brokers, in whatever order.
pub fn is_same_set(left: &[i32], right: &[i32]) -> bool {
    let set = |ids: &[i32]| ids.iter().copied().collect::<BTreeSet<i32>>();
    left.len() == right.len() && set(left) == set(right)
}
