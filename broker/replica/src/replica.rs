//! One partition's replica: its role, and what every role keeps.

use kintsugi_types::{BrokerId, ErrorCode, LeaderEpoch, Offset, PartitionEpoch, Time};

use crate::assignment::{Assignment, Registry};
use crate::command::{Command, IsrProposal, Ticket};
use crate::config::ReplicaConfig;
use crate::leader::{FollowerFetch, Leader};

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
        end: Offset,
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
            self.lead(now, assignment, end, is_new_epoch);
            self.advance(now, registry, out);
            self.propose(now, registry, out);
            return;
        }
        let next = assignment.leader.map_or(Role::Idle, Role::Follower);
        let is_following_anew = is_new_epoch && matches!(next, Role::Follower(_));
        if let Role::Leader(mut leader) = std::mem::replace(&mut self.role, next) {
            leader.waits.fail_all(ErrorCode::NotLeaderOrFollower, out);
        }
        if is_following_anew && self.config.truncates_to_high_watermark() {
            out.push(Command::Truncate(self.high_watermark.min(end)));
        }
    }

    fn lead(&mut self, now: Time, assignment: &Assignment, end: Offset, is_new_epoch: bool) {
        let local = self.config.local;
        match &mut self.role {
            Role::Leader(leader) if !is_new_epoch => {
                leader.isr.commit(assignment);
                leader.set_replicas(now, local, &assignment.replicas);
            }
            Role::Leader(leader) => {
                // It leads on: its log is what it was, so the produces that wait may go on waiting.
                let waits = std::mem::take(&mut leader.waits);
                **leader = Leader::new(now, local, assignment, end);
                leader.waits = waits;
            }
            Role::Follower(_) | Role::Idle => {
                self.high_watermark = self.high_watermark.min(end);
                let leader = Leader::new(now, local, assignment, end);
                self.role = Role::Leader(Box::new(leader));
            }
        }
    }

    /// The broker may no longer serve (its lease is over): waiting produces are failed. It leads
    /// on as far as its followers are concerned.
    pub fn fail_waiting(&mut self, out: &mut Vec<Command>) {
        if let Role::Leader(leader) = &mut self.role {
            leader.waits.fail_all(ErrorCode::NotLeaderOrFollower, out);
        }
    }

    /// Whether a produce may be appended now.
    ///
    /// # Errors
    /// `NotLeaderOrFollower`; for acks=all also `NotEnoughReplicas`.
    pub fn check_produce(&self, needs_all: bool) -> Result<(), ErrorCode> {
        let leader = self.leader().ok_or(ErrorCode::NotLeaderOrFollower)?;
        if needs_all && leader.is_under_min_isr(&self.config) {
            return Err(ErrorCode::NotEnoughReplicas);
        }
        Ok(())
    }

    /// The leader appended: its log ends at `end` now. `ticket` waits until the high watermark is
    /// there.
    pub fn appended(
        &mut self,
        now: Time,
        end: Offset,
        ticket: Option<Ticket>,
        registry: &impl Registry,
        out: &mut Vec<Command>,
    ) {
        let is_early = self.config.acknowledges_before_isr();
        let Role::Leader(leader) = &mut self.role else {
            return;
        };
        leader.appended(now, end);
        match ticket {
            Some(ticket) if is_early => out.push(Command::Acknowledge {
                ticket,
                error: ErrorCode::None,
            }),
            Some(ticket) => leader.waits.insert(end, ticket),
            None => {}
        }
        self.advance(now, registry, out);
    }

    /// A produce waits for a high watermark that earlier appends need (a repeated batch waits for
    /// its first copy).
    pub fn await_offset(&mut self, required: Offset, ticket: Ticket, out: &mut Vec<Command>) {
        let high_watermark = self.high_watermark;
        match &mut self.role {
            Role::Leader(leader) => {
                leader.waits.insert(required, ticket);
                let error = wait_result(leader, &self.config);
                leader.waits.reached(high_watermark, error, out);
            }
            Role::Follower(_) | Role::Idle => out.push(Command::Acknowledge {
                ticket,
                error: ErrorCode::NotLeaderOrFollower,
            }),
        }
    }

    /// A produce stops waiting (its time is over, or its client has gone).
    pub fn cancel(&mut self, ticket: Ticket) {
        if let Role::Leader(leader) = &mut self.role {
            leader.waits.remove(ticket);
        }
    }

    /// A follower fetched from a position that [`crate::check_position`] found to match.
    pub fn fetched(
        &mut self,
        now: Time,
        fetch: FollowerFetch,
        registry: &impl Registry,
        out: &mut Vec<Command>,
    ) {
        if let Role::Leader(leader) = &mut self.role
            && leader.fetched(now, fetch)
        {
            self.advance(now, registry, out);
            self.propose(now, registry, out);
        }
    }

    /// Time passed, or brokers changed: looks for members that lag, replicas that may join, and
    /// proposals to send again. To be called at least twice in a lag time.
    pub fn tick(&mut self, now: Time, registry: &impl Registry, out: &mut Vec<Command>) {
        self.advance(now, registry, out);
        self.propose(now, registry, out);
        if let Role::Leader(leader) = &mut self.role
            && let Some(pending) = &mut leader.isr.pending
            && std::mem::take(&mut pending.to_resend)
        {
            out.push(Command::ProposeIsr(pending.proposal.clone()));
        }
    }

    /// What became of the proposal. An accepted one was taken over by [`Replica::assign`] before.
    ///
    /// `IneligibleReplica` and `InvalidRequest` are refusals after the epochs were compared, so
    /// nothing of the proposal can be committed any more and it is dropped. After every other
    /// answer it may have been committed: the larger ISR stays in force, and it is sent again with
    /// the next [`Replica::tick`], which the comparison of epochs makes harmless.
    pub fn isr_answered(&mut self, error: ErrorCode) {
        if let Role::Leader(leader) = &mut self.role {
            match error {
                ErrorCode::IneligibleReplica | ErrorCode::InvalidRequest => {
                    leader.isr.pending = None;
                }
                _ => {
                    if let Some(pending) = &mut leader.isr.pending {
                        pending.to_resend = true;
                    }
                }
            }
        }
    }

    /// A follower appended what the leader sent, or had it all: both logs are the same up to `end`.
    pub fn followed(&mut self, leader_high_watermark: Offset, end: Offset, out: &mut Vec<Command>) {
        if let Role::Follower(_) = self.role {
            self.raise(leader_high_watermark.min(end), out);
        }
    }

    /// The log was cut and ends here now.
    pub fn truncated(&mut self, end: Offset) {
        self.high_watermark = self.high_watermark.min(end);
    }

    /// The log starts here now: everything before was committed, and is gone.
    pub fn log_start_moved(&mut self, log_start: Offset) {
        self.high_watermark = self.high_watermark.max(log_start);
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

    fn advance(&mut self, now: Time, registry: &impl Registry, out: &mut Vec<Command>) {
        let Some(leader) = self.leader() else {
            return;
        };
        if let Some(candidate) = leader.high_watermark(now, &self.config, registry) {
            self.raise(candidate, out);
        }
        let high_watermark = self.high_watermark;
        if let Role::Leader(leader) = &mut self.role {
            let error = wait_result(leader, &self.config);
            leader.waits.reached(high_watermark, error, out);
        }
    }

    fn propose(&mut self, now: Time, registry: &impl Registry, out: &mut Vec<Command>) {
        let high_watermark = self.high_watermark;
        let leader_epoch = self.leader_epoch;
        let local = self.config.local;
        let Role::Leader(leader) = &mut self.role else {
            return;
        };
        if leader.isr.pending.is_some() {
            return;
        }
        let mut members = leader.isr.committed.clone();
        members.extend(leader.joiners(high_watermark, registry));
        for laggard in leader.laggards(now, &self.config) {
            members.remove(&laggard);
        }
        members.insert(local);
        if members == leader.isr.committed {
            return;
        }
        let epoch_of = |broker| (broker, leader.broker_epoch(broker, registry));
        let proposal = IsrProposal {
            leader_epoch,
            partition_epoch: leader.isr.partition_epoch,
            isr: members.into_iter().map(epoch_of).collect(),
        };
        leader.isr.pending = Some(crate::leader::Pending {
            proposal: proposal.clone(),
            to_resend: false,
        });
        out.push(Command::ProposeIsr(proposal));
    }
}

fn wait_result(leader: &Leader, config: &ReplicaConfig) -> ErrorCode {
    if leader.is_under_min_isr(config) {
        ErrorCode::NotEnoughReplicasAfterAppend
    } else {
        ErrorCode::None
    }
}
