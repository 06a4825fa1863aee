//! From one generation to the next.

use std::time::Duration;

use bytes::Bytes;
use kintsugi_types::ErrorCode;

use super::{Group, GroupState, JoinPhase, answer};
use crate::coordinator::{Context, PendingAppend};
use crate::event::GroupResponse;
use crate::id::MemberId;

impl Group {
    /// Asks every member to join again.
    pub(crate) fn prepare_rebalance(&mut self, context: &mut Context<'_>) {
        if self.state == GroupState::CompletingRebalance {
            for (id, member) in &mut self.members {
                member.assignment = Bytes::new();
                let waiters = (None, member.sync_waiter.take());
                if waiters.1.is_some() {
                    member.extend_session(context.now);
                }
                Self::fail_waiters(context, id, waiters, ErrorCode::RebalanceInProgress);
            }
        }
        let was_empty = self.state == GroupState::Empty;
        let timeout = self.rebalance_timeout();
        self.sync_until = None;
        self.assignment_append = None;
        self.join_phase = Some(if was_empty {
            let delay = context.config.initial_rebalance_delay;
            JoinPhase {
                until: context.now + delay,
                initial_until: Some(context.now + timeout.max(delay)),
                has_new_member: false,
            }
        } else {
            JoinPhase {
                until: context.now + timeout,
                initial_until: None,
                has_new_member: false,
            }
        });
        self.enter(GroupState::PreparingRebalance, context.wall);
        self.try_complete_join(context);
    }

    /// Goes on if all have joined; a group that was empty waits its time out.
    pub(crate) fn try_complete_join(&mut self, context: &mut Context<'_>) {
        let is_initial = self
            .join_phase
            .is_some_and(|phase| phase.initial_until.is_some());
        let all_joined = self
            .members
            .values()
            .all(|member| member.join_waiter.is_some());
        let is_due = self.state == GroupState::PreparingRebalance
            && self.pending_members.is_empty()
            && all_joined;
        if is_due && (!is_initial || self.members.is_empty()) {
            self.complete_join(context);
        }
    }

    /// The time to join is over: prolongs it for a new group that still grows, else goes on with
    /// those who joined.
    pub(crate) fn on_join_timeout(&mut self, context: &mut Context<'_>) {
        if let Some(phase) = &mut self.join_phase
            && let Some(initial_until) = phase.initial_until
            && phase.has_new_member
            && context.now < initial_until
        {
            let delay = context.config.initial_rebalance_delay;
            phase.until = initial_until.min(context.now + delay);
            phase.has_new_member = false;
            return;
        }
        self.complete_join(context);
    }

    fn complete_join(&mut self, context: &mut Context<'_>) {
        let absent = self.members.iter().filter(|(_, member)| {
            // A static member has its session time to come back.
            member.join_waiter.is_none() && member.instance.is_none()
        });
        let absent: Vec<MemberId> = absent.map(|(id, _)| id.clone()).collect();
        for id in absent {
            self.remove_member(context, &id, ErrorCode::UnknownMemberId);
        }
        let nobody_joined = self
            .members
            .values()
            .all(|member| member.join_waiter.is_none());
        if !self.members.is_empty() && nobody_joined {
            // Only static members are left, all of them away.
            let until = context.now + self.rebalance_timeout();
            self.join_phase = Some(JoinPhase {
                until,
                initial_until: None,
                has_new_member: false,
            });
            return;
        }
        self.join_phase = None;
        self.generation = self.generation.checked_add(1).unwrap_or(1);
        self.protocol = self.select_protocol();
        if self.members.is_empty() {
            self.leader = None;
            self.enter(GroupState::Empty, context.wall);
            self.append_empty(context);
            return;
        }
        self.choose_leader();
        self.enter(GroupState::CompletingRebalance, context.wall);
        self.sync_until = Some(context.now + self.rebalance_timeout());
        self.answer_joins(context);
    }

    fn choose_leader(&mut self) {
        let has_joined = |id: &MemberId| {
            let member = self.members.get(id);
            member.is_some_and(|member| member.join_waiter.is_some())
        };
        if !self.leader.as_ref().is_some_and(has_joined) {
            self.leader = self.members.keys().find(|id| has_joined(id)).cloned();
        }
    }

    fn answer_joins(&mut self, context: &mut Context<'_>) {
        let ids: Vec<MemberId> = self.members.keys().cloned().collect();
        for id in ids {
            let Some(member) = self.members.get_mut(&id) else {
                continue;
            };
            member.has_synced = false;
            member.assignment = Bytes::new();
            let Some(waiter) = member.join_waiter.take() else {
                continue;
            };
            member.extend_session(context.now);
            let response = self.joined(&id, waiter.version);
            answer(context, waiter.token, GroupResponse::JoinGroup(response));
        }
    }

    /// Takes a member out and answers its waits.
    pub(crate) fn remove_member(
        &mut self,
        context: &mut Context<'_>,
        id: &MemberId,
        error: ErrorCode,
    ) {
        let Some(mut member) = self.members.remove(id) else {
            return;
        };
        let waiters = (member.join_waiter.take(), member.sync_waiter.take());
        Self::fail_waiters(context, id, waiters, error);
        if let Some(instance) = &member.instance {
            self.static_members.remove(instance);
        }
        if self.leader.as_ref() == Some(id) {
            self.leader = self.members.keys().next().cloned();
        }
    }

    /// What follows when members have gone.
    pub(crate) fn after_removal(&mut self, context: &mut Context<'_>) {
        match self.state {
            GroupState::Stable | GroupState::CompletingRebalance => self.prepare_rebalance(context),
            GroupState::PreparingRebalance => self.try_complete_join(context),
            GroupState::Empty => {}
        }
    }

    /// Records that the group is empty. Nobody waits for it: should it get lost, the members that
    /// a later coordinator reads time out there.
    fn append_empty(&mut self, context: &mut Context<'_>) {
        let record = self.group_record(context.wall);
        let pending = PendingAppend::Empty {
            group: self.id.clone(),
        };
        if let Ok(token) = context.append(&[record], pending) {
            self.record_append = token;
            self.appends_in_flight += 1;
        }
    }

    fn rebalance_timeout(&self) -> Duration {
        let timeouts = self.members.values().map(|member| member.rebalance_timeout);
        timeouts.max().unwrap_or_default()
    }
}
