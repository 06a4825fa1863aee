//! One broker under watch.

use kintsugi_types::{BrokerEpoch, Endpoint, Incarnation, Time};

use super::phi::Rhythm;
use super::{DeathCause, DetectorConfig, DialFinding};
use crate::image::BrokerImage;

/// What to do about one broker now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Step {
    Nothing,
    Dial,
    Dead(DeathCause),
}

/// Where the questioning of one broker stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Probe {
    /// There is nothing to ask.
    None,
    /// Dial at this moment.
    Due { at: Time, refusals: u8 },
    /// A dial is under way.
    Dialling {
        dial: u64,
        since: Time,
        refusals: u8,
    },
    /// Dials prove it dead.
    Proven(DeathCause),
    /// It was declared dead.
    Dead,
}

/// One broker under watch.
#[derive(Clone, Debug)]
pub(super) struct Watched {
    pub(super) incarnation: Incarnation,
    pub(super) epoch: BrokerEpoch,
    pub(super) endpoint: Endpoint,
    rhythm: Rhythm,
    linked: bool,
    probe: Probe,
    /// Something speaks against it that its own answer has not yet outweighed.
    suspected: bool,
}

impl Watched {
    pub(super) fn new(
        config: &DetectorConfig,
        now: Time,
        broker: &BrokerImage,
        linked: bool,
    ) -> Self {
        let probe = if linked {
            Probe::None
        } else {
            Probe::Due {
                at: now,
                refusals: 0,
            }
        };
        Self {
            incarnation: broker.registration.incarnation,
            epoch: broker.epoch,
            endpoint: broker.registration.control_endpoint.clone(),
            rhythm: Rhythm::new(now, config.heartbeat_interval, config.phi_max),
            linked,
            probe,
            suspected: false,
        }
    }

    pub(super) fn link_opened(&mut self) {
        self.linked = true;
        self.calm();
    }

    pub(super) fn link_closed(&mut self, now: Time) {
        self.linked = false;
        self.suspect(now);
    }

    pub(super) fn heartbeat(&mut self, now: Time) {
        self.rhythm.beat(now);
        self.calm();
    }

    /// Its silence up to now says nothing.
    pub(super) fn forgive(&mut self, now: Time) {
        self.rhythm.begin_again(now);
    }

    pub(super) fn reported(&mut self, now: Time) {
        self.suspect(now);
    }

    pub(super) const fn is_dead(&self) -> bool {
        matches!(self.probe, Probe::Dead)
    }

    pub(super) fn die(&mut self) {
        self.probe = Probe::Dead;
    }

    pub(super) fn is_suspect(&self, now: Time) -> bool {
        let proven = matches!(self.probe, Probe::Proven(_) | Probe::Dead);
        self.suspected || proven || self.is_too_silent(now)
    }

    /// The refusals prove nothing, since too many refuse: ask again later.
    pub(super) fn doubt_refusals(&mut self, config: &DetectorConfig, now: Time) {
        self.suspected = true;
        self.probe = Probe::Due {
            at: now + config.redial_gap,
            refusals: 0,
        };
    }

    pub(super) fn dialling(&mut self, now: Time, dial: u64) {
        if let Probe::Due { refusals, .. } = self.probe {
            self.probe = Probe::Dialling {
                dial,
                since: now,
                refusals,
            };
        }
    }

    pub(super) fn dialled(
        &mut self,
        config: &DetectorConfig,
        now: Time,
        which: u64,
        finding: DialFinding,
    ) {
        let Probe::Dialling { dial, refusals, .. } = self.probe else {
            return;
        };
        if dial != which {
            return;
        }
        let again_after = |gap, refusals| Probe::Due {
            at: now + gap,
            refusals,
        };
        self.probe = match finding {
            DialFinding::Refused if refusals > 0 => Probe::Proven(DeathCause::Refused),
            DialFinding::Refused => {
                self.suspected = true;
                again_after(config.refusal_gap, refusals + 1)
            }
            DialFinding::Answered(who) if who == self.incarnation => {
                self.suspected = false;
                if self.linked {
                    Probe::None
                } else {
                    again_after(config.redial_gap, 0)
                }
            }
            DialFinding::Answered(_) => Probe::Proven(DeathCause::Replaced),
            DialFinding::Silent => {
                self.suspected = true;
                again_after(config.redial_gap, 0)
            }
        };
    }

    /// What to do now.
    pub(super) fn step(&mut self, config: &DetectorConfig, now: Time) -> Step {
        if self.is_dead() {
            return Step::Nothing;
        }
        if now >= self.rhythm.last() + config.session {
            return Step::Dead(DeathCause::SessionExpired);
        }
        match self.probe {
            Probe::Proven(cause) => return Step::Dead(cause),
            Probe::Dialling { since, .. } if now >= since + config.dial_timeout => {
                self.suspected = true;
                self.probe = Probe::Due {
                    at: now,
                    refusals: 0,
                };
            }
            Probe::None if self.is_too_silent(now) => {
                self.probe = Probe::Due {
                    at: now,
                    refusals: 0,
                };
            }
            _ => {}
        }
        match self.probe {
            Probe::Due { at, .. } if now >= at => Step::Dial,
            _ => Step::Nothing,
        }
    }

    pub(super) fn next_wake(&self, config: &DetectorConfig) -> Time {
        let session = self.rhythm.last() + config.session;
        let too_silent = self.rhythm.last() + self.rhythm.suspicious_after();
        match self.probe {
            Probe::Dead => Time::NEVER,
            Probe::None => session.min(too_silent),
            Probe::Due { at, .. } => session.min(at),
            Probe::Dialling { since, .. } => session.min(since + config.dial_timeout),
            Probe::Proven(_) => Time::ZERO,
        }
    }

    fn is_too_silent(&self, now: Time) -> bool {
        now >= self.rhythm.last() + self.rhythm.suspicious_after()
    }

    /// Its own life sign outweighs what spoke against it, unless dials proved it dead.
    fn calm(&mut self) {
        if !matches!(self.probe, Probe::Dead | Probe::Proven(_)) {
            self.suspected = false;
            if self.linked {
                self.probe = Probe::None;
            }
        }
    }

    fn suspect(&mut self, now: Time) {
        match self.probe {
            Probe::None => {
                self.suspected = true;
                self.probe = Probe::Due {
                    at: now,
                    refusals: 0,
                };
            }
            // A dial that waits only because the broker answered a moment ago is brought forward.
            Probe::Due { refusals: 0, .. } => {
                self.suspected = true;
                self.probe = Probe::Due {
                    at: now,
                    refusals: 0,
                };
            }
            _ => {}
        }
    }
}
