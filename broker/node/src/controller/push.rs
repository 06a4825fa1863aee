//! Committed entries on their way to brokers.
//!
//! Guarantees: a broker gets every entry in order, each once a link, or a snapshot in place of
//! those that are not kept any more. New leaders get a change first; the others when those have
//! applied it, or after a time, so that nobody is sent to a leader that does not know it yet.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use kintsugi_metadata::Image;
use kintsugi_metadata::{MetadataRecord, snapshot};
use kintsugi_types::{BrokerId, MetadataOffset, Time};

use super::config::ControllerLimits;
use super::link::Links;
use crate::message::controller::{Command, LinkId, Observation};
use crate::message::link::ToBroker;

/// The most recent entries, for brokers that lag a little.
#[derive(Debug, Default)]
pub(super) struct Tail {
    entries: VecDeque<(MetadataOffset, Arc<Vec<MetadataRecord>>)>,
    records: usize,
}

impl Tail {
    pub(super) fn push(
        &mut self,
        limits: &ControllerLimits,
        offset: MetadataOffset,
        records: Vec<MetadataRecord>,
    ) {
        self.records += records.len();
        self.entries.push_back((offset, Arc::new(records)));
        while self.entries.len() > limits.tail_entries_max || self.records > limits.tail_records_max
        {
            let Some((_, records)) = self.entries.pop_front() else {
                break;
            };
            self.records -= records.len();
        }
    }

    /// Forgets everything: a snapshot took its place.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// The entries after `after` up to `to`, or `None` if some of them are not kept.
    fn between(
        &self,
        after: MetadataOffset,
        to: MetadataOffset,
    ) -> Option<Vec<(MetadataOffset, Vec<MetadataRecord>)>> {
        let (first, _) = self.entries.front()?;
        let skipped = after.next().0.checked_sub(first.0)?;
        let count = to.0.saturating_sub(after.0);
        let range = self.entries.iter().skip(usize::try_from(skipped).ok()?);
        let range = range.take(usize::try_from(count).ok()?);
        Some(
            range
                .map(|(offset, records)| (*offset, records.as_ref().clone()))
                .collect(),
        )
    }
}

/// A change that others wait for until its new leaders have applied it.
#[derive(Debug)]
struct Gate {
    offset: MetadataOffset,
    /// Who gets it at once.
    first: BTreeSet<LinkId>,
    /// Who of them has not applied it yet, and is waited for.
    awaited: BTreeSet<LinkId>,
    deadline: Time,
    /// Brokers that the change fences or lets hand over: whose leaderships it moves.
    departures: Vec<Observation>,
}

/// What holds deltas back.
#[derive(Debug, Default)]
pub(super) struct Gates {
    gates: VecDeque<Gate>,
}

impl Gates {
    /// Holds the entries up to `offset` back from everyone but `first`, until `awaited` (some of
    /// them) have applied it or the deadline passed.
    pub(super) fn add(
        &mut self,
        offset: MetadataOffset,
        mut first: BTreeSet<LinkId>,
        awaited: BTreeSet<LinkId>,
        deadline: Time,
        departures: Vec<Observation>,
    ) {
        if awaited.is_empty() {
            return;
        }
        first.extend(awaited.iter().copied());
        self.gates.push_back(Gate {
            offset,
            first,
            awaited,
            deadline,
            departures,
        });
    }

    /// A broker has applied everything up to here.
    pub(super) fn applied(&mut self, link: LinkId, offset: MetadataOffset) {
        for gate in &mut self.gates {
            if gate.offset <= offset {
                gate.awaited.remove(&link);
            }
        }
    }

    /// A link is gone: nobody waits for it.
    pub(super) fn forget_link(&mut self, link: LinkId) {
        for gate in &mut self.gates {
            gate.awaited.remove(&link);
        }
    }

    /// Opens what may be opened. Gives the departing brokers whose leaderships have all moved.
    pub(super) fn open(&mut self, now: Time) -> Vec<BrokerId> {
        let mut moved = Vec::new();
        for gate in self.gates.iter().filter(|gate| gate.awaited.is_empty()) {
            for departure in &gate.departures {
                if let Observation::BrokerFenced { broker, .. }
                | Observation::BrokerStopping { broker, .. } = departure
                {
                    moved.push(*broker);
                }
            }
        }
        self.gates
            .retain(|gate| !gate.awaited.is_empty() && now < gate.deadline);
        moved
    }

    /// When the next one opens at the latest.
    pub(super) fn next_wake(&self) -> Time {
        let deadlines = self.gates.iter().map(|gate| gate.deadline);
        deadlines.min().unwrap_or(Time::NEVER)
    }

    /// Up to where this link may be sent entries.
    fn limit(&self, link: LinkId, latest: MetadataOffset) -> MetadataOffset {
        let is_first = |gate: &&Gate| gate.first.contains(&link);
        let allowed = self.gates.iter().filter(is_first).map(|gate| gate.offset);
        let allowed = allowed.max().unwrap_or_default();
        let held = self.gates.iter().find(|gate| gate.offset > allowed);
        held.map_or(latest, |gate| {
            // Entries before the held one are not held, unless an earlier gate holds them too.
            MetadataOffset(gate.offset.0.saturating_sub(1)).max(allowed)
        })
    }
}

/// Sends every registered broker what it may have by now.
pub(super) fn push(
    limits: &ControllerLimits,
    image: &Image,
    tail: &Tail,
    gates: &Gates,
    links: &mut Links,
    out: &mut Vec<Command>,
) {
    for (id, link) in links.registered_mut() {
        let window = MetadataOffset(link.applied.0.saturating_add(limits.entries_unapplied_max));
        let to = gates.limit(id, image.offset);
        if link.sent >= to || link.sent >= window {
            continue;
        }
        let message = match tail.between(link.sent, to.min(window)) {
            Some(entries) => {
                link.sent = to.min(window);
                ToBroker::Delta { entries }
            }
            None => {
                link.sent = image.offset;
                ToBroker::Snapshot {
                    offset: image.offset,
                    records: snapshot::records_of(image),
                }
            }
        };
        out.push(Command::ToBroker { link: id, message });
    }
}
