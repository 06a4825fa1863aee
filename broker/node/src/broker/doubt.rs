//! Doubt about other brokers: what controllers suspect, and what was seen here.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use kintsugi_metadata::Image;
use kintsugi_types::{BrokerId, Incarnation, Time};

use super::config::Timeouts;
use crate::message::broker::{Command, Evidence};

/// What was seen of a broker whose connection was reset.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Seen {
    /// Its control port was dialled; no outcome yet.
    Probing { since: Time },
    /// It refused a dial after the reset.
    Refused { probed_at: Time },
}

/// Evidence against brokers.
#[derive(Debug)]
pub(super) struct Doubt {
    timeouts: Timeouts,
    /// Whom the controller suspects.
    told: BTreeSet<Incarnation>,
    /// What was seen here.
    seen: BTreeMap<Incarnation, Seen>,
}

impl Doubt {
    pub const fn new(timeouts: Timeouts) -> Self {
        Self {
            timeouts,
            told: BTreeSet::new(),
            seen: BTreeMap::new(),
        }
    }

    pub fn told(&mut self, suspects: BTreeSet<Incarnation>) {
        self.told = suspects;
    }

    /// Notes what a connection to a broker told. True if a refusal became evidence by it, which
    /// the controller should know at once.
    pub fn observe(
        &mut self,
        now: Time,
        image: &Image,
        broker: BrokerId,
        evidence: Evidence,
        out: &mut Vec<Command>,
    ) -> bool {
        let live = image.brokers.get(&broker).filter(|broker| !broker.fenced);
        let Some(incarnation) = live.map(|broker| broker.registration.incarnation) else {
            return false;
        };
        let seen = self.seen.get(&incarnation).copied();
        match (evidence, seen) {
            (Evidence::Answered, _) => {
                self.seen.remove(&incarnation);
                false
            }
            (Evidence::Reset, None) => {
                self.probe(image, incarnation, out);
                self.seen.insert(incarnation, Seen::Probing { since: now });
                false
            }
            (Evidence::Refused, Some(Seen::Probing { .. })) => {
                let seen = Seen::Refused { probed_at: now };
                self.seen.insert(incarnation, seen);
                true
            }
            // A refusal without a reset may be a process that has not opened its port yet.
            (Evidence::Reset, Some(_)) | (Evidence::Refused, _) => false,
        }
    }

    /// Forgets incarnations that are fenced or replaced: nothing is led by them any more.
    pub fn image_changed(&mut self, image: &Image) {
        self.seen
            .retain(|incarnation, _| is_live(image, *incarnation));
    }

    /// The incarnations that refused a dial after a reset.
    pub fn refused_by(&self) -> BTreeSet<Incarnation> {
        let refused = |seen: &Seen| matches!(seen, Seen::Refused { .. });
        let refused = self.seen.iter().filter(|(_, seen)| refused(seen));
        refused.map(|(incarnation, _)| *incarnation).collect()
    }

    /// Brokers that must not be named as leaders: suspected, refused, or not known yet to live.
    pub fn suspects(&self, image: &Image) -> BTreeSet<BrokerId> {
        let all = self.told.iter().chain(self.seen.keys());
        all.filter(|incarnation| is_live(image, **incarnation))
            .map(|incarnation| incarnation.broker)
            .collect()
    }

    /// Probes refused brokers again, so that wrong evidence is found out, and drops probes without
    /// an outcome: silence is the controller's to judge. True if anything was dropped.
    pub fn wake(&mut self, now: Time, image: &Image, out: &mut Vec<Command>) -> bool {
        let before = self.seen.len();
        let outcome_within = self.probe_max();
        self.seen.retain(|_, seen| match seen {
            Seen::Probing { since } => now < *since + outcome_within,
            Seen::Refused { .. } => true,
        });
        let mut due = Vec::new();
        for (incarnation, seen) in &mut self.seen {
            if let Seen::Refused { probed_at } = seen
                && now >= *probed_at + self.timeouts.reprobe
            {
                *probed_at = now;
                due.push(*incarnation);
            }
        }
        for incarnation in due {
            self.probe(image, incarnation, out);
        }
        self.seen.len() != before
    }

    pub fn next_wake(&self) -> Time {
        let due = self.seen.values().map(|seen| match seen {
            Seen::Probing { since } => *since + self.probe_max(),
            Seen::Refused { probed_at } => *probed_at + self.timeouts.reprobe,
        });
        due.min().unwrap_or(Time::NEVER)
    }

    /// How long a probe's outcome is waited for: longer than answers are held, so that those that
    /// are held for it do not name the broker in the end.
    fn probe_max(&self) -> Duration {
        self.timeouts.metadata_hold * 2
    }

    fn probe(&self, image: &Image, expected: Incarnation, out: &mut Vec<Command>) {
        if let Some(broker) = image.brokers.get(&expected.broker) {
            let endpoint = broker.registration.control_endpoint.clone();
            out.push(Command::Probe { expected, endpoint });
        }
    }
}

/// Whether this incarnation is registered and not fenced.
pub(super) fn is_live(image: &Image, incarnation: Incarnation) -> bool {
    let broker = image.brokers.get(&incarnation.broker);
    broker.is_some_and(|broker| !broker.fenced && broker.registration.incarnation == incarnation)
}
