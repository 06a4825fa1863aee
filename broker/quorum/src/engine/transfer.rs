//! Handing leadership over (§3.10).

use kintsugi_types::{ControllerId, Time};

use super::{Engine, Role};
use crate::message::Body;

/// A handover under way.
#[derive(Debug)]
pub(super) struct Transfer {
    pub to: ControllerId,
    /// When the leader takes proposals again if the other did not take over.
    pub deadline: Time,
}

impl Engine {
    pub(super) fn transfer_leadership(&mut self, now: Time, to: Option<ControllerId>) {
        if self.role != Role::Leader {
            return;
        }
        let Some(to) = to.or_else(|| self.best_successor(now)) else {
            return;
        };
        if !self.progress.get(&to).is_some_and(|p| p.voting) {
            return;
        }
        self.transfer = Some(Transfer {
            to,
            deadline: now + self.config.election_max(),
        });
        self.send_appends(now, to);
        self.continue_transfer();
    }

    /// The voter with the furthest log among those heard from lately.
    pub(super) fn best_successor(&self, now: Time) -> Option<ControllerId> {
        let patience = self.config.election_min();
        let all = self.progress.iter();
        let live = all.filter(|(_, p)| p.voting && now < p.contact + patience);
        live.max_by_key(|(id, p)| (p.matched, **id))
            .map(|(id, _)| *id)
    }

    /// Tells the successor to stand as soon as it holds the whole log; again with each beat.
    pub(super) fn continue_transfer(&mut self) {
        let Some(to) = self.transfer.as_ref().map(|t| t.to) else {
            return;
        };
        let last = self.log.last().index;
        if self.progress.get(&to).is_some_and(|p| p.matched == last) {
            self.send(to, Body::TimeoutNow);
        }
    }

    pub(super) fn end_transfer_if_late(&mut self, now: Time) {
        if self.transfer.as_ref().is_some_and(|t| now >= t.deadline) {
            self.transfer = None;
        }
    }

    pub(super) fn on_timeout_now(&mut self, now: Time) {
        if self.may_stand() {
            self.start_election(now, true);
        }
    }
}
