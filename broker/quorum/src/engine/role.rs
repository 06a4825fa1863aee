//! The roles, and how one follows from another.

use kintsugi_types::{ControllerId, Term, Time};

use super::Engine;
use crate::message::{Body, Message};

/// What a voter does in its term.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Role {
    /// Takes entries from a leader, or waits for one.
    Follower,
    /// Asks whether it would be elected; still in the old term.
    PreCandidate,
    /// Stands for election.
    Candidate,
    /// Leads.
    Leader,
}

impl Engine {
    /// Follows nobody yet, in this term or a later one.
    pub(super) fn become_follower(&mut self, now: Time, term: Term) {
        if term > self.hard_state.term {
            self.hard_state.term = term;
            self.hard_state.voted_for = None;
            self.disk.hard_state_changed();
            self.incoming = None;
        }
        self.role = Role::Follower;
        self.leader = None;
        self.progress.clear();
        self.transfer = None;
        self.uncommitted_bytes = 0;
        self.draw_election_deadline(now);
    }

    /// Follows the leader of this term, from whom a message just came.
    pub(super) fn follow(&mut self, now: Time, leader: ControllerId) {
        if self.role != Role::Follower {
            self.become_follower(now, self.hard_state.term);
        }
        self.leader = Some(leader);
        self.leader_contact = now;
        self.draw_election_deadline(now);
    }

    /// Draws a new time-out, so that two voters that stood at the same moment do not again.
    pub(super) fn draw_election_deadline(&mut self, now: Time) {
        let millis = self
            .rng
            .u64(self.config.election_ms_min..self.config.election_ms_max);
        self.election_deadline = now + std::time::Duration::from_millis(millis);
    }

    /// Whether a leader was heard from so lately that candidates are ignored (§4.2.3).
    pub(super) fn hears_leader(&self, now: Time) -> bool {
        let lately = now < self.leader_contact + self.config.election_min();
        self.role == Role::Leader || (self.leader.is_some() && lately)
    }

    /// Compares a message's term with this one's. Returns whether the message still counts.
    pub(super) fn reconcile_term(
        &mut self,
        now: Time,
        from: ControllerId,
        message: &Message,
    ) -> bool {
        let term = self.hard_state.term;
        if message.term == term {
            return true;
        }
        if message.term < term {
            self.answer_stale(from, &message.body);
            return false;
        }
        match message.body {
            // It binds nobody, so it moves nobody's term.
            Body::PreVote { .. } => true,
            Body::Vote { transfer, .. } if !transfer && self.hears_leader(now) => false,
            _ => {
                self.become_follower(now, message.term);
                true
            }
        }
    }

    /// Tells a sender of an earlier term that it is over. Without this a voter that came into a
    /// later term alone could neither be led nor lead.
    fn answer_stale(&mut self, from: ControllerId, body: &Body) {
        match body {
            Body::PreVote { for_term, .. } => {
                let for_term = *for_term;
                let granted = false;
                self.send(from, Body::PreVoteReply { for_term, granted });
            }
            Body::Vote { .. }
            | Body::Append { .. }
            | Body::Heartbeat { .. }
            | Body::SnapshotChunk { .. } => self.send(from, Body::StaleTerm),
            _ => {}
        }
    }
}
