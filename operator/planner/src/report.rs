//! From a placement that was found to the plan that a person reads and an executor carries out.

use std::hint::black_box;
use std::time::Duration;

use crate::input::{BrokerState, PartitionId};
use crate::model::{MAX_PARTITIONS, NO_LEADER, Seat};
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
        if leader_first(before, &change.seat)
            .as_ref()
            .unwrap_or(&change.seat)
            == before
        {
            continue;
        }
        let (moved, of_change) = (change.moved_replicas(), change.bytes());
        moves.replicas += moved;
        moves.leaderships += usize::from(change.moves_leadership());
        bytes += of_change;
        if moved > 0 {
            copying.add(before, &change.seat, change.row.bytes(), start);
        }
        let rank = Rank {
            urgency: urgency(start, before),
            bytes: of_change.round() as u64,
            partition: change.partition,
            place: place as u32,
        };
        order.push(rank.packed());
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

/// The leader of a changed partition comes first in preferred order, unless it led before; none where
/// the seat is so already.
fn leader_first(before: &Seat, after: &Seat) -> Option<Seat> {
    if after.leader == before.leader || after.leader == NO_LEADER {
        return None;
    }
    let mut seat = *after;
    seat.brokers[..=usize::from(after.leader)].rotate_right(1);
    seat.leader = 0;
    Some(seat)
}

/// What a change is sorted by, and its place among those found. Packed it is one number, from the
/// highest bit on in this order: that is compared several times as fast as four fields.
struct Rank {
    urgency: u8,
    bytes: u64,
    partition: u32,
    place: u32,
}

/// Bits of a partition, and of a place, of which there is one for each partition.
const PLACE_BITS: u32 = 25;
const _: () = assert!(MAX_PARTITIONS <= 1 << PLACE_BITS);

impl Rank {
    fn packed(&self) -> u128 {
        let high = u128::from(self.urgency) << u64::BITS | u128::from(self.bytes);
        let low = u64::from(self.partition) << PLACE_BITS | u64::from(self.place);
        high << (2 * PLACE_BITS) | u128::from(low)
    }

    fn unpacked(packed: u128) -> Rank {
        let mask = (1 << PLACE_BITS) - 1;
        Rank {
            urgency: (packed >> (u64::BITS + 2 * PLACE_BITS)) as u8,
            bytes: (packed >> (2 * PLACE_BITS)) as u64,
            partition: (packed >> PLACE_BITS) as u32 & mask,
            place: packed as u32 & mask,
        }
    }
}

/// Serving replicas of an endangered partition; of any other more than one can have.
fn urgency(start: &State<'_>, before: &Seat) -> u8 {
    let is_online = |broker: &&u16| start.model.is_online(**broker);
    let online = before.replicas().iter().filter(is_online).count() as u8;
    if online < before.count {
        online
    } else {
        u8::MAX
    }
}

fn changes_in(order: &[u128], found: &State<'_>) -> Vec<PartitionChange> {
    let model = found.model;
    let mut changes = Vec::with_capacity(order.len());
    for some in order.chunks(WARMED) {
        for packed in some {
            let change = &found.changed()[Rank::unpacked(*packed).place as usize];
            black_box((change.row.topic, change.partition));
        }
        for packed in some {
            let rank = Rank::unpacked(*packed);
            let change = &found.changed()[rank.place as usize];
            let before = &change.row.seat;
            let rotated = leader_first(before, &change.seat);
            let after = rotated.as_ref().unwrap_or(&change.seat);
            changes.push(PartitionChange {
                partition: PartitionId(rank.partition),
                replicas_before: model.ids(before),
                replicas_after: model.ids(after),
                leader_before: before.leader_broker().map(|broker| model.id(broker)),
                leader_after: after.leader_broker().map(|broker| model.id(broker)),
                bytes: rank.bytes,
                online_replicas: usize::from(rank.urgency.min(before.count)),
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
