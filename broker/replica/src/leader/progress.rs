//! How far one follower is.

use std::time::Duration;

use kintsugi_types::{BrokerEpoch, Offset, Time};

use super::FollowerFetch;

/// A follower's progress within one leader epoch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Progress {
    /// Its end offset; unknown until its first fetch in this leader epoch.
    pub end: Option<Offset>,
    /// The registration under which it last fetched.
    pub broker_epoch: Option<BrokerEpoch>,
    /// When it last had all that the leader had.
    caught_up_at: Option<Time>,
    fetched_at: Time,
    leader_end_at_fetch: Offset,
}

impl Progress {
    /// `caught_up_at` is the present for members of the ISR, which get a whole lag time to show
    /// themselves to a new leader.
    pub const fn new(caught_up_at: Option<Time>) -> Self {
        Self {
            end: None,
            broker_epoch: None,
            caught_up_at,
            fetched_at: Time::ZERO,
            leader_end_at_fetch: Offset::ZERO,
        }
    }

    /// Notes where a follower is. Within a leader epoch the log of one incarnation only grows once
    /// it was found to match, so a lower end comes late, from a session that it has left.
    pub fn fetched(&mut self, now: Time, fetch: FollowerFetch, leader_end: Offset) {
        let is_same_log = self.broker_epoch == Some(fetch.broker_epoch);
        if is_same_log && self.end > Some(fetch.end) {
            return;
        }
        if fetch.end >= leader_end {
            self.caught_up_at = Some(now);
        } else if self.end.is_some() && fetch.end >= self.leader_end_at_fetch {
            // It now has what the leader had at its fetch before: it was caught up then.
            self.caught_up_at = self.caught_up_at.max(Some(self.fetched_at));
        }
        self.end = Some(fetch.end);
        self.broker_epoch = Some(fetch.broker_epoch);
        self.fetched_at = now;
        self.leader_end_at_fetch = leader_end;
    }

    /// An unchanged position is not sent again (KIP-227), so a follower that has everything counts
    /// as caught up until the leader appends.
    pub fn leader_appended(&mut self, now: Time, end_before: Offset) {
        if self.end.is_some_and(|end| end >= end_before) {
            self.caught_up_at = Some(now);
            self.fetched_at = now;
            self.leader_end_at_fetch = end_before;
        }
    }

    pub fn is_caught_up(&self, now: Time, leader_end: Offset, lag_max: Duration) -> bool {
        let has_all = self.end.is_some_and(|end| end >= leader_end);
        has_all || self.caught_up_at.is_some_and(|at| now.since(at) <= lag_max)
    }
}
