//! One partition's replica: its role, and what every role keeps.

mod following;
mod leading;

use kintsugi_types::bug::{Bug, is_on};
use kintsugi_types::{BrokerId, ErrorCode, LeaderEpoch, Offset, PartitionEpoch, Time};

use crate::assignment::{Assignment, LogEnds, Registry};
use crate::command::Command;
use crate::config::ReplicaConfig;
use crate::leader::Leader;

/// What a replica does at present.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RoleName {
    /// It leads.
    Leader,
    /// It follows this broker.
    Follower(BrokerId),
    /// Nobody leads, or nothing was heard yet.
    Idle,
}

#[derive(Debug)]
enum Role {
    Leader(Box<Leader>),
    Follower(BrokerId),
    Idle,
}

/// One partition's replica on this broker.
#[derive(Debug)]
pub struct Replica {
    config: ReplicaConfig,
    role: Role,
    leader_epoch: LeaderEpoch,
    partition_epoch: PartitionEpoch,
    high_watermark: Offset,
}

impl Replica {
    /// A replica that heard nothing yet. `high_watermark` is the checkpointed one, at most the
    /// log's end.
    #[must_use]
    pub fn new(config: ReplicaConfig, high_watermark: Offset) -> Self {
        Self {
            config,
            role: Role::Idle,
            leader_epoch: LeaderEpoch::UNKNOWN,
            partition_epoch: PartitionEpoch(-1),
            high_watermark,
        }
    }

    /// What it does.
    #[must_use]
    pub fn role(&self) -> RoleName {
        match &self.role {
            Role::Leader(_) => RoleName::Leader,
            Role::Follower(leader) => RoleName::Follower(*leader),
            Role::Idle => RoleName::Idle,
        }
    }

    /// Whether it leads.
    #[must_use]
    pub const fn is_leader(&self) -> bool {
        matches!(self.role, Role::Leader(_))
    }

    /// The newest leader epoch that it heard of.
    #[must_use]
    pub const fn leader_epoch(&self) -> LeaderEpoch {
        self.leader_epoch
    }

    /// The high watermark: every record before it is committed.
    #[must_use]
    pub const fn high_watermark(&self) -> Offset {
        self.high_watermark
    }

    /// Whether the high watermark has not reached the start of this leader's epoch yet: records
    /// committed under an earlier leader may lie above it, so nothing may be said about the end of
    /// what is committed (KIP-207).
    #[must_use]
    pub fn is_end_unknown(&self) -> bool {
        match &self.role {
            Role::Leader(leader) => self.high_watermark < leader.epoch_start,
            Role::Follower(_) | Role::Idle => false,
        }
    }

    /// The committed ISR's size, while this leads.
    #[must_use]
    pub fn isr_size(&self) -> Option<usize> {
        self.leader().map(|leader| leader.isr.committed.len())
    }

    /// Whether an ISR change is proposed and not decided.
    #[must_use]
    pub fn has_pending_isr(&self) -> bool {
        self.leader()
            .is_some_and(|leader| leader.isr.pending.is_some())
    }

    /// Whether [`Replica::tick`] has nothing to do, at `now` and at any later time, until this handles
    /// something else or brokers change. Only to be asked right after a tick at `now`.
    #[must_use]
    pub fn is_settled(&self, now: Time) -> bool {
        self.leader()
            .is_none_or(|leader| leader.is_settled(now, &self.config))
    }

    /// Whether nobody in sync still needs something from here.
    #[must_use]
    pub fn is_handed_over(&self) -> bool {
        self.leader().is_none_or(Leader::is_handed_over)
    }

    /// `min.insync.replicas` changed.
    pub fn set_min_isr(&mut self, min_isr: usize) {
        self.config.min_isr = min_isr;
    }

    /// Takes over newer metadata. Older metadata changes nothing.
    ///
    /// A leader that stops leading answers every waiting produce `NotLeaderOrFollower`; one that
    /// begins to lead knows nothing of its followers until they fetch.
    pub fn assign(
        &mut self,
        now: Time,
        assignment: &Assignment,
        ends: LogEnds,
        registry: &impl Registry,
        out: &mut Vec<Command>,
    ) {
        if assignment.partition_epoch < self.partition_epoch {
            return;
        }
        let is_new_epoch = assignment.leader_epoch != self.leader_epoch;
        self.partition_epoch = assignment.partition_epoch;
        self.leader_epoch = assignment.leader_epoch;
        if assignment.leader == Some(self.config.local) {
            self.lead(now, assignment, ends, is_new_epoch);
            self.advance(now, registry, out);
            self.propose(now, registry, out);
            return;
        }
        let next = assignment.leader.map_or(Role::Idle, Role::Follower);
        let is_following_anew = is_new_epoch && matches!(next, Role::Follower(_));
        if let Role::Leader(mut leader) = std::mem::replace(&mut self.role, next) {
            let error = if is_on(Bug::AcknowledgeOnStepDown) {
                ErrorCode::None
            } else {
                ErrorCode::NotLeaderOrFollower
            };
            leader.waits.fail_all(error, out);
        }
        if is_following_anew && self.config.truncates_to_high_watermark() {
            out.push(Command::Truncate(self.high_watermark.min(ends.log)));
        }
    }

    fn lead(&mut self, now: Time, assignment: &Assignment, ends: LogEnds, is_new_epoch: bool) {
        let local = self.config.local;
        match &mut self.role {
            Role::Leader(leader) if !is_new_epoch => {
                leader.isr.commit(assignment);
                leader.set_replicas(now, local, assignment);
            }
            Role::Leader(leader) => {
                // It leads on: its log is what it was, so the produces that wait may go on waiting.
                let waits = std::mem::take(&mut leader.waits);
                **leader = Leader::new(now, local, assignment, ends);
                leader.waits = waits;
            }
            Role::Follower(_) | Role::Idle => {
                self.high_watermark = self.high_watermark.min(ends.log);
                let leader = Leader::new(now, local, assignment, ends);
                self.role = Role::Leader(Box::new(leader));
            }
        }
    }

    fn leader(&self) -> Option<&Leader> {
        match &self.role {
            Role::Leader(leader) => Some(leader),
            Role::Follower(_) | Role::Idle => None,
        }
    }

    fn raise(&mut self, high_watermark: Offset, out: &mut Vec<Command>) {
        if high_watermark > self.high_watermark {
            self.high_watermark = high_watermark;
            out.push(Command::HighWatermark(high_watermark));
        }
    }
}
