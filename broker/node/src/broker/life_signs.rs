//! Signs of life of leaders that clients are about to be told of.
//!
//! A client asks for metadata within a millisecond of losing its leader, while the kernel still
//! closes the dead process's other sockets: on a busy machine for tens of milliseconds, in which
//! nothing at this broker speaks against the leader. No wait is long enough to be sure. An answer
//! of the leader's own is: a process answers nothing more once the first of its sockets is closed
//! by its death. So a leader counts as confirmed for a request when it answered a dial that began
//! after the request came.

use std::collections::BTreeMap;

use kintsugi_metadata::Image;
use kintsugi_types::{BrokerId, Incarnation, Time};

use super::config::Timeouts;
use super::doubt::is_live;
use crate::message::broker::Command;
use crate::message::controller::DialOutcome;

/// The number of a request, counted from 1 in the order of arrival.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub(super) struct Asked(u64);

/// A dial under way.
#[derive(Clone, Copy, Debug)]
struct Look {
    number: u64,
    since: Time,
    /// The last request that had come when it began.
    covers: Asked,
}

/// What is known of one broker's life.
#[derive(Clone, Copy, Debug, Default)]
struct Signs {
    /// It lived after this request had come.
    alive_after: Asked,
    /// The last request that waits for a sign.
    wanted: Asked,
    look: Option<Look>,
    next_look: Time,
    /// Until then its silence holds nothing up.
    passed_over_until: Time,
}

/// Dials that confirm leaders.
#[derive(Debug)]
pub(super) struct LifeSigns {
    timeouts: Timeouts,
    last_asked: Asked,
    last_look: u64,
    signs: BTreeMap<Incarnation, Signs>,
}

impl LifeSigns {
    pub const fn new(timeouts: Timeouts) -> Self {
        Self {
            timeouts,
            last_asked: Asked(0),
            last_look: 0,
            signs: BTreeMap::new(),
        }
    }

    /// Numbers a request that has come now.
    pub const fn asked(&mut self) -> Asked {
        self.last_asked.0 += 1;
        self.last_asked
    }

    /// Whether a request need not wait for this broker: it showed life since, is not live in the
    /// metadata and so never named, or was silent for so long that waiting has no use.
    pub fn is_confirmed(&self, now: Time, image: &Image, broker: BrokerId, asked: Asked) -> bool {
        let Some(incarnation) = live(image, broker) else {
            return true;
        };
        let signs = self.signs.get(&incarnation);
        signs.is_some_and(|signs| signs.alive_after >= asked || now < signs.passed_over_until)
    }

    /// A request waits for a sign of this broker.
    pub fn want(&mut self, image: &Image, broker: BrokerId, asked: Asked) {
        if let Some(incarnation) = live(image, broker) {
            let signs = self.signs.entry(incarnation).or_default();
            signs.wanted = signs.wanted.max(asked);
        }
    }

    /// It gave no sign for as long as a request may wait: the next ones do not, for a while.
    pub fn pass_over(&mut self, now: Time, image: &Image, broker: BrokerId) {
        let signs = live(image, broker).and_then(|who| self.signs.get_mut(&who));
        if let Some(signs) = signs {
            signs.passed_over_until = now + self.timeouts.silence_passed_over;
        }
    }

    /// Nothing waits any more.
    pub fn rest(&mut self) {
        for signs in self.signs.values_mut() {
            signs.wanted = Asked(0);
        }
    }

    /// Forgets incarnations that are fenced or replaced.
    pub fn image_changed(&mut self, image: &Image) {
        self.signs.retain(|who, _| is_live(image, *who));
    }

    /// Begins the dials that are due, one at a time to each broker.
    pub fn wake(&mut self, now: Time, image: &Image, out: &mut Vec<Command>) {
        for (who, signs) in &mut self.signs {
            if signs
                .look
                .is_some_and(|look| now >= look.since + self.timeouts.look)
            {
                signs.look = None;
            }
            let is_due = signs.wanted > signs.alive_after && now >= signs.next_look;
            let Some(broker) = image.brokers.get(&who.broker) else {
                continue;
            };
            if is_due && signs.look.is_none() {
                self.last_look += 1;
                signs.next_look = now + self.timeouts.look_spacing;
                signs.look = Some(Look {
                    number: self.last_look,
                    since: now,
                    covers: self.last_asked,
                });
                out.push(Command::Look {
                    look: self.last_look,
                    endpoint: broker.registration.control_endpoint.clone(),
                });
            }
        }
    }

    /// What came of a dial; gives whose port refused it or is another's by now. An unknown dial
    /// changes nothing.
    pub fn looked(&mut self, number: u64, outcome: DialOutcome) -> Option<BrokerId> {
        let is_this = |signs: &Signs| signs.look.is_some_and(|look| look.number == number);
        let mut all = self.signs.iter_mut();
        let (who, signs) = all.find(|(_, signs)| is_this(signs))?;
        let look = signs.look.take()?;
        match outcome {
            DialOutcome::Answered(found) if found == *who => {
                signs.alive_after = look.covers;
                signs.passed_over_until = Time::ZERO;
                None
            }
            DialOutcome::Answered(_) | DialOutcome::Refused => Some(who.broker),
            DialOutcome::Silent => None,
        }
    }

    pub fn next_wake(&self) -> Time {
        let waiting = self
            .signs
            .values()
            .filter(|signs| signs.wanted > signs.alive_after);
        let due = waiting.map(|signs| match signs.look {
            Some(look) => look.since + self.timeouts.look,
            None => signs.next_look,
        });
        due.min().unwrap_or(Time::NEVER)
    }
}

fn live(image: &Image, broker: BrokerId) -> Option<Incarnation> {
    let broker = image.brokers.get(&broker)?;
    (!broker.fenced).then_some(broker.registration.incarnation)
}
