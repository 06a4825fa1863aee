//! From a placement that was found to the plan that a person reads and an executor carries out.

use std::hint::black_box;
use std::time::Duration;

use crate::input::{BrokerState, PartitionId};
use crate::model::{NO_LEADER, Seat};
use crate::plan::{GoalOutcome, MoveCounts, PartitionChange, Plan, Rates, Scope};
use crate::profile::{Goal, Profile};
use crate::state::{State, WARMED};
use crate::unmet;

/// What the search found.
pub(crate) struct Result<'a, 'm> {
    pub start: &'a State<'m>,
    pub found: &'a State<'m>,
    pub profile: &'a Profile,
    pub scope: &'a Scope,
    pub rates: &'a Rates,
    pub before: Vec<(Goal, u64)>,
    pub after: Vec<(Goal, u64)>,
    pub bound_bytes: Option<u64>,
    pub swaps: usize,
    pub chains: usize,
}

pub(crate) fn report(result: &Result<'_, '_>) -> Plan {
    let (found, start) = (result.found, result.start);
    let mut order = Vec::with_capacity(found.changed().len());
    let mut moves = MoveCounts {
        swaps: result.swaps,
        chains: result.chains,
        ..Default::default()
    };
    let mut copying = Copying::new(start.states.len());
    let mut bytes = 0.0;
    for (place, change) in found.changed().iter().enumerate() {
        let before = &change.row.seat;
        let after = leader_first(before, &change.seat);
        if after == *before {
            continue;
        }
        moves.replicas += change.moved_replicas();
        moves.leaderships += usize::from(change.moves_leadership());
        bytes += change.bytes();
        copying.add(before, &after, change.row.bytes(), start);
        order.push(Ordered {
            urgency: urgency(start, before),
            bytes: change.bytes().round() as u64,
            partition: change.partition,
            place: place as u32,
        });
    }
    order.sort_unstable();
    let changes = changes_in(&order, found);
    let goals = result
        .before
        .iter()
        .zip(&result.after)
        .map(|((goal, before), (_, after))| {
            let unmet = (*after > 0).then(|| unmet::reason(*goal, *after, result));
            GoalOutcome {
                goal: *goal,
                violations_before: *before,
                violations_after: *after,
                unmet,
            }
        });
    Plan {
        goals: goals.collect(),
        bytes: bytes.round() as u64,
        bound_bytes: result.bound_bytes,
        estimated_time: copying.time(result.rates, moves.leaderships),
        changes,
        moves,
    }
}

/// The leader of a changed partition comes first in preferred order, unless it led before.
fn leader_first(before: &Seat, after: &Seat) -> Seat {
    let mut seat = *after;
    let leader = usize::from(seat.leader);
    if after.leader != before.leader && after.leader != NO_LEADER {
        seat.brokers[..=leader].rotate_right(1);
        seat.leader = 0;
    }
    seat
}

/// A change among those of the plan: what it is sorted by, and its place among those found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Ordered {
    urgency: u8,
    bytes: u64,
    partition: u32,
    place: u32,
}

/// Serving replicas of an endangered partition; of any other more than one can have.
fn urgency(start: &State<'_>, before: &Seat) -> u8 {
    let online = online(start, before);
    if online < before.count {
        online
    } else {
        u8::MAX
    }
}

fn online(start: &State<'_>, seat: &Seat) -> u8 {
    let online = |broker: &&u16| start.model.is_online(**broker);
    seat.replicas().iter().filter(online).count() as u8
}

fn changes_in(order: &[Ordered], found: &State<'_>) -> Vec<PartitionChange> {
    let model = found.model;
    let mut changes = Vec::with_capacity(order.len());
    for some in order.chunks(WARMED) {
        for at in some {
            let change = &found.changed()[at.place as usize];
            black_box((change.row.topic, change.partition));
        }
        for at in some {
            let change = &found.changed()[at.place as usize];
            let before = &change.row.seat;
            let after = leader_first(before, &change.seat);
            changes.push(PartitionChange {
                partition: PartitionId(at.partition),
                replicas_before: model.ids(before),
                replicas_after: model.ids(&after),
                leader_before: before.leader_broker().map(|broker| model.id(broker)),
                leader_after: after.leader_broker().map(|broker| model.id(broker)),
                bytes: at.bytes,
                online_replicas: usize::from(online(found, before)),
            });
        }
    }
    changes
}

/// What each broker sends and receives. A new replica fetches from its leader.
struct Copying {
    received: Vec<f64>,
    sent: Vec<f64>,
}

impl Copying {
    fn new(brokers: usize) -> Copying {
        Copying {
            received: vec![0.0; brokers],
            sent: vec![0.0; brokers],
        }
    }

    fn add(&mut self, before: &Seat, after: &Seat, bytes: f64, start: &State<'_>) {
        let online = |broker: &&u16| start.states[usize::from(**broker)] != BrokerState::Dead;
        let leader = before.leader_broker();
        let source = leader
            .as_ref()
            .filter(online)
            .or(before.replicas().iter().find(online));
        for broker in after
            .replicas()
            .iter()
            .filter(|at| before.place_of(**at).is_none())
        {
            self.received[usize::from(*broker)] += bytes;
            if let Some(source) = source {
                self.sent[usize::from(*source)] += bytes;
            }
        }
    }

    fn time(&self, rates: &Rates, leaderships: usize) -> Duration {
        let most = |values: &[f64]| values.iter().copied().fold(0.0, f64::max);
        let copying = (most(&self.received) / rates.inbound_bytes_per_second)
            .max(most(&self.sent) / rates.outbound_bytes_per_second);
        let seconds = copying + leaderships as f64 / rates.leaderships_per_second;
        Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
    }
}
