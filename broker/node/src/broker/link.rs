//! The link to the active controller: whom to dial, and when to give up.

use kintsugi_types::{ControllerId, Endpoint, Time};

use super::config::{BrokerConfig, Timeouts};
use crate::message::broker::Command;

/// Where the link stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// Not there; dial at this time.
    Closed { redial_at: Time },
    /// A dial is under way since then.
    Dialling { since: Time },
    /// It is open, and something last came on it then.
    Open { heard_at: Time, registered: bool },
}

/// The link to a controller, and the search for the active one.
#[derive(Debug)]
pub(super) struct Link {
    controllers: Vec<(ControllerId, Endpoint)>,
    /// Which configured controller to dial next.
    next: usize,
    /// Whom the last controller named as active: dialled first, once.
    told: Option<(ControllerId, Endpoint)>,
    state: State,
    timeouts: Timeouts,
}

impl Link {
    pub fn new(config: &BrokerConfig, now: Time) -> Self {
        Self {
            controllers: config.controllers.clone(),
            next: 0,
            told: None,
            state: State::Closed { redial_at: now },
            timeouts: config.timeouts,
        }
    }

    pub const fn is_registered(&self) -> bool {
        matches!(
            self.state,
            State::Open {
                registered: true,
                ..
            }
        )
    }

    pub const fn opened(&mut self, now: Time) {
        self.state = State::Open {
            heard_at: now,
            registered: false,
        };
    }

    /// The dial failed or the link was lost: on to the next controller.
    pub fn closed(&mut self, now: Time) {
        let redial_at = match self.state {
            State::Closed { redial_at } => redial_at,
            State::Dialling { .. } | State::Open { .. } => now + self.timeouts.redial,
        };
        self.state = State::Closed { redial_at };
    }

    pub const fn heard(&mut self, now: Time) {
        if let State::Open { heard_at, .. } = &mut self.state {
            *heard_at = now;
        }
    }

    pub const fn registered(&mut self) {
        if let State::Open { registered, .. } = &mut self.state {
            *registered = true;
        }
    }

    /// The controller is not the active one, and knows who is, or not.
    pub fn redirected(
        &mut self,
        now: Time,
        leader: Option<(ControllerId, Endpoint)>,
        out: &mut Vec<Command>,
    ) {
        let redial_at = if leader.is_some() {
            now
        } else {
            now + self.timeouts.redial
        };
        self.told = leader;
        out.push(Command::CloseLink);
        self.state = State::Closed { redial_at };
    }

    /// Gives the link up where it has been silent, and dials when it is time to. True if an open
    /// link was given up.
    pub fn wake(&mut self, now: Time, out: &mut Vec<Command>) -> bool {
        let was_open = matches!(self.state, State::Open { .. });
        let is_silent = !matches!(self.state, State::Closed { .. }) && now >= self.next_wake();
        if is_silent {
            out.push(Command::CloseLink);
            self.state = State::Closed { redial_at: now };
        }
        if let State::Closed { redial_at } = self.state
            && now >= redial_at
        {
            self.dial(now, out);
        }
        was_open && is_silent
    }

    pub fn next_wake(&self) -> Time {
        match self.state {
            State::Closed { redial_at } => redial_at,
            State::Dialling { since } => since + self.timeouts.dial,
            State::Open { heard_at, .. } => heard_at + self.timeouts.link_silence,
        }
    }

    fn dial(&mut self, now: Time, out: &mut Vec<Command>) {
        let target = self.told.take().or_else(|| {
            let count = self.controllers.len().max(1);
            let target = self.controllers.get(self.next % count).cloned();
            self.next = (self.next + 1) % count;
            target
        });
        if let Some((controller, endpoint)) = target {
            out.push(Command::DialController {
                controller,
                endpoint,
            });
        }
        self.state = State::Dialling { since: now };
    }
}
