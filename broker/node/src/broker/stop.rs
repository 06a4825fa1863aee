//! The planned stop: hand over, drain, end.

use std::collections::BTreeSet;

use kintsugi_types::Time;

use super::config::Timeouts;
use crate::message::broker::Command;

/// How far the stop has come.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Stop {
    /// Nobody asked for it.
    No,
    /// The controller is asked to move leaderships away.
    Asked { since: Time },
    /// The shards wait for their followers, and clients are told that others lead.
    Draining {
        since: Time,
        told_until: Time,
        drained: BTreeSet<u16>,
    },
    /// `StopNow` was given.
    Done,
}

impl Stop {
    pub const fn is_wanted(&self) -> bool {
        !matches!(self, Self::No)
    }

    pub const fn is_past_asking(&self) -> bool {
        matches!(self, Self::Draining { .. } | Self::Done)
    }

    pub fn ask(&mut self, now: Time) {
        if *self == Self::No {
            *self = Self::Asked { since: now };
        }
    }

    /// The controller agrees: nothing is led here any more. Until `told_until` clients are told so.
    pub fn allowed(&mut self, now: Time, told_until: Time, out: &mut Vec<Command>) {
        if matches!(self, Self::Asked { .. }) {
            *self = Self::Draining {
                since: now,
                told_until,
                drained: BTreeSet::new(),
            };
            out.push(Command::Drain);
        }
    }

    pub fn drained(&mut self, shard: u16) {
        if let Self::Draining { drained, .. } = self {
            drained.insert(shard);
        }
    }

    /// Goes on where the time is over, or where every shard is done. True when it is time to end.
    pub fn advance(
        &mut self,
        now: Time,
        shards: u16,
        timeouts: &Timeouts,
        out: &mut Vec<Command>,
    ) -> bool {
        if matches!(self, Self::Asked { .. }) && now >= self.next_wake(shards, timeouts) {
            self.allowed(now, now + timeouts.farewell, out);
        }
        let is_done = match self {
            Self::Draining {
                since,
                told_until,
                drained,
            } => {
                let has_handed_over = drained.len() >= usize::from(shards);
                (has_handed_over && now >= *told_until) || now >= *since + timeouts.drain
            }
            Self::No | Self::Asked { .. } | Self::Done => false,
        };
        if is_done {
            *self = Self::Done;
        }
        is_done
    }

    pub fn next_wake(&self, shards: u16, timeouts: &Timeouts) -> Time {
        match self {
            Self::Asked { since } => *since + timeouts.stop,
            Self::Draining {
                told_until,
                drained,
                ..
            } if drained.len() >= usize::from(shards) => *told_until,
            Self::Draining { since, .. } => *since + timeouts.drain,
            Self::No | Self::Done => Time::NEVER,
        }
    }
}
