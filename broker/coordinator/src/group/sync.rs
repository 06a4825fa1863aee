//! SyncGroup.

use bytes::Bytes;
use kafka_protocol::messages::SyncGroupRequest;
use kintsugi_types::ErrorCode;

use super::respond::error_sync;
use super::{Group, GroupState, Waiter, answer};
use crate::coordinator::{Context, PendingAppend};
use crate::id::{InstanceId, MemberId};

impl Group {
    /// A member asks for its assignment; the leader brings those of all.
    pub(crate) fn sync(
        &mut self,
        context: &mut Context<'_>,
        waiter: Waiter,
        request: &SyncGroupRequest,
    ) {
        let id = MemberId::of(&request.member_id);
        if let Err(error) = self.check_sync(context, &id, request) {
            answer(context, waiter.token, error_sync(error));
            return;
        }
        let Some(member) = self.members.get_mut(&id) else {
            return;
        };
        member.has_synced = true;
        member.extend_session(context.now);
        if self.state == GroupState::Stable {
            let assignment = member.assignment.clone();
            let response = self.synced(assignment);
            answer(context, waiter.token, response);
            return;
        }
        let earlier = (None, member.sync_waiter.replace(waiter));
        Self::fail_waiters(context, &id, earlier, ErrorCode::RebalanceInProgress);
        if self.leader.as_ref() == Some(&id) && self.assignment_append.is_none() {
            self.take_assignments(context, request);
        }
    }

    fn check_sync(
        &self,
        context: &Context<'_>,
        id: &MemberId,
        request: &SyncGroupRequest,
    ) -> Result<(), ErrorCode> {
        let instance = request.group_instance_id.as_ref().map(InstanceId::of);
        self.check_member(id, instance.as_ref())?;
        if request.generation_id != self.generation {
            return Err(ErrorCode::IllegalGeneration);
        }
        let differs = |theirs: Option<&str>, ours: &Option<String>| {
            theirs.is_some_and(|name| ours.as_deref() != Some(name))
        };
        if differs(request.protocol_type.as_deref(), &self.protocol_type)
            || differs(request.protocol_name.as_deref(), &self.protocol)
        {
            return Err(ErrorCode::InconsistentGroupProtocol);
        }
        let bytes_max = context.config.member_bytes_max;
        if request
            .assignments
            .iter()
            .any(|a| a.assignment.len() > bytes_max)
        {
            return Err(ErrorCode::InvalidRequest);
        }
        match self.state {
            GroupState::Empty => Err(ErrorCode::UnknownMemberId),
            GroupState::PreparingRebalance => Err(ErrorCode::RebalanceInProgress),
            GroupState::CompletingRebalance | GroupState::Stable => Ok(()),
        }
    }

    fn take_assignments(&mut self, context: &mut Context<'_>, request: &SyncGroupRequest) {
        for member in self.members.values_mut() {
            member.assignment = Bytes::new();
        }
        for assigned in &request.assignments {
            if let Some(member) = self.members.get_mut(&MemberId::of(&assigned.member_id)) {
                member.assignment = Bytes::copy_from_slice(&assigned.assignment);
            }
        }
        let record = self.group_record(context.wall);
        let pending = PendingAppend::Assignment {
            group: self.id.clone(),
        };
        match context.append(&[record], pending) {
            Ok(token) => {
                self.assignment_append = Some(token);
                self.record_append = token;
                self.appends_in_flight += 1;
            }
            Err(error) => self.on_assignment_failed(context, error),
        }
    }

    /// The assignment's record is committed, or is not.
    pub(crate) fn on_assignment(
        &mut self,
        context: &mut Context<'_>,
        append_token: u64,
        result: Result<(), ErrorCode>,
    ) {
        if self.assignment_append != Some(append_token) {
            // The group has moved on to another rebalance meanwhile.
            return;
        }
        self.assignment_append = None;
        if let Err(error) = result {
            self.on_assignment_failed(context, error);
            return;
        }
        self.enter(GroupState::Stable, context.wall);
        self.sync_until = None;
        let ids: Vec<MemberId> = self.members.keys().cloned().collect();
        for id in ids {
            let Some(member) = self.members.get_mut(&id) else {
                continue;
            };
            let Some(waiter) = member.sync_waiter.take() else {
                continue;
            };
            member.extend_session(context.now);
            let assignment = member.assignment.clone();
            let response = self.synced(assignment);
            answer(context, waiter.token, response);
        }
    }

    fn on_assignment_failed(&mut self, context: &mut Context<'_>, error: ErrorCode) {
        let error = match error {
            // The group's record is too large, which no retry of a member can change.
            ErrorCode::InvalidCommitOffsetSize => ErrorCode::UnknownServerError,
            other => other,
        };
        for (id, member) in &mut self.members {
            member.assignment = Bytes::new();
            let waiters = (None, member.sync_waiter.take());
            member.extend_session(context.now);
            Self::fail_waiters(context, id, waiters, error);
        }
        self.prepare_rebalance(context);
    }
}
