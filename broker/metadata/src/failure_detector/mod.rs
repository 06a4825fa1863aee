//! Which brokers are alive, from what the active controller sees of them.
//!
//! Evidence, from the surest to the weakest: a dial of the control port that an incarnation
//! registered, refused twice, or answered by another incarnation, is proof of death; an answer of
//! the same incarnation is proof of life. A closed control link, silence of heartbeats beyond
//! their usual rhythm (phi accrual, Hayashibara et al. 2004), a dial without an answer, and what
//! other brokers report are suspicion: they start a dial. A session without a heartbeat is death.
//! Refusals by more than half of the live brokers within a second are suspicion only: then the
//! network lies, and sessions decide.
//!
//! Guarantees: a broker is declared dead at most once a registration; with no evidence but
//! silence, not before a session since its last heartbeat or since the detector began to watch
//! it. Assumes that every dial is answered (an unanswered one counts as silent after a time).
//! Never fences: it only says what it believes.

mod phi;
mod watched;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use kintsugi_types::{BrokerEpoch, BrokerId, Endpoint, Incarnation, Time};

use crate::image::Image;
use watched::{Step, Watched};

/// How patient the detector is.
#[derive(Clone, PartialEq, Debug)]
pub struct DetectorConfig {
    /// A broker without a heartbeat for so long is dead (`broker.session.timeout.ms`). 1.5 s: ten
    /// heartbeats of 150 ms, far above the pauses of a busy two-core machine.
    pub session: Duration,
    /// How often brokers are expected to send heartbeats, until their own rhythm is known
    /// (`broker.heartbeat.interval.ms`). 150 ms: cheap, and silence shows within half a second.
    pub heartbeat_interval: Duration,
    /// The second dial follows the first refusal after this time: 10 ms, so that a port that is
    /// just being taken over is not mistaken for a closed one.
    pub refusal_gap: Duration,
    /// How long to wait between dials of a suspect that answers or keeps silent: 100 ms.
    pub redial_gap: Duration,
    /// A dial without an outcome counts as silent after this time: 1 s, far above the time limit
    /// that the shell gives it.
    pub dial_timeout: Duration,
    /// Suspect a broker above this phi: 8, a chance of 10^-8 that its next heartbeat is only late.
    pub phi_max: f64,
    /// Refusals of different brokers are counted together within this time: 1 s.
    pub mass_window: Duration,
    /// A dead broker stays among the suspects for so long after its fence is committed: 1 s, so
    /// that everyone has learned of the new leaders before it is no suspect any more.
    pub linger: Duration,
    /// If the detector itself is woken so much later than it asked for, it slept, and what it did
    /// not hear in that time says nothing: every broker gets a new session. 250 ms.
    pub oversleep: Duration,
}

impl Default for DetectorConfig {
    fn default() -> Self {
        Self {
            session: Duration::from_millis(1_500),
            heartbeat_interval: Duration::from_millis(150),
            refusal_gap: Duration::from_millis(10),
            redial_gap: Duration::from_millis(100),
            dial_timeout: Duration::from_secs(1),
            phi_max: 8.0,
            mass_window: Duration::from_secs(1),
            linger: Duration::from_secs(1),
            oversleep: Duration::from_millis(250),
        }
    }
}

/// What a dial of a control port found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DialFinding {
    /// Nothing listens there: the connection was refused.
    Refused,
    /// Somebody answered, and is this incarnation.
    Answered(Incarnation),
    /// Nothing came in the time of a dial.
    Silent,
}

/// Why a broker is taken for dead.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum DeathCause {
    /// Its control port refused two dials.
    Refused,
    /// Another incarnation answers at its control port.
    Replaced,
    /// A session passed without a heartbeat.
    SessionExpired,
}

/// What the detector wants done, or believes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Dial this control port, and tell by [`FailureDetector::dialled`].
    Dial {
        /// Chosen by the detector; never reused in its life.
        dial: u64,
        /// Where.
        endpoint: Endpoint,
    },
    /// The set of suspects is now this one.
    Suspects(BTreeSet<Incarnation>),
    /// This incarnation is dead.
    Dead {
        /// Which one.
        incarnation: Incarnation,
        /// The epoch of its registration.
        epoch: BrokerEpoch,
        /// Why.
        cause: DeathCause,
    },
}

/// Watches the unfenced brokers.
#[derive(Clone, Debug)]
pub struct FailureDetector {
    config: DetectorConfig,
    watched: BTreeMap<BrokerId, Watched>,
    /// When brokers were last found to refuse, for the rule of more than half.
    refused_at: BTreeMap<BrokerId, Time>,
    dials: BTreeMap<u64, Incarnation>,
    next_dial: u64,
    suspects: BTreeSet<Incarnation>,
    /// Until when the dead that are fenced stay suspects.
    departed: BTreeMap<Incarnation, Time>,
}

impl FailureDetector {
    /// A detector that watches nobody yet. `first_dial` numbers its first dial.
    #[must_use]
    pub fn new(config: DetectorConfig, first_dial: u64) -> Self {
        Self {
            config,
            watched: BTreeMap::new(),
            refused_at: BTreeMap::new(),
            dials: BTreeMap::new(),
            next_dial: first_dial,
            suspects: BTreeSet::new(),
            departed: BTreeMap::new(),
        }
    }

    /// The number that the next dial will have; to begin another detector with.
    #[must_use]
    pub const fn next_dial(&self) -> u64 {
        self.next_dial
    }

    /// The brokers that are suspected now.
    #[must_use]
    pub const fn suspects(&self) -> &BTreeSet<Incarnation> {
        &self.suspects
    }

    /// The metadata changed: watch the unfenced brokers in it, forget all others. `linked` tells
    /// who has a control link; whoever has none is dialled, but has a session's time.
    pub fn watch(
        &mut self,
        now: Time,
        image: &Image,
        linked: &dyn Fn(Incarnation) -> bool,
        verdicts: &mut Vec<Verdict>,
    ) {
        let is_watched = |id: &BrokerId, watched: &Watched| {
            image
                .brokers
                .get(id)
                .is_some_and(|b| !b.fenced && b.registration.incarnation == watched.incarnation)
        };
        self.notice_sleep(now);
        let (config, departed) = (&self.config, &mut self.departed);
        self.watched.retain(|id, watched| {
            let stays = is_watched(id, watched);
            if !stays && watched.is_suspect(now) {
                departed.insert(watched.incarnation, now + config.linger);
            }
            stays
        });
        for (id, broker) in image.brokers.iter().filter(|(_, broker)| !broker.fenced) {
            let (config, registration) = (&self.config, &broker.registration);
            self.watched.entry(*id).or_insert_with(|| {
                let linked = linked(registration.incarnation);
                Watched::new(config, now, broker, linked)
            });
        }
        self.advance(now, verdicts);
    }

    /// Its control link opened.
    pub fn link_opened(&mut self, now: Time, who: Incarnation, verdicts: &mut Vec<Verdict>) {
        self.with(now, who, |watched, _| watched.link_opened());
        self.advance(now, verdicts);
    }

    /// Its control link was closed or reset.
    pub fn link_closed(&mut self, now: Time, who: Incarnation, verdicts: &mut Vec<Verdict>) {
        self.with(now, who, |watched, _| watched.link_closed(now));
        self.advance(now, verdicts);
    }

    /// It sent a heartbeat that says that its shards are live.
    pub fn heartbeat(&mut self, now: Time, who: Incarnation, verdicts: &mut Vec<Verdict>) {
        self.with(now, who, |watched, _| watched.heartbeat(now));
        self.advance(now, verdicts);
    }

    /// Another broker reports that it refused a connection.
    pub fn reported(&mut self, now: Time, who: Incarnation, verdicts: &mut Vec<Verdict>) {
        self.with(now, who, |watched, _| watched.reported(now));
        self.advance(now, verdicts);
    }

    /// What came of a dial. An unknown one changes nothing.
    pub fn dialled(
        &mut self,
        now: Time,
        dial: u64,
        finding: DialFinding,
        verdicts: &mut Vec<Verdict>,
    ) {
        if let Some(who) = self.dials.remove(&dial) {
            self.with(now, who, |watched, config| {
                watched.dialled(config, now, dial, finding);
            });
        }
        self.advance(now, verdicts);
    }

    /// Time has passed.
    pub fn wake(&mut self, now: Time, verdicts: &mut Vec<Verdict>) {
        self.notice_sleep(now);
        self.advance(now, verdicts);
    }

    /// When [`FailureDetector::wake`] is due.
    #[must_use]
    pub fn next_wake(&self) -> Time {
        let wakes = self.watched.values().map(|w| w.next_wake(&self.config));
        let lingering = self.departed.values().copied();
        wakes.chain(lingering).min().unwrap_or(Time::NEVER)
    }

    /// A process that was stopped has not heard what was sent to it meanwhile; it hears it next.
    fn notice_sleep(&mut self, now: Time) {
        let due = self.next_wake();
        if due != Time::NEVER && now > due + self.config.oversleep {
            for watched in self.watched.values_mut() {
                watched.forgive(now);
            }
        }
    }

    fn with(
        &mut self,
        now: Time,
        who: Incarnation,
        act: impl FnOnce(&mut Watched, &DetectorConfig),
    ) {
        self.notice_sleep(now);
        let watched = self.watched.get_mut(&who.broker);
        if let Some(watched) = watched.filter(|w| w.incarnation == who) {
            act(watched, &self.config);
        }
    }

    fn advance(&mut self, now: Time, verdicts: &mut Vec<Verdict>) {
        let mut dead = Vec::new();
        for (id, watched) in &mut self.watched {
            match watched.step(&self.config, now) {
                Step::Nothing => {}
                Step::Dial => {
                    let (dial, endpoint) = (self.next_dial, watched.endpoint.clone());
                    self.next_dial += 1;
                    self.dials.insert(dial, watched.incarnation);
                    watched.dialling(now, dial);
                    verdicts.push(Verdict::Dial { dial, endpoint });
                }
                Step::Dead(cause) => dead.push((*id, cause)),
            }
        }
        for (id, cause) in dead {
            self.pronounce(now, id, cause, verdicts);
        }
        let watched = &self.watched;
        let is_current = |who: &Incarnation| {
            watched
                .get(&who.broker)
                .is_some_and(|w| w.incarnation == *who)
        };
        self.dials.retain(|_, who| is_current(who));
        let is_suspect = |w: &&Watched| w.is_suspect(now);
        let suspected = watched.values().filter(is_suspect).map(|w| w.incarnation);
        self.departed
            .retain(|who, until| now < *until && !is_current(who));
        let suspects: BTreeSet<_> = suspected.chain(self.departed.keys().copied()).collect();
        if suspects != self.suspects {
            self.suspects.clone_from(&suspects);
            verdicts.push(Verdict::Suspects(suspects));
        }
    }

    /// Declares a broker dead, unless it only refused, as more than half of all did.
    fn pronounce(
        &mut self,
        now: Time,
        id: BrokerId,
        cause: DeathCause,
        verdicts: &mut Vec<Verdict>,
    ) {
        if cause == DeathCause::Refused {
            let window = self.config.mass_window;
            self.refused_at.retain(|_, at| now.since(*at) < window);
            self.refused_at.insert(id, now);
            let mut live: BTreeSet<_> = self.watched.keys().copied().collect();
            live.extend(self.refused_at.keys().copied());
            if self.refused_at.len() * 2 > live.len() {
                if let Some(watched) = self.watched.get_mut(&id) {
                    watched.doubt_refusals(&self.config, now);
                }
                return;
            }
        }
        if let Some(watched) = self.watched.get_mut(&id).filter(|w| !w.is_dead()) {
            watched.die();
            verdicts.push(Verdict::Dead {
                incarnation: watched.incarnation,
                epoch: watched.epoch,
                cause,
            });
        }
    }
}
