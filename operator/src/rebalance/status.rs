//! The status of a KafkaRebalance: computed from what was observed, never from what was meant.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kintsugi_crds::{
    Condition, KafkaRebalance, KafkaRebalanceStatus, REBALANCE_MOVES_MAX, RebalanceGoalStatus,
    RebalanceMove, RebalancePhase, RebalanceProgress,
};
use kintsugi_survey::PartitionKey;

use super::decide::Look;
use super::gates::Closed;
use super::held::{Change, Held};
use super::observe::Snapshot;
use super::plan::{Command, Intent, Plan, Underway};
use super::producers::Producers;
use super::standing::{Standing, standings, tally};
use crate::decide::{Finding, condition};
use crate::plan::Announcement;

/// How often a status is written of which only numbers have changed.
const NUMBERS_EVERY: SignedDuration = SignedDuration::from_secs(2);
/// Characters of the message; the schema allows this many.
const MESSAGE_CHARACTERS_MAX: usize = 2048;

/// What is to be told.
#[derive(Clone, Debug)]
pub struct Told {
    phase: RebalancePhase,
    closed: Option<Closed>,
    message: String,
}

impl Told {
    /// The phase; the gate that holds moves back; and what to say where none does.
    pub fn of(phase: RebalancePhase, closed: Option<Closed>, message: &str) -> Self {
        let message = match &closed {
            Some((gate, reason)) => format!("gate {gate}: {reason}"),
            None => message.to_owned(),
        };
        Self {
            phase,
            closed,
            message,
        }
    }
}

/// A plan of `commands` that ends by saying how far it is, with Events for what is new.
pub fn tell(
    look: &Look<'_>,
    snapshot: Option<&Snapshot>,
    held: Held,
    told: Told,
    mut commands: Vec<Command>,
    requeue: Option<Duration>,
) -> Plan {
    let mut held = held;
    let mut status = look.written.cloned().unwrap_or_default();
    status.goals = goals(&status.goals, &held);
    if told.phase == RebalancePhase::Failed {
        status.progress = None;
        status.moves = Vec::new();
    } else if let Some(snapshot) = snapshot {
        let underway = look.rebalance.marks.underway.as_ref();
        let standings = standings(&held.proposal, snapshot, underway);
        let former = status.progress.take();
        status.progress = Some(progress(&held, &standings, former));
        status.moves = moves(&standings);
    }
    let status = finished(look, status, told, &mut commands);
    let is_urgent = look
        .written
        .is_none_or(|written| says_more(written, &status));
    let is_due = held
        .status_at
        .is_none_or(|at| look.now.duration_since(at) >= NUMBERS_EVERY);
    if look.written != Some(&status) && (is_urgent || is_due) {
        held.status_at = Some(look.now);
        commands.push(Command::WriteStatus(Box::new(status)));
    }
    Plan {
        commands,
        requeue,
        held: Some(held),
    }
}

/// The same where there is no plan. What was last said of one stays until it is over, but for what is
/// in flight: that goes on without a plan.
pub fn tell_without_plan(
    look: &Look<'_>,
    snapshot: Option<&Snapshot>,
    told: Told,
    requeue: Option<Duration>,
) -> Plan {
    let mut status = look.written.cloned().unwrap_or_default();
    if let Some((underway, snapshot)) = look.rebalance.marks.underway.as_ref().zip(snapshot) {
        show_in_flight(&mut status, underway, snapshot);
    }
    let ends = matches!(
        told.phase,
        RebalancePhase::Completed | RebalancePhase::Stopped | RebalancePhase::Failed
    );
    if told.phase == RebalancePhase::Completed {
        end(&mut status);
    } else if ends {
        halt(&mut status);
    }
    let mut commands = Vec::new();
    let status = finished(look, status, told, &mut commands);
    if look.written != Some(&status) {
        commands.push(Command::WriteStatus(Box::new(status)));
    }
    Plan {
        commands,
        requeue,
        held: None,
    }
}

/// What to write of a resource that cannot be acted on.
pub fn tell_invalid(resource: &KafkaRebalance, told: Told, now: Timestamp) -> Vec<Command> {
    let generation = resource.metadata.generation.unwrap_or(0);
    let written = resource.status.as_ref();
    let mut status = written.cloned().unwrap_or_default();
    fill(&mut status, &told, generation, written, now);
    match written == Some(&status) {
        true => Vec::new(),
        false => vec![Command::WriteStatus(Box::new(status))],
    }
}

/// Says which moves are in flight by the live list of them.
fn show_in_flight(status: &mut KafkaRebalanceStatus, underway: &Underway, snapshot: &Snapshot) {
    let own = underway.moves.iter().map(Intent::key);
    let live: BTreeSet<PartitionKey> = own
        .filter(|key| snapshot.moving.contains_key(key))
        .collect();
    for told in &mut status.moves {
        told.in_flight = live.contains(&PartitionKey {
            topic: told.topic.clone(),
            number: told.partition,
        });
    }
    if let Some(progress) = &mut status.progress {
        progress.moves_in_flight = i64::try_from(live.len()).unwrap_or(i64::MAX);
    }
}

/// Nothing is under way any more.
fn halt(status: &mut KafkaRebalanceStatus) {
    status.moves = Vec::new();
    if let Some(progress) = &mut status.progress {
        progress.moves_in_flight = 0;
        progress.throttle_bytes_per_second = None;
        progress.throttle_reason = None;
        progress.seconds_left = None;
    }
}

/// Nothing is left.
fn end(status: &mut KafkaRebalanceStatus) {
    halt(status);
    if let Some(progress) = &mut status.progress {
        progress.moves_left = 0;
        progress.bytes_moved = progress.bytes_total;
        progress.bytes_left = 0;
    }
}

/// Fills in what every status has, and announces what is new in it.
fn finished(
    look: &Look<'_>,
    mut status: KafkaRebalanceStatus,
    told: Told,
    commands: &mut Vec<Command>,
) -> KafkaRebalanceStatus {
    let gate = told.closed.as_ref().map(|(gate, _)| gate.name().to_owned());
    let former = look.written;
    if gate.is_some() && former.and_then(|status| status.gate.as_ref()) != gate.as_ref() {
        commands.push(Command::Announce(Announcement {
            reason: "GateClosed",
            subject: gate.clone().unwrap_or_default(),
            note: told.message.clone(),
            warning: true,
        }));
    }
    if former.and_then(|status| status.phase) != Some(told.phase) {
        commands.extend(arrival(look, &status, &told));
    }
    fill(
        &mut status,
        &told,
        look.rebalance.generation,
        former,
        look.now,
    );
    status
}

fn fill(
    status: &mut KafkaRebalanceStatus,
    told: &Told,
    generation: i64,
    former: Option<&KafkaRebalanceStatus>,
    now: Timestamp,
) {
    let message = told.message.chars().take(MESSAGE_CHARACTERS_MAX).collect();
    status.observed_generation = Some(generation);
    status.phase = Some(told.phase);
    status.gate = told.closed.as_ref().map(|(gate, _)| gate.name().to_owned());
    status.message = Some(message);
    status.conditions = conditions(told, generation, former, now);
}

/// What to say of a phase that was just reached.
fn arrival(look: &Look<'_>, status: &KafkaRebalanceStatus, told: &Told) -> Option<Command> {
    let name = &look.rebalance.name;
    let progress = status.progress.as_ref();
    let (reason, warning, note) = match told.phase {
        RebalancePhase::ProposalReady => {
            let (moves, bytes) = progress.map_or((0, 0), |progress| {
                (progress.moves_total, progress.bytes_total)
            });
            (
                "ProposalReady",
                false,
                format!(
                    "KafkaRebalance {name} would move {moves} partitions and copy {bytes} bytes: {}",
                    told.message
                ),
            )
        }
        RebalancePhase::Paused => (
            "RebalancePaused",
            false,
            format!("spec.paused of KafkaRebalance {name} is set: no further move begins"),
        ),
        RebalancePhase::Failed => ("RebalanceFailed", true, told.message.clone()),
        _ => return None,
    };
    Some(Command::Announce(Announcement {
        reason,
        subject: name.clone(),
        note,
        warning,
    }))
}

fn conditions(
    told: &Told,
    generation: i64,
    written: Option<&KafkaRebalanceStatus>,
    now: Timestamp,
) -> Vec<Condition> {
    let former = written.map_or(&[][..], |status| status.conditions.as_slice());
    let of_phase = |type_, phase| {
        let finding = Finding {
            holds: told.phase == phase,
            reason: Cow::Owned(format!("{:?}", told.phase)),
            message: told.message.clone(),
        };
        condition(type_, finding, generation, former, now)
    };
    let waiting = Finding {
        holds: told.closed.is_some(),
        reason: match &told.closed {
            Some((gate, _)) => Cow::Borrowed(gate.name()),
            None => Cow::Borrowed("GatesOpen"),
        },
        message: match &told.closed {
            Some((_, reason)) => reason.clone(),
            None => String::new(),
        },
    };
    vec![
        of_phase("ProposalReady", RebalancePhase::ProposalReady),
        condition("Waiting", waiting, generation, former, now),
        of_phase("Complete", RebalancePhase::Completed),
        of_phase("Failed", RebalancePhase::Failed),
    ]
}

/// Whether more than numbers differ.
fn says_more(written: &KafkaRebalanceStatus, status: &KafkaRebalanceStatus) -> bool {
    let words = |status: &KafkaRebalanceStatus| {
        (
            status.observed_generation,
            status.phase,
            status.gate.clone(),
            status.progress.is_some(),
        )
    };
    words(written) != words(status)
}

/// What plans make better, all of them together: how it was before the first, and how it is after this one.
fn goals(told: &[RebalanceGoalStatus], held: &Held) -> Vec<RebalanceGoalStatus> {
    let proposal = &held.proposal;
    let plans_nothing = proposal.changes.len() == proposal.carried;
    if held.before.is_some() && plans_nothing && !told.is_empty() {
        return told.to_vec();
    }
    let mut goals = proposal.goals.clone();
    for goal in goals.iter_mut().filter(|_| held.before.is_some()) {
        let first = told.iter().find(|first| first.goal == goal.goal);
        goal.violations_before = first.map_or(goal.violations_before, |it| it.violations_before);
    }
    goals
}

/// How much was moved and is to be, by this plan and by those before it. `former` is what was told last.
fn progress(
    held: &Held,
    standings: &[(&Change, Standing)],
    former: Option<RebalanceProgress>,
) -> RebalanceProgress {
    let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    let tally = tally(standings);
    let done = held.before.unwrap_or_default() + tally.done;
    let all = done + tally.left;
    let rate = held.told_bytes_per_second.filter(|_| tally.left.bytes > 0);
    let slowest = match held.throttle.producers {
        Producers::Measured(slowest) => Some(slowest),
        _ => None,
    };
    let copies = standings
        .iter()
        .filter(|(_, standing)| standing.is_to_copy());
    let busiest = busiest(copies.map(|(change, _)| *change));
    // That of the first plan is about all of the work, that of a later one only about what was left.
    let bound = former.and_then(|former| former.lower_bound_bytes);
    let bound = bound.filter(|_| held.before.is_some());
    RebalanceProgress {
        moves_total: number(all.moves),
        moves_left: number(tally.left.moves),
        moves_in_flight: number(tally.in_flight),
        bytes_total: number(all.bytes),
        bytes_moved: number(done.bytes),
        bytes_left: number(tally.left.bytes),
        lower_bound_bytes: bound.or(held.proposal.bound_bytes.map(number)),
        throttle_bytes_per_second: rate.map(number),
        throttle_reason: rate.map(|_| held.throttle.reason()),
        produce_p99_ms: slowest.map(|slowest| number(slowest.p99_ms)),
        produce_p99_before_ms: slowest.map(|slowest| number(slowest.before_ms)),
        seconds_left: rate.map(|rate| number(busiest.div_ceil(rate.max(1)))),
    }
}

/// Bytes that the broker with most of them has to send or to receive.
fn busiest<'a>(changes: impl Iterator<Item = &'a Change>) -> u64 {
    let (mut sent, mut received): (BTreeMap<i32, u64>, BTreeMap<i32, u64>) = Default::default();
    for change in changes {
        let copies = change.adding().count().max(1);
        let each = change.bytes / u64::try_from(copies).unwrap_or(1);
        if let Some(source) = change.from.first() {
            let sum = sent.entry(*source).or_default();
            *sum = sum.saturating_add(change.bytes);
        }
        for broker in change.adding() {
            let sum = received.entry(broker).or_default();
            *sum = sum.saturating_add(each);
        }
    }
    sent.into_values()
        .chain(received.into_values())
        .max()
        .unwrap_or(0)
}

/// The moves in flight, then those that come next.
fn moves(standings: &[(&Change, Standing)]) -> Vec<RebalanceMove> {
    let with = |wanted: bool| {
        standings.iter().filter(move |(_, standing)| {
            standing.is_left() && (*standing == Standing::InFlight) == wanted
        })
    };
    let moves = with(true).chain(with(false)).take(REBALANCE_MOVES_MAX);
    moves
        .map(|(change, standing)| RebalanceMove {
            topic: change.key.topic.clone(),
            partition: change.key.number,
            from: change.from.clone(),
            to: change.to.clone(),
            bytes: i64::try_from(change.bytes).unwrap_or(i64::MAX),
            in_flight: *standing == Standing::InFlight,
        })
        .collect()
}
