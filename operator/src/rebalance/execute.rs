//! Carries a plan out, a batch at a time. Pure: what is to be done now follows from the plan, from
//! what was begun, and from where things stand.
//!
//! A move is noted in the resource before it begins, and the note goes when it is known to be over.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use kintsugi_crds::RebalancePhase;
use kintsugi_survey::PartitionKey;

use super::decide::Look;
use super::gates::{self, Closed};
use super::held::{Change, Held};
use super::observe::Snapshot;
use super::plan::{Command, Intent, MarkChange, Marks, Plan, Underway, Work};
use super::producers::{self, Before, ProduceTimes};
use super::standing::{Standing, standings, tally};
use super::status::{Told, tell};
use super::take_over::settled;
use super::throttle::Signals;
use super::validate::Scope;
use crate::plan::Announcement;

/// Copies that a broker sends or receives at once.
pub const COPIES_A_BROKER_MAX: usize = 50;
/// Copies of the cluster at once; each is noted in the resource, which has 256 KiB for annotations.
pub const COPIES_MAX: usize = 200;
/// Bytes of copies that a broker sends and receives at once; a larger partition goes alone.
pub const BYTES_A_BROKER_MAX: u64 = 2 << 30;
/// Leaderships and orders of replicas that change in one look.
pub const LEADERS_MAX: usize = 500;

/// When to look at what was begun; large clusters less often, so that looking costs a tenth.
const REQUEUE_MIN: Duration = Duration::from_millis(500);
const REQUEUE_MAX: Duration = Duration::from_secs(10);
/// When to look whether a gate has opened.
const REQUEUE_CLOSED: Duration = Duration::from_secs(2);

/// What is to be done about an approved plan.
pub fn execute(look: &Look<'_>, snapshot: &Snapshot, held: Held) -> Plan {
    let rebalance = look.rebalance;
    let closed = gates::before_moves(rebalance, look.observed, snapshot);
    let Some(underway) = &rebalance.marks.underway else {
        return begin(look, snapshot, held, closed);
    };
    let proposal = Arc::clone(&held.proposal);
    let standings = standings(&proposal, snapshot, Some(underway));
    let (over, unstarted) = settled(underway, snapshot);
    let mut next = underway.clone();
    next.moves
        .retain(|intent| !over.contains(intent) && !unstarted.contains(intent));
    next.done = held.before.unwrap_or_default() + tally(&standings).done;
    let may_begin = closed.is_none() && !rebalance.paused;
    let fresh = match may_begin {
        true => batch(&standings, snapshot, &next),
        false => Vec::new(),
    };
    let is_left = standings.iter().any(|(_, standing)| standing.is_left());
    if !is_left && next.moves.is_empty() && fresh.is_empty() {
        return finish(look, snapshot, held, next.done, (over, unstarted));
    }
    next.moves.extend(fresh.iter().cloned());
    let mut held = held;
    let mut commands = Vec::new();
    release(over, unstarted, &mut commands);
    let rates = rates(look, snapshot, &mut held, &mut next);
    mark(look, &next, &mut commands);
    commands.extend(rates);
    if may_begin {
        commands.extend(moves(&standings, snapshot, fresh));
    }
    let is_moving = !next.moves.is_empty() || (may_begin && is_left);
    let phase = match rebalance.paused {
        true => RebalancePhase::Paused,
        false => RebalancePhase::Rebalancing,
    };
    let told = Told::of(phase, closed, "moves are made");
    let requeue = match is_moving {
        true => pace(look),
        false => REQUEUE_CLOSED,
    };
    tell(look, Some(snapshot), held, told, commands, Some(requeue))
}

fn pace(look: &Look<'_>) -> Duration {
    let asked = Duration::from_millis(look.observed.asked_ms.min(60_000));
    (asked * 10).clamp(REQUEUE_MIN, REQUEUE_MAX)
}

/// Says that it wants to begin, then that it has: of two, each sees the other before it moves
/// anything.
fn begin(look: &Look<'_>, snapshot: &Snapshot, held: Held, closed: Option<Closed>) -> Plan {
    let marks = &look.rebalance.marks;
    if !marks.is_held {
        let marks = Marks {
            is_held: true,
            ..marks.clone()
        };
        return look.acting(vec![marked(marks)], Some(held));
    }
    let is_empty = held.proposal.changes.is_empty();
    if closed.is_none() && !is_empty && !look.rebalance.paused {
        let marks = Marks {
            underway: Some(Underway::default()),
            ..marks.clone()
        };
        let began = announce(
            "RebalanceBegun",
            format!(
                "Begins to move {} partitions of KafkaCluster {}",
                held.proposal.changes.len(),
                look.rebalance.cluster
            ),
        );
        return look.acting(vec![marked(marks), began], Some(held));
    }
    if is_empty {
        return finish(look, snapshot, held, Work::default(), Default::default());
    }
    let phase = match look.rebalance.paused {
        true => RebalancePhase::Paused,
        false => RebalancePhase::Rebalancing,
    };
    let told = Told::of(phase, closed, "no move has begun");
    tell(
        look,
        Some(snapshot),
        held,
        told,
        Vec::new(),
        Some(REQUEUE_CLOSED),
    )
}

/// Nothing of the plan is left. Brokers that were to be emptied are looked at once more: what was
/// created on them meanwhile goes too.
fn finish(
    look: &Look<'_>,
    snapshot: &Snapshot,
    held: Held,
    done: Work,
    (over, unstarted): (Vec<Intent>, Vec<Intent>),
) -> Plan {
    let marks = &look.rebalance.marks;
    let is_drain = matches!(look.rebalance.scope, Scope::Remove(_));
    if is_drain && !held.proposal.changes.is_empty() {
        let mut commands = Vec::new();
        release(over, unstarted, &mut commands);
        let next = Underway {
            moves: Vec::new(),
            done,
            ..marks.underway.clone().unwrap_or_default()
        };
        mark(look, &next, &mut commands);
        return look.acting(commands, None);
    }
    let mut commands = Vec::new();
    release(over, unstarted, &mut commands);
    let underway = marks.underway.iter();
    let throttled: BTreeSet<i32> = underway.flat_map(|own| own.throttled.clone()).collect();
    if !throttled.is_empty() {
        commands.push(Command::ClearRates(throttled));
    }
    commands.push(Command::Mark(MarkChange {
        marks: Marks {
            cluster: marks.cluster.clone(),
            is_held: false,
            underway: None,
            ended: true,
        },
        clears_word: true,
    }));
    commands.push(announce(
        "RebalanceCompleted",
        format!(
            "Every replica and leader of KafkaCluster {} is where KafkaRebalance {} wants it",
            look.rebalance.cluster, look.rebalance.name
        ),
    ));
    let told = Told::of(RebalancePhase::Completed, None, "all moves were made");
    tell(look, Some(snapshot), held, told, commands, None)
}

/// What did not begin is taken back where it is decided: this broker may just not know of it yet.
fn release(over: Vec<Intent>, unstarted: Vec<Intent>, commands: &mut Vec<Command>) {
    if !unstarted.is_empty() {
        let keys = unstarted.iter().map(Intent::key);
        commands.push(Command::Cancel(keys.collect()));
    }
    let released: Vec<Intent> = over.into_iter().chain(unstarted).collect();
    if !released.is_empty() {
        commands.push(Command::Unthrottle(released));
    }
}

fn mark(look: &Look<'_>, next: &Underway, commands: &mut Vec<Command>) {
    let marks = &look.rebalance.marks;
    if marks.underway.as_ref() != Some(next) {
        commands.push(marked(Marks {
            underway: Some(next.clone()),
            ..marks.clone()
        }));
    }
}

pub(super) fn marked(marks: Marks) -> Command {
    Command::Mark(MarkChange {
        marks,
        clears_word: false,
    })
}

/// The moves that were begun before this look.
fn underway<'a>(look: &Look<'a>) -> &'a [Intent] {
    let underway = look.rebalance.marks.underway.as_ref();
    underway.map_or(&[][..], |underway| underway.moves.as_slice())
}

/// What brokers are told of rates before the next copies begin. The brokers are noted first.
fn rates(
    look: &Look<'_>,
    snapshot: &Snapshot,
    held: &mut Held,
    next: &mut Underway,
) -> Option<Command> {
    if next.moves.is_empty() {
        return None;
    }
    let nobody = ProduceTimes::new();
    let load = look.observed.load.as_ref();
    let produced = load.map(|load| &load.produce_times).unwrap_or(&nobody);
    let before = next.produce_p99_ms.get_or_insert_with(|| {
        held.throttle = held.throttle.begun(look.now);
        // Moves that an operator began that did not note it have changed what is there to be measured.
        match underway(look).is_empty() {
            true => producers::before(produced, look.now),
            false => Before::new(),
        }
    });
    let since = held.throttle.judged_from;
    let signals = Signals {
        under_min_isr: look.observed.under_min_isr,
        is_lagging: gates::healing(look.rebalance, snapshot).is_some(),
        cpu_share: load.and_then(|load| load.cpu_share),
        producers: producers::during(produced, before, since, look.now),
    };
    let wanted = look.rebalance.throttle_bytes_per_second;
    held.throttle = held.throttle.next(wanted, &signals, look.now);
    let rate = held.throttle.bytes_per_second;
    let live: BTreeSet<i32> = snapshot.cluster.brokers.keys().copied().collect();
    let is_told = held.told_bytes_per_second == Some(rate) && next.throttled.is_superset(&live);
    if is_told {
        return None;
    }
    held.told_bytes_per_second = Some(rate);
    next.throttled.extend(&live);
    Some(Command::SetRates {
        brokers: live,
        bytes_per_second: rate,
        reason: held.throttle.reason(),
    })
}

/// The copies of `fresh`, with their throttles; and changes of order and leader, which copy nothing.
fn moves(
    standings: &[(&Change, Standing)],
    snapshot: &Snapshot,
    fresh: Vec<Intent>,
) -> Vec<Command> {
    let mut commands = Vec::new();
    let copies = fresh.iter().map(|intent| (intent.key(), intent.to.clone()));
    let reorders = standings
        .iter()
        .filter(|(_, standing)| *standing == Standing::ToReorder)
        .take(LEADERS_MAX)
        .map(|(change, _)| (change.key.clone(), change.to.clone()));
    let targets: BTreeMap<PartitionKey, Vec<i32>> = copies.chain(reorders).collect();
    if !fresh.is_empty() {
        commands.push(Command::Throttle(fresh));
    }
    if !targets.is_empty() {
        commands.push(Command::Reassign(targets));
    }
    let electable = |change: &Change| {
        let partition = snapshot.cluster.partitions.get(&change.key);
        partition
            .zip(change.to.first())
            .is_some_and(|(partition, first)| {
                partition.in_sync.contains(first) && snapshot.cluster.brokers.contains_key(first)
            })
    };
    let elected: BTreeSet<PartitionKey> = standings
        .iter()
        .filter(|(change, standing)| *standing == Standing::ToElect && electable(change))
        .take(LEADERS_MAX)
        .map(|(change, _)| change.key.clone())
        .collect();
    if !elected.is_empty() {
        commands.push(Command::Elect(elected));
    }
    commands
}

/// The copies to begin now, in the plan's order, as far as there is room beside those in flight.
fn batch(
    standings: &[(&Change, Standing)],
    snapshot: &Snapshot,
    underway: &Underway,
) -> Vec<Intent> {
    let mut room = Room::default();
    let in_flight = standings.iter().filter(|(change, standing)| {
        *standing != Standing::After && underway.intent(&change.key).is_some()
    });
    for (change, _) in in_flight {
        room.take(change, snapshot);
    }
    let mut copies = underway.moves.len();
    let mut fresh = Vec::new();
    for (change, standing) in standings {
        if copies >= COPIES_MAX {
            break;
        }
        let is_noted = underway.intent(&change.key).is_some();
        if *standing != Standing::ToMove || is_noted || !room.fits(change, snapshot) {
            continue;
        }
        room.take(change, snapshot);
        copies += 1;
        fresh.push(Intent {
            topic: change.key.topic.clone(),
            partition: change.key.number,
            from: change.from.clone(),
            to: change.to.clone(),
            bytes: change.bytes,
        });
    }
    fresh
}

/// What each broker copies at present.
#[derive(Default)]
struct Room {
    brokers: BTreeMap<i32, (usize, u64)>,
}

impl Room {
    fn fits(&self, change: &Change, snapshot: &Snapshot) -> bool {
        let each = change.bytes / u64::try_from(change.adding().count().max(1)).unwrap_or(1);
        copying(change, snapshot).all(|broker| {
            let (copies, bytes) = self.brokers.get(&broker).copied().unwrap_or_default();
            let fits = bytes.saturating_add(each) <= BYTES_A_BROKER_MAX;
            copies == 0 || (copies < COPIES_A_BROKER_MAX && fits)
        })
    }

    fn take(&mut self, change: &Change, snapshot: &Snapshot) {
        let each = change.bytes / u64::try_from(change.adding().count().max(1)).unwrap_or(1);
        for broker in copying(change, snapshot) {
            let (copies, bytes) = self.brokers.entry(broker).or_default();
            *copies += 1;
            *bytes = bytes.saturating_add(each);
        }
    }
}

/// The brokers that receive, and the leader, which sends to them.
fn copying<'a>(change: &'a Change, snapshot: &Snapshot) -> impl Iterator<Item = i32> + 'a {
    let partition = snapshot.cluster.partitions.get(&change.key);
    let leader = partition.and_then(|partition| partition.leader);
    change.adding().chain(leader)
}

pub(super) fn announce(reason: &'static str, note: String) -> Command {
    Command::Announce(Announcement {
        reason,
        subject: "rebalance".to_owned(),
        note,
        warning: false,
    })
}
