//! Voting for others.

use kintsugi_types::{ControllerId, Term, Time};

use super::{Engine, Role};
use crate::entry::EntryId;
use crate::message::Body;

impl Engine {
    pub(super) fn on_pre_vote(
        &mut self,
        now: Time,
        from: ControllerId,
        for_term: Term,
        last: EntryId,
    ) {
        let mut granted = self.may_grant()
            && for_term > self.hard_state.term
            && !self.hears_leader(now)
            && last >= self.log.last();
        if granted && self.role == Role::PreCandidate {
            // Two that lost their leader in the same instant would split the votes. The one with
            // the lesser log, then the lesser id, gives way.
            let is_preferred = (last, from) > (self.log.last(), self.config.id);
            if is_preferred {
                self.become_follower(now, self.hard_state.term);
            }
            granted = is_preferred;
        }
        self.send(from, Body::PreVoteReply { for_term, granted });
    }

    /// A request for a vote in this very term.
    pub(super) fn on_vote(&mut self, now: Time, from: ControllerId, last: EntryId) {
        let voted_for = self.hard_state.voted_for;
        let is_free = voted_for.is_none() && self.leader.is_none() && last >= self.log.last();
        let granted = self.may_grant() && (voted_for == Some(from) || is_free);
        if !granted {
            return self.send(from, Body::VoteReply { granted });
        }
        if voted_for.is_none() {
            self.hard_state.voted_for = Some(from);
            self.disk.hard_state_changed();
        }
        self.draw_election_deadline(now);
        self.send_when_persisted(from, Body::VoteReply { granted });
    }
}
