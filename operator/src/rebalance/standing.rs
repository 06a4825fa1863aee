//! How far each move of a plan has come, seen from what is there now.

use super::held::{Change, Proposal, is_same_set};
use super::observe::Snapshot;
use super::plan::{Underway, Work};

/// How far a move has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Its partition is as it was when the plan was made: replicas are to move.
    ToMove,
    /// The replicas are in place, in another order.
    ToReorder,
    /// It is copied.
    InFlight,
    /// Its partition is copied to where the plan takes it from.
    After,
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

    /// Whether bytes are left to be copied.
    pub fn is_to_copy(self) -> bool {
        matches!(
            self,
            Standing::ToMove | Standing::After | Standing::InFlight
        )
    }
}

/// How far `change` has come in `snapshot`.
fn standing(change: &Change, snapshot: &Snapshot, underway: Option<&Underway>) -> Standing {
    if let Some(moving) = snapshot.moving.get(&change.key) {
        let target = moving.target();
        if is_same_set(&target, &change.from) {
            return Standing::After;
        }
        return match is_same_set(&target, &change.to) {
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
    if is_same_set(&partition.replicas, &change.from) {
        return Standing::ToMove;
    }
    // It began after moves were listed and before replicas were.
    let begins = || {
        let from = change.from.iter().copied();
        let both: Vec<i32> = from.chain(change.adding()).collect();
        is_same_set(&partition.replicas, &both)
    };
    let noted = underway.and_then(|underway| underway.intent(&change.key));
    match noted.is_some_and(|intent| intent.to == change.to) && begins() {
        true => Standing::InFlight,
        false => Standing::Void,
    }
}

/// How far each change of the plan has come, in the plan's order; `underway` is what was noted before.
pub fn standings<'a>(
    proposal: &'a Proposal,
    snapshot: &Snapshot,
    underway: Option<&Underway>,
) -> Vec<(&'a Change, Standing)> {
    let changes = proposal.changes.iter();
    let mut standings: Vec<(&Change, Standing)> = changes
        .map(|change| (change, standing(change, snapshot, underway)))
        .collect();
    let carried = proposal.carried.min(standings.len());
    let (carried, planned) = standings.split_at_mut(carried);
    for (change, standing) in carried {
        // Where it goes on from there, in order, leader and place, is up to what was planned after it.
        let is_over = match standing {
            Standing::ToReorder | Standing::ToElect => true,
            // Where it went on to may be where it came from.
            Standing::Void | Standing::ToMove | Standing::After => has_gone_on(change, planned),
            _ => false,
        };
        if is_over {
            *standing = Standing::Done;
        }
    }
    standings
}

/// Whether what was planned to follow `change` has begun.
fn has_gone_on(change: &Change, planned: &[(&Change, Standing)]) -> bool {
    planned.iter().any(|(next, standing)| {
        let is_next = next.key == change.key && is_same_set(&next.from, &change.to);
        is_next && !matches!(standing, Standing::After | Standing::Void)
    })
}

/// How much of a plan is done, and how much is left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// What is as planned. Bytes count once they are copied, also before the right replica leads.
    pub done: Work,
    /// What is not.
    pub left: Work,
    /// Moves that are copied at present.
    pub in_flight: u64,
}

/// Adds up standings. What others have moved elsewhere is neither done nor left.
pub fn tally(standings: &[(&Change, Standing)]) -> Tally {
    let mut tally = Tally::default();
    for (change, standing) in standings {
        let moves = |count| Work {
            moves: count,
            bytes: 0,
        };
        let bytes = Work {
            moves: 0,
            bytes: change.bytes,
        };
        match standing {
            Standing::Void => {}
            Standing::Done => tally.done = tally.done + moves(1) + bytes,
            Standing::ToReorder | Standing::ToElect => {
                tally.left = tally.left + moves(1);
                tally.done = tally.done + bytes;
            }
            Standing::ToMove | Standing::After | Standing::InFlight => {
                tally.left = tally.left + moves(1) + bytes;
                tally.in_flight += u64::from(*standing == Standing::InFlight);
            }
        }
    }
    tally
}
