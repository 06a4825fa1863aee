//! A static member that comes back without its id (KIP-345).

use kafka_protocol::messages::{JoinGroupRequest, JoinGroupResponse};
use kintsugi_types::ErrorCode;

use super::respond::SKIP_ASSIGNMENT_SINCE;
use super::{Group, GroupState, Waiter, answer, error_join};
use crate::coordinator::{Context, PendingAppend};
use crate::event::{Client, GroupResponse};
use crate::id::MemberId;

impl Group {
    /// Gives a static member's place to its new process, and fences the old one. In a stable group
    /// nobody else notices, unless the next generation would use another protocol. That what it
    /// subscribes to differs is no reason: a consumer that starts tells of no generation and no
    /// partitions that it owns.
    pub(super) fn replace_static(
        &mut self,
        context: &mut Context<'_>,
        waiter: Waiter,
        client: Client,
        (old, new): (&MemberId, MemberId),
        request: &JoinGroupRequest,
    ) {
        let Some(mut member) = self.members.remove(old) else {
            return;
        };
        let waiters = (member.join_waiter.take(), member.sync_waiter.take());
        Self::fail_waiters(context, old, waiters, ErrorCode::FencedInstanceId);
        member.update(request, waiter.version);
        member.client = client;
        member.extend_session(context.now);
        if let Some(instance) = member.instance.clone() {
            self.static_members.insert(instance, new.clone());
        }
        let was_leader = self.leader.as_ref() == Some(old);
        if was_leader {
            self.leader = Some(new.clone());
        }
        self.members.insert(new.clone(), member);

        if self.state == GroupState::Stable && self.select_protocol() == self.protocol {
            let mut response = self.joined(&new, waiter.version);
            if was_leader {
                keep_assignment(&mut response, old, waiter.version);
            }
            self.append_replacement(context, waiter, &new, response);
            return;
        }
        if let Some(member) = self.members.get_mut(&new) {
            member.join_waiter = Some(waiter);
        }
        if self.state == GroupState::PreparingRebalance {
            self.try_complete_join(context);
        } else {
            self.prepare_rebalance(context);
        }
    }

    /// The new id has to survive a change of coordinators before its owner hears of it.
    fn append_replacement(
        &mut self,
        context: &mut Context<'_>,
        waiter: Waiter,
        new: &MemberId,
        response: JoinGroupResponse,
    ) {
        let record = self.group_record(context.wall);
        let pending = PendingAppend::Replacement {
            group: self.id.clone(),
            waiter,
            response: Box::new(response),
        };
        match context.append(&[record], pending) {
            Ok(token) => {
                self.record_append = token;
                self.appends_in_flight += 1;
            }
            Err(error) => answer(context, waiter.token, error_join(new, error)),
        }
    }

    /// The record of a replacement is committed, or is not.
    pub(crate) fn on_replacement(
        context: &mut Context<'_>,
        waiter: Waiter,
        response: JoinGroupResponse,
        result: Result<(), ErrorCode>,
    ) {
        let response = match result {
            Ok(()) => GroupResponse::JoinGroup(response),
            // It comes again without an id and is replaced once more.
            Err(error) => error_join(&MemberId::default(), error),
        };
        answer(context, waiter.token, response);
    }
}

/// Keeps a leader that came back from assigning again: by saying so (KIP-814), or in older
/// versions by naming its old id as the leader's.
fn keep_assignment(response: &mut JoinGroupResponse, old: &MemberId, version: i16) {
    if version >= SKIP_ASSIGNMENT_SINCE {
        response.skip_assignment = true;
    } else {
        response.leader = old.wire();
        response.members.clear();
    }
}
