//! One voter of the quorum.
//!
//! Each file holds one concern; all are methods of [`Engine`], because Raft's rules share one
//! state. This file takes events in and gives commands out.

mod campaign;
mod follow;
mod identity;
mod lead;
mod majority;
mod members;
mod propose;
mod recover;
mod replicate;
mod role;
mod snapshot;
mod transfer;
mod vote;

use std::collections::{BTreeMap, BTreeSet};

use kintsugi_types::{ControllerId, MetadataOffset, Term, Time};

use crate::command::Command;
use crate::config::Config;
use crate::disk::{Disk, Promise};
use crate::entry::{EntryId, HardState, Snapshot};
use crate::event::Event;
use crate::log::Log;
use crate::membership::Memberships;
use crate::message::{Body, Message};
use crate::progress::Progress;

use self::identity::Standing;
use self::snapshot::Incoming;
use self::transfer::Transfer;

pub use self::role::Role;

/// One voter: event in, commands out.
#[derive(Debug)]
pub struct Engine {
    config: Config,
    rng: fastrand::Rng,
    hard_state: HardState,
    may_vote: bool,
    role: Role,
    leader: Option<ControllerId>,
    /// When the leader of this term was last heard from.
    leader_contact: Time,
    election_deadline: Time,
    /// When a leader beats next, or a candidate asks again.
    repeat_at: Time,
    /// Who granted and who refused, while standing for election.
    granted: BTreeSet<ControllerId>,
    refused: BTreeSet<ControllerId>,
    /// The leader asked this candidate to stand.
    by_transfer: bool,
    /// Empty unless leader.
    progress: BTreeMap<ControllerId, Progress>,
    transfer: Option<Transfer>,
    /// The index of the no-op that this leader began its term with.
    first_of_term: MetadataOffset,
    uncommitted_bytes: usize,
    log: Log,
    memberships: Memberships,
    /// Everything up to here is committed and was applied.
    commit: MetadataOffset,
    snapshot: Option<Snapshot>,
    incoming: Option<Incoming>,
    disk: Disk,
    /// What the last `RoleChanged` said.
    announced: (Role, Term, Option<ControllerId>),
    /// The version of the members that the last `MembersChanged` told.
    announced_members: u64,
    out: Vec<Command>,
}

impl Engine {
    /// Takes one event in and appends what is to be done to `out`. `now` must not go back.
    pub fn handle(&mut self, now: Time, event: Event, out: &mut Vec<Command>) {
        // A leader that slept must not act on a leadership that may be over.
        self.check_quorum(now);
        match event {
            Event::Tick => {}
            Event::Received { from, message } => self.receive(now, from, message),
            Event::Propose { commands, ticket } => self.propose(now, commands, ticket),
            Event::Persisted { token } => {
                let promises = self.disk.persisted_to(token);
                self.keep(now, promises);
                self.advance_commit();
            }
            Event::ChangeMembers { change, ticket } => self.change_members(now, &change, ticket),
            Event::SnapshotReady { last, bytes } => self.take_snapshot(last, bytes),
            Event::TransferLeadership { to } => self.transfer_leadership(now, to),
            Event::LeaderLost { leader } => self.lose_leader(now, leader),
        }
        self.run_timers(now);
        self.tend_members(now);
        self.write(now);
        let status = (self.role, self.hard_state.term, self.leader);
        if status != self.announced {
            self.announced = status;
            let (role, term, leader) = status;
            out.push(Command::RoleChanged { role, term, leader });
        }
        if self.announced_members != self.memberships.version() {
            self.announced_members = self.memberships.version();
            out.push(Command::MembersChanged(self.membership().clone()));
        }
        out.append(&mut self.out);
    }

    /// When [`Event::Tick`] is due, if nothing else happens before.
    #[must_use]
    pub fn next_wake(&self) -> Time {
        match self.role {
            Role::Leader => self.repeat_at,
            Role::Candidate | Role::PreCandidate => self.repeat_at.min(self.election_deadline),
            Role::Follower if self.may_stand() => self.election_deadline,
            Role::Follower => Time::NEVER,
        }
    }

    fn run_timers(&mut self, now: Time) {
        match self.role {
            Role::Leader => self.lead_on(now),
            _ if self.may_stand() && now >= self.election_deadline => self.start_pre_vote(now),
            Role::Candidate | Role::PreCandidate if now >= self.repeat_at => self.ask_again(now),
            _ => {}
        }
    }

    /// Hands changes to the disk, and keeps the promises that need not wait for it.
    fn write(&mut self, now: Time) {
        let in_flight_max = self.config.limits.persists_in_flight_max;
        let write = self
            .disk
            .next_write(&self.log, &self.hard_state, in_flight_max);
        self.out.extend(write.map(Command::Persist));
        let promises = self.disk.settle(&self.log);
        // A vote for oneself without anything to persist cannot be: a new term is a change.
        self.keep(now, promises);
    }

    fn keep(&mut self, now: Time, promises: Vec<Promise>) {
        for promise in promises {
            match promise {
                Promise::Send { to, message } => self.out.push(Command::Send { to, message }),
                Promise::OwnVote(term) => self.count_own_vote(now, term),
            }
        }
    }

    fn receive(&mut self, now: Time, from: ControllerId, message: Message) {
        let standing = self.standing(from, &message);
        let may_speak = match standing {
            Standing::Own => false,
            Standing::Stranger => message.body.is_heard_from_anyone(),
            Standing::Unrecorded => {
                let is_answer = message.body.is_to_leader() && message.term == self.hard_state.term;
                is_answer || message.body.is_from_leader()
            }
            Standing::NonVoting => {
                let is_answer = message.body.is_to_leader() && message.term == self.hard_state.term;
                // A learner that came into a later term could otherwise not be led.
                let is_later = matches!(message.body, Body::StaleTerm);
                is_answer || is_later || message.body.is_heard_from_anyone()
            }
            Standing::Voter => true,
        };
        if !may_speak || !self.reconcile_term(now, from, &message) {
            return;
        }
        if message.body.is_from_leader() {
            if self.role == Role::Leader {
                return;
            }
            self.follow(now, from);
        }
        if message.body.is_to_leader() {
            let last = self.log.last().index;
            let Some(progress) = self.progress.get_mut(&from) else {
                return;
            };
            let voting = standing == Standing::Voter;
            progress.heard(now, message.directory, voting, last);
        }
        self.receive_body(now, from, message);
    }

    fn receive_body(&mut self, now: Time, from: ControllerId, message: Message) {
        match message.body {
            Body::PreVote { for_term, last } => self.on_pre_vote(now, from, for_term, last),
            Body::PreVoteReply { for_term, granted } => {
                self.on_pre_vote_reply(now, from, for_term, granted);
            }
            Body::Vote { last, .. } => self.on_vote(now, from, last),
            Body::VoteReply { granted } => self.on_vote_reply(now, from, granted),
            Body::Append {
                prev,
                entries,
                commit,
            } => self.on_append(from, message.term, prev, entries, commit),
            Body::AppendAccepted { matched } => self.on_accepted(now, from, matched),
            Body::AppendRejected { prev_index, hint } => {
                self.on_rejected(now, from, prev_index, hint);
            }
            Body::Heartbeat { committed } => self.on_heartbeat(from, committed),
            Body::HeartbeatReply | Body::StaleTerm => {}
            Body::SnapshotChunk {
                last,
                total_bytes,
                offset,
                bytes,
                membership,
            } => self.on_snapshot_chunk(from, last, total_bytes, offset, &bytes, membership),
            Body::SnapshotReply { last, next_offset } => {
                self.on_snapshot_reply(now, from, last, next_offset);
            }
            Body::TimeoutNow => self.on_timeout_now(now),
        }
    }

    /// Sends now.
    fn send(&mut self, to: ControllerId, body: Body) {
        let message = self.message(body);
        self.out.push(Command::Send { to, message });
    }

    /// Sends when everything changed so far is on disk.
    fn send_when_persisted(&mut self, to: ControllerId, body: Body) {
        if self.config.votes_before_disk() {
            return self.send(to, body);
        }
        let message = self.message(body);
        self.disk.promise(Promise::Send { to, message });
    }

    fn message(&self, body: Body) -> Message {
        Message {
            term: self.hard_state.term,
            directory: self.config.directory,
            voting: self.may_grant(),
            body,
        }
    }

    /// The other voters and the learners.
    fn peers(&self) -> Vec<ControllerId> {
        let membership = self.membership();
        let all = membership.voters.keys().chain(membership.learners.keys());
        all.copied().filter(|id| *id != self.config.id).collect()
    }

    /// The other voters.
    fn other_voters(&self) -> Vec<ControllerId> {
        let all = self.membership().voters.keys().copied();
        all.filter(|id| *id != self.config.id).collect()
    }

    /// The role now.
    #[must_use]
    pub const fn role(&self) -> Role {
        self.role
    }

    /// The term now.
    #[must_use]
    pub const fn term(&self) -> Term {
        self.hard_state.term
    }

    /// Whom this voter voted for in this term.
    #[must_use]
    pub const fn voted_for(&self) -> Option<ControllerId> {
        self.hard_state.voted_for
    }

    /// Who leads this term, if known.
    #[must_use]
    pub const fn leader(&self) -> Option<ControllerId> {
        self.leader
    }

    /// Everything up to here is committed, and was given out by `Apply` or `InstallSnapshot`.
    #[must_use]
    pub const fn commit_index(&self) -> MetadataOffset {
        self.commit
    }

    /// The last entry of the log in memory.
    #[must_use]
    pub fn last(&self) -> EntryId {
        self.log.last()
    }

    /// The term of the entry at `index`, if it is still in memory.
    #[must_use]
    pub fn term_at(&self, index: MetadataOffset) -> Option<Term> {
        self.log.term_at(index)
    }

    /// Whether this leads and has committed an entry of its own term: from then on it has applied
    /// everything that any earlier leader committed.
    #[must_use]
    pub fn is_ready_leader(&self) -> bool {
        self.role == Role::Leader && self.commit >= self.first_of_term
    }

    /// When each follower was last heard from in this term; empty unless leader.
    #[must_use]
    pub fn contacts(&self) -> BTreeMap<ControllerId, Time> {
        let each = self.progress.iter();
        each.map(|(id, progress)| (*id, progress.contact)).collect()
    }

    /// For each follower, up to where its disk holds this leader's log; empty unless leader.
    #[must_use]
    pub fn matched(&self) -> BTreeMap<ControllerId, MetadataOffset> {
        let each = self.progress.iter();
        each.map(|(id, progress)| (*id, progress.matched)).collect()
    }
}

#[cfg(test)]
mod tests;
