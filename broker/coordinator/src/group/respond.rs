//! Answers.

use bytes::Bytes;
use kafka_protocol::messages::join_group_response::JoinGroupResponseMember;
use kafka_protocol::messages::{HeartbeatResponse, JoinGroupResponse, SyncGroupResponse};
use kafka_protocol::protocol::StrBytes;
use kintsugi_types::ErrorCode;

use super::{Group, Waiter};
use crate::coordinator::Context;
use crate::event::{Command, GroupResponse};
use crate::id::MemberId;

/// The first JoinGroup version whose members show their instance names.
const INSTANCE_SINCE: i16 = 5;
/// The first JoinGroup version that can tell a leader not to assign (KIP-814).
pub(crate) const SKIP_ASSIGNMENT_SINCE: i16 = 9;

pub(crate) fn answer(context: &mut Context<'_>, token: u64, response: GroupResponse) {
    context.out.push(Command::Respond { token, response });
}

/// The answer to a join that failed.
pub(crate) fn error_join(member: &MemberId, error: ErrorCode) -> GroupResponse {
    let response = JoinGroupResponse::default()
        .with_error_code(error.code())
        .with_member_id(member.wire());
    GroupResponse::JoinGroup(response)
}

/// The answer to a sync that failed.
pub(crate) fn error_sync(error: ErrorCode) -> GroupResponse {
    GroupResponse::SyncGroup(SyncGroupResponse::default().with_error_code(error.code()))
}

pub(crate) fn heartbeat(error: ErrorCode) -> GroupResponse {
    GroupResponse::Heartbeat(HeartbeatResponse::default().with_error_code(error.code()))
}

impl Group {
    /// The answer to a join: this generation, and for the leader all members.
    pub(crate) fn joined(&self, member: &MemberId, version: i16) -> JoinGroupResponse {
        let is_leader = self.leader.as_ref() == Some(member);
        let members = if is_leader {
            self.members_for_leader(version)
        } else {
            Vec::new()
        };
        JoinGroupResponse::default()
            .with_generation_id(self.generation)
            .with_protocol_type(self.protocol_type.clone().map(StrBytes::from_string))
            .with_protocol_name(Some(text(self.protocol.as_ref())))
            .with_leader(self.leader.as_ref().map(MemberId::wire).unwrap_or_default())
            .with_member_id(member.wire())
            .with_members(members)
    }

    fn members_for_leader(&self, version: i16) -> Vec<JoinGroupResponseMember> {
        let protocol = self.protocol.as_deref().unwrap_or_default();
        let members = self.members.iter().map(|(id, member)| {
            let instance = member
                .instance
                .as_ref()
                .filter(|_| version >= INSTANCE_SINCE);
            JoinGroupResponseMember::default()
                .with_member_id(id.wire())
                .with_group_instance_id(instance.map(|instance| instance.wire()))
                .with_metadata(member.subscription(protocol))
        });
        members.collect()
    }

    /// The answer to a sync.
    pub(crate) fn synced(&self, assignment: Bytes) -> GroupResponse {
        let response = SyncGroupResponse::default()
            .with_protocol_type(self.protocol_type.clone().map(StrBytes::from_string))
            .with_protocol_name(self.protocol.clone().map(StrBytes::from_string))
            .with_assignment(assignment);
        GroupResponse::SyncGroup(response)
    }

    /// Fails both waits of a member.
    pub(crate) fn fail_waiters(
        context: &mut Context<'_>,
        id: &MemberId,
        waiters: (Option<Waiter>, Option<Waiter>),
        error: ErrorCode,
    ) {
        if let Some(waiter) = waiters.0 {
            answer(context, waiter.token, error_join(id, error));
        }
        if let Some(waiter) = waiters.1 {
            answer(context, waiter.token, error_sync(error));
        }
    }

    /// Answers everything that waits, for a coordinator that is no longer in charge.
    pub(crate) fn fail_all(&mut self, context: &mut Context<'_>, error: ErrorCode) {
        for (id, member) in &mut self.members {
            let waiters = (member.join_waiter.take(), member.sync_waiter.take());
            Self::fail_waiters(context, id, waiters, error);
        }
    }
}

fn text(text: Option<&String>) -> StrBytes {
    text.cloned().map(StrBytes::from_string).unwrap_or_default()
}
