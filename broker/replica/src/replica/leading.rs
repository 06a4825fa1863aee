//! What a replica does while it leads.

use kintsugi_types::bug::{Bug, is_on};
use kintsugi_types::{ErrorCode, Offset, Time};

use super::{Replica, Role};
use crate::assignment::Registry;
use crate::command::{Command, IsrProposal, Ticket};
use crate::config::ReplicaConfig;
use crate::leader::{FollowerFetch, Leader, Pending};

impl Replica {
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
                let required = if is_on(Bug::DuplicateAcknowledgedEarly) {
                    high_watermark
                } else {
                    required
                };
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

    /// What it holds above the high watermark cannot be read, here or anywhere: asks that the rest of
    /// the ISR go on without it. Does nothing where it does not lead, there is no rest, or a proposal is
    /// under way.
    pub fn resign(&mut self, registry: &impl Registry, out: &mut Vec<Command>) {
        let (leader_epoch, local) = (self.leader_epoch, self.config.local);
        let Role::Leader(leader) = &mut self.role else {
            return;
        };
        let others = leader.isr.committed.iter().copied();
        let others: Vec<_> = others.filter(|member| *member != local).collect();
        if leader.isr.pending.is_some() || others.is_empty() {
            return;
        }
        let epoch_of = |broker| (broker, leader.broker_epoch(broker, registry));
        let proposal = IsrProposal {
            leader_epoch,
            partition_epoch: leader.isr.partition_epoch,
            isr: others.into_iter().map(epoch_of).collect(),
        };
        leader.isr.pending = Some(Pending {
            proposal: proposal.clone(),
            to_resend: false,
        });
        out.push(Command::ProposeIsr(proposal));
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

    pub(super) fn advance(&mut self, now: Time, registry: &impl Registry, out: &mut Vec<Command>) {
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

    pub(super) fn propose(&mut self, now: Time, registry: &impl Registry, out: &mut Vec<Command>) {
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
        leader.isr.pending = Some(Pending {
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
