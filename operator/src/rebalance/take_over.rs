//! What a plan that is made in the middle takes over from those before it: an operator that comes later
//! sees in the resource what was begun and what was ended. Pure.

use std::ops::Add;

use super::held::{Change, Proposal, is_same_set};
use super::observe::Snapshot;
use super::plan::{Intent, Underway, Work};

/// Puts what is in flight before what `proposal` plans; gives what was done before it.
pub fn take_over(proposal: &mut Proposal, underway: &Underway, snapshot: &Snapshot) -> Work {
    let (over, unstarted) = settled(underway, snapshot);
    let is_in_flight = |intent: &&Intent| !over.contains(intent) && !unstarted.contains(intent);
    let in_flight = underway.moves.iter().filter(is_in_flight);
    let carried: Vec<Change> = in_flight.map(carried).collect();
    proposal.carried = carried.len();
    proposal.changes.splice(0..0, carried);
    // What was deleted meanwhile was not moved.
    let is_there = |intent: &&Intent| snapshot.cluster.partitions.contains_key(&intent.key());
    let ended = over.iter().filter(is_there).map(|intent| Work {
        moves: 1,
        bytes: intent.bytes,
    });
    ended.fold(underway.done, Work::add)
}

/// Who leads it afterwards is up to the new plan.
fn carried(intent: &Intent) -> Change {
    Change {
        key: intent.key(),
        from: intent.from.clone(),
        to: intent.to.clone(),
        leader: None,
        bytes: intent.bytes,
    }
}

/// Of what was begun: what is at its end, and what did not begin after all. What is in neither
/// state is under way, or was seen halfway.
pub fn settled(underway: &Underway, snapshot: &Snapshot) -> (Vec<Intent>, Vec<Intent>) {
    let (mut over, mut unstarted) = (Vec::new(), Vec::new());
    for intent in &underway.moves {
        let key = intent.key();
        if snapshot.moving.contains_key(&key) {
            continue;
        }
        match snapshot.cluster.partitions.get(&key) {
            None => over.push(intent.clone()),
            Some(partition) if is_same_set(&partition.replicas, &intent.to) => {
                over.push(intent.clone());
            }
            Some(partition) if is_same_set(&partition.replicas, &intent.from) => {
                unstarted.push(intent.clone());
            }
            Some(_) => {}
        }
    }
    (over, unstarted)
}
