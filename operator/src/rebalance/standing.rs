//! How far each move of a plan has come, seen from what is there now.

use super::held::{Change, Proposal, is_same_set};
use super::observe::Snapshot;

/// How far a move has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Its partition is as it was when the plan was made: replicas are to move.
    ToMove,
    /// The replicas are in place, in another order.
    ToReorder,
    /// It is copied.
    InFlight,
    /// The replicas are in place, and the preferred one is to lead.
    ToElect,
    /// All is as planned.
    Done,
    /// The partition is gone, or somebody else has moved it, or does: the plan is no longer about it.
    Void,
}

impl Standing {
    /// Whether something is left to be done.
    pub fn is_left(self) -> bool {
        !matches!(self, Standing::Done | Standing::Void)
    }
}

/// How far `change` has come in `snapshot`.
pub fn standing(change: &Change, snapshot: &Snapshot) -> Standing {
    if let Some(moving) = snapshot.moving.get(&change.key) {
        return match is_same_set(&moving.target(), &change.to) {
            true => Standing::InFlight,
            false => Standing::Void,
        };
    }
    let Some(partition) = snapshot.cluster.partitions.get(&change.key) else {
        return Standing::Void;
    };
    if partition.replicas == change.to {
        let first = change.to.first().copied();
        // Only the first can be elected; of another leader the plan just says that it stays.
        let is_led = change.leader != first || change.leader.is_none() || partition.leader == first;
        return match is_led {
            true => Standing::Done,
            false => Standing::ToElect,
        };
    }
    if is_same_set(&partition.replicas, &change.to) {
        return Standing::ToReorder;
    }
    match is_same_set(&partition.replicas, &change.from) {
        true => Standing::ToMove,
        false => Standing::Void,
    }
}

/// How far each change of the plan has come, in the plan's order.
pub fn standings<'a>(proposal: &'a Proposal, snapshot: &Snapshot) -> Vec<(&'a Change, Standing)> {
    let changes = proposal.changes.iter();
    changes
        .map(|change| (change, standing(change, snapshot)))
        .collect()
}
