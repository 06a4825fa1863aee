//! What is to be done about a rebalance: the only thing that decisions give and that `act` takes.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Add;
use std::time::Duration;

use kintsugi_crds::KafkaRebalanceStatus;
use kintsugi_survey::PartitionKey;
use serde::{Deserialize, Serialize};

use super::held::Held;
use super::producers::Before;
use crate::plan::Announcement;

/// Commands in order, when to look again, and what to remember until then.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Carried out in order; a failure ends them.
    pub commands: Vec<Command>,
    /// When to look again if nothing happens before. None: only a change can help.
    pub requeue: Option<Duration>,
    /// What the next look is told. Losing it costs a new plan.
    pub held: Option<Held>,
}

/// One act.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Writes label, finalizer and annotations of the resource as they should be, if it has not
    /// changed since it was observed.
    Mark(MarkChange),
    /// Has brokers send and receive at most so much for replicas that catch up.
    SetRates {
        /// Which brokers.
        brokers: BTreeSet<i32>,
        /// Bytes a second.
        bytes_per_second: u64,
        /// Why, for people.
        reason: String,
    },
    /// Takes those rates back.
    ClearRates(BTreeSet<i32>),
    /// Adds replicas to those that the rates hold for.
    Throttle(Vec<Intent>),
    /// Takes them out again.
    Unthrottle(Vec<Intent>),
    /// Has partitions move to these replicas.
    Reassign(BTreeMap<PartitionKey, Vec<i32>>),
    /// Takes moves back.
    Cancel(BTreeSet<PartitionKey>),
    /// Has the first replica of partitions lead.
    Elect(BTreeSet<PartitionKey>),
    /// Tells people by an Event.
    Announce(Announcement),
    /// Writes the status, if the resource has not changed since it was observed.
    WriteStatus(Box<KafkaRebalanceStatus>),
}

/// What the operator writes into a KafkaRebalance's metadata.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Marks {
    /// The label with the cluster's name.
    pub cluster: Option<String>,
    /// Whether the finalizer is there.
    pub is_held: bool,
    /// What must be taken back from Kafka at the end. None: nothing was begun.
    pub underway: Option<Underway>,
    /// Whether all of its moves were made.
    pub ended: bool,
}

/// Marks as they should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MarkChange {
    /// The marks.
    pub marks: Marks,
    /// Whether to take off what people wrote, because it has been done.
    pub clears_word: bool,
}

/// What a rebalance has set in Kafka, or is about to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Underway {
    /// The brokers whose rates it set.
    #[serde(default)]
    pub throttled: BTreeSet<i32>,
    /// How long producers' requests took before the first move: an operator that begins halfway must
    /// not take what moves make of it for normal. None: no move has begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub produce_p99_ms: Option<Before>,
    /// The moves that it began and that are not known to be over.
    #[serde(default)]
    pub moves: Vec<Intent>,
    /// What was brought to its end so far, by whichever operator. A note of a move goes by the same write
    /// that counts it here.
    #[serde(default, skip_serializing_if = "Work::is_none")]
    pub done: Work,
}

/// So much of what plans ask for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Work {
    /// Partitions that change their place or their leader.
    pub moves: u64,
    /// Bytes that are copied for it.
    pub bytes: u64,
}

impl Work {
    fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

impl Add for Work {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            moves: self.moves.saturating_add(other.moves),
            bytes: self.bytes.saturating_add(other.bytes),
        }
    }
}

impl Underway {
    /// The move of `key`, if it was begun.
    pub fn intent(&self, key: &PartitionKey) -> Option<&Intent> {
        self.moves.iter().find(|intent| intent.is_of(key))
    }
}

/// A move that copies a partition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// The topic.
    pub topic: String,
    /// The partition's number.
    pub partition: i32,
    /// The replicas before.
    pub from: Vec<i32>,
    /// The replicas after, the preferred leader first.
    pub to: Vec<i32>,
    /// Bytes to copy, by the plan that it was begun for.
    #[serde(default)]
    pub bytes: u64,
}

impl Intent {
    /// Which partition.
    pub fn key(&self) -> PartitionKey {
        PartitionKey {
            topic: self.topic.clone(),
            number: self.partition,
        }
    }

    fn is_of(&self, key: &PartitionKey) -> bool {
        self.topic == key.topic && self.partition == key.number
    }

    /// The brokers that get a copy.
    pub fn adding(&self) -> impl Iterator<Item = i32> {
        let is_new = |id: &&i32| !self.from.contains(id);
        self.to.iter().filter(is_new).copied()
    }
}

impl Command {
    /// The act's name in metrics.
    pub fn name(&self) -> &'static str {
        match self {
            Command::Mark(_) => "mark",
            Command::SetRates { .. } => "set-rates",
            Command::ClearRates(_) => "clear-rates",
            Command::Throttle(_) => "throttle",
            Command::Unthrottle(_) => "unthrottle",
            Command::Reassign(_) => "reassign",
            Command::Cancel(_) => "cancel",
            Command::Elect(_) => "elect",
            Command::Announce(_) => "announce",
            Command::WriteStatus(_) => "write-status",
        }
    }

    /// What the act's Event says once it has been done. None for what is part of another act. Its
    /// subject is the same each time, so that the recorder folds the many of one rebalance.
    pub fn announcement(&self) -> Option<Announcement> {
        let (reason, subject, note) = match self {
            Command::Announce(announcement) => return Some(announcement.clone()),
            Command::Reassign(targets) => (
                "MovesBegun",
                "moves",
                format!("Began to move {}", some(targets.keys())),
            ),
            Command::Cancel(partitions) => (
                "MovesTakenBack",
                "moves",
                format!("Took back the moves of {}", some(partitions.iter())),
            ),
            Command::Elect(partitions) => (
                "LeadersElected",
                "leaders",
                format!("Had the preferred replica lead {}", some(partitions.iter())),
            ),
            Command::SetRates {
                brokers,
                bytes_per_second,
                reason,
            } => (
                "ThrottleSet",
                "throttle",
                format!(
                    "{} brokers send and receive at most {bytes_per_second} bytes a second for \
                     moves: {reason}",
                    brokers.len()
                ),
            ),
            Command::ClearRates(brokers) => (
                "ThrottleCleared",
                "throttle",
                format!("Took the throttles of {} brokers back", brokers.len()),
            ),
            Command::Mark(_)
            | Command::Throttle(_)
            | Command::Unthrottle(_)
            | Command::WriteStatus(_) => return None,
        };
        Some(Announcement {
            reason,
            subject: subject.to_owned(),
            note,
            warning: false,
        })
    }
}

/// How many there are, and the first of them by name.
pub(super) fn some<'a>(mut keys: impl ExactSizeIterator<Item = &'a PartitionKey>) -> String {
    let count = keys.len();
    match (keys.next(), count) {
        (None, _) => "no partition".to_owned(),
        (Some(first), 1) => format!("{}-{}", first.topic, first.number),
        (Some(first), _) => format!(
            "{count} partitions, such as {}-{}",
            first.topic, first.number
        ),
    }
}
