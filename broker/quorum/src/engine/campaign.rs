//! Standing for election.

use kintsugi_types::{ControllerId, Term, Time};

use super::majority::is_lost;
use super::{Engine, Role};
use crate::disk::Promise;
use crate::message::Body;

impl Engine {
    /// Asks the others whether they would vote for this one, without disturbing the term.
    pub(super) fn start_pre_vote(&mut self, now: Time) {
        self.become_follower(now, self.hard_state.term);
        self.role = Role::PreCandidate;
        self.begin_ballot(now);
        self.granted.insert(self.config.id);
        if self.has_majority_of_grants() {
            self.start_election(now, false);
        } else {
            self.ask(self.other_voters());
        }
    }

    /// Stands in the next term.
    pub(super) fn start_election(&mut self, now: Time, by_transfer: bool) {
        self.become_follower(now, self.hard_state.term.next());
        self.role = Role::Candidate;
        self.by_transfer = by_transfer;
        self.hard_state.voted_for = Some(self.config.id);
        self.begin_ballot(now);
        if self.config.votes_before_disk() {
            self.ask(self.other_voters());
            return self.count_own_vote(now, self.hard_state.term);
        }
        self.disk.promise(Promise::OwnVote(self.hard_state.term));
        self.ask(self.other_voters());
    }

    fn begin_ballot(&mut self, now: Time) {
        self.granted.clear();
        self.refused.clear();
        self.repeat_at = now + self.config.heartbeat();
    }

    /// Asks those again who have not granted: a message may have been lost, or its receiver may
    /// by now have stopped hearing from the old leader.
    pub(super) fn ask_again(&mut self, now: Time) {
        self.repeat_at = now + self.config.heartbeat();
        let mut silent = self.other_voters();
        silent.retain(|id| !self.granted.contains(id) && !self.refused.contains(id));
        self.ask(silent);
    }

    fn ask(&mut self, voters: Vec<ControllerId>) {
        let last = self.log.last();
        let is_candidate = self.role == Role::Candidate;
        for to in voters {
            if is_candidate {
                // Votes granted to this request may be counted after a crash and a restart in
                // the same term only if the log that they were granted to is still there.
                let transfer = self.by_transfer;
                self.send_when_persisted(to, Body::Vote { last, transfer });
            } else {
                let for_term = self.hard_state.term.next();
                self.send(to, Body::PreVote { for_term, last });
            }
        }
    }

    pub(super) fn on_pre_vote_reply(
        &mut self,
        now: Time,
        from: ControllerId,
        for_term: Term,
        granted: bool,
    ) {
        let is_asked = self.role == Role::PreCandidate && for_term == self.hard_state.term.next();
        if !is_asked || !granted {
            return;
        }
        self.granted.insert(from);
        if self.has_majority_of_grants() {
            self.start_election(now, false);
        }
    }

    pub(super) fn on_vote_reply(&mut self, now: Time, from: ControllerId, granted: bool) {
        if self.role != Role::Candidate {
            return;
        }
        if granted {
            self.granted.insert(from);
            if self.has_majority_of_grants() {
                self.start_leading(now);
            }
        } else if !self.granted.contains(&from) {
            self.refused.insert(from);
            let membership = self.membership();
            let (voters, majority) = (membership.voters.len(), membership.majority());
            if is_lost(voters, majority, self.refused.len()) {
                self.become_follower(now, self.hard_state.term);
            }
        }
    }

    /// This candidate's vote for itself is on disk.
    pub(super) fn count_own_vote(&mut self, now: Time, term: Term) {
        if self.role == Role::Candidate && term == self.hard_state.term {
            self.on_vote_reply(now, self.config.id, true);
        }
    }

    fn has_majority_of_grants(&self) -> bool {
        // Without its own vote on disk a candidate never has a majority worth counting. One that
        // is being removed does not count itself.
        let own = &self.config.id;
        let is_uncounted = !self.is_voter() && self.granted.contains(own);
        let count = self.granted.len() - usize::from(is_uncounted);
        self.granted.contains(own) && count >= self.membership().majority()
    }

    /// The connection to a peer broke: if it leads, there is no need to wait for a time-out.
    pub(super) fn lose_leader(&mut self, now: Time, leader: ControllerId) {
        if self.role != Role::Follower || self.leader != Some(leader) {
            return;
        }
        self.leader = None;
        if self.may_stand() {
            self.start_pre_vote(now);
        }
    }
}
