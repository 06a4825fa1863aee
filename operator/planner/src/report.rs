//! From a placement that was found to the plan that a person reads and an executor carries out.

use std::time::Duration;

use crate::input::{BrokerState, PartitionId};
use crate::model::{NO_LEADER, Seat};
use crate::plan::{GoalOutcome, MoveCounts, PartitionChange, Plan, Rates, Scope};
use crate::profile::{Goal, Profile};
use crate::state::State;
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
    let mut changes = Vec::with_capacity(result.found.changed.len());
    let mut moves = MoveCounts {
        swaps: result.swaps,
        chains: result.chains,
        ..Default::default()
    };
    let mut copying = Copying::new(result.start.states.len());
    let mut bytes = 0.0;
    for (partition, seat) in result.found.changes() {
        let before = result.found.row(*partition).seat;
        let after = leader_first(&before, seat);
        if after == before {
            continue;
        }
        let copied = result.found.moved_replicas(*partition, seat);
        moves.replicas += copied;
        moves.leaderships += usize::from(before.leader_broker() != after.leader_broker());
        let each = result.found.row(*partition).bytes();
        bytes += each * copied as f64;
        copying.add(&before, &after, each, result.start);
        changes.push(change(
            result.start,
            *partition,
            &before,
            &after,
            each * copied as f64,
        ));
    }
    // Cached, as a change is long and would be moved about with each step of the sorting.
    changes.sort_by_cached_key(|change| {
        let urgency = if change.is_endangered() {
            change.online_replicas
        } else {
            usize::MAX
        };
        (urgency, change.bytes, change.partition)
    });
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

fn change(
    start: &State<'_>,
    partition: u32,
    before: &Seat,
    after: &Seat,
    bytes: f64,
) -> PartitionChange {
    let model = start.model;
    let online = before
        .replicas()
        .iter()
        .filter(|broker| model.is_online(**broker))
        .count();
    PartitionChange {
        partition: PartitionId(partition),
        replicas_before: model.ids(before),
        replicas_after: model.ids(after),
        leader_before: before.leader_broker().map(|broker| model.id(broker)),
        leader_after: after.leader_broker().map(|broker| model.id(broker)),
        bytes: bytes.round() as u64,
        online_replicas: online,
    }
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
