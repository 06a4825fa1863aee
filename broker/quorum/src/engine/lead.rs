//! Leading: beating, stepping down, committing.

use kintsugi_types::{MetadataOffset, Time};

use super::majority::held_by_majority;
use super::{Engine, Role};
use crate::command::Command;
use crate::entry::{Entry, EntryId, Payload};
use crate::message::Body;
use crate::progress::{Flow, Progress};

impl Engine {
    pub(super) fn start_leading(&mut self, now: Time) {
        self.role = Role::Leader;
        self.leader = Some(self.config.id);
        self.election_deadline = Time::NEVER;
        let next = self.log.last().index.next();
        let peers = self.peers().into_iter();
        self.progress = peers.map(|id| (id, Progress::new(next, now))).collect();
        self.follow_membership(now);
        self.first_of_term = next;
        let waiting = self.log.range(self.commit.next(), self.log.last().index);
        self.uncommitted_bytes = waiting.iter().map(Entry::size_bytes).sum();
        self.append_own(Payload::Noop);
        // Entries of earlier terms are never committed by counting their copies, but they are
        // together with the first entry of this term (Raft, §5.4.2).
        self.repeat_at = now + self.config.heartbeat();
        self.send_all(now);
        self.advance_commit();
    }

    /// Appends at the end of the leader's own log.
    pub(super) fn append_own(&mut self, payload: Payload) -> MetadataOffset {
        let entry = Entry {
            term: self.hard_state.term,
            index: self.log.last().index.next(),
            payload,
        };
        let index = entry.index;
        self.uncommitted_bytes = self.uncommitted_bytes.saturating_add(entry.size_bytes());
        self.log.push(entry);
        index
    }

    /// Steps down if no majority was heard from for an election time-out (check-quorum, §6.2).
    pub(super) fn check_quorum(&mut self, now: Time) {
        if self.role != Role::Leader {
            return;
        }
        let patience = self.config.election_max();
        let voters = self.progress.values().filter(|p| p.voting);
        let heard = voters.filter(|p| now < p.contact + patience).count();
        let own = usize::from(self.is_voter());
        if heard + own < self.membership().majority() {
            self.become_follower(now, self.hard_state.term);
        }
    }

    pub(super) fn lead_on(&mut self, now: Time) {
        if now < self.repeat_at {
            return;
        }
        self.end_transfer_if_late(now);
        self.beat(now);
        self.resend(now);
    }

    fn beat(&mut self, now: Time) {
        self.repeat_at = now + self.config.heartbeat();
        let committed = self.committed();
        for to in self.peers() {
            self.send(to, Body::Heartbeat { committed });
        }
    }

    fn committed(&self) -> EntryId {
        EntryId {
            term: self.log.term_at(self.commit).unwrap_or_default(),
            index: self.commit,
        }
    }

    /// Commits what a majority's disks hold, if it is of this term.
    pub(super) fn advance_commit(&mut self) {
        if self.role != Role::Leader {
            return;
        }
        let voters = self.progress.values().filter(|p| p.voting);
        let mut held: Vec<MetadataOffset> = voters.map(|p| p.matched).collect();
        if self.is_voter() {
            held.push(match self.config.votes_before_disk() {
                true => self.log.last().index,
                false => self.disk.persisted(),
            });
        }
        let Some(index) = held_by_majority(held, self.membership().majority()) else {
            return;
        };
        let is_own = self.log.term_at(index) == Some(self.hard_state.term);
        if index > self.commit && (is_own || self.config.counts_earlier_terms()) {
            self.commit_to(index);
            self.tell_commit();
            self.continue_transfer();
        }
    }

    /// Tells followers that are sent nothing else that the commit index moved.
    fn tell_commit(&mut self) {
        let committed = self.committed();
        let next = self.log.last().index.next();
        let idle = self
            .progress
            .iter()
            .filter(|(_, progress)| progress.flow == Flow::Replicate && progress.next == next);
        let idle: Vec<_> = idle.map(|(id, _)| *id).collect();
        for to in idle {
            self.send(to, Body::Heartbeat { committed });
        }
    }

    /// Applies everything up to `index`, which is committed and in the log.
    pub(super) fn commit_to(&mut self, index: MetadataOffset) {
        if index <= self.commit {
            return;
        }
        let entries = self.log.range(self.commit.next(), index);
        let bytes: usize = entries.iter().map(Entry::size_bytes).sum();
        self.uncommitted_bytes = self.uncommitted_bytes.saturating_sub(bytes);
        self.commit = index;
        self.out.push(Command::Apply(entries));
    }
}
