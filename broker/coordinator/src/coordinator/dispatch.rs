//! Requests.

use kafka_protocol::messages::leave_group_response::MemberResponse;
use kafka_protocol::messages::offset_fetch_request::OffsetFetchRequestGroup;
use kafka_protocol::messages::offset_fetch_response::OffsetFetchResponseGroup;
use kafka_protocol::messages::{
    JoinGroupRequest, LeaveGroupRequest, LeaveGroupResponse, SyncGroupRequest,
};
use kintsugi_types::{ErrorCode, Time, TimestampMs};

use super::Coordinator;
use crate::config::{NAME_MAX_BYTES, PROTOCOLS_MAX};
use crate::event::{Client, Command, GroupRequest, GroupResponse};
use crate::group::{Group, Waiter, error_join, error_sync, heartbeat};
use crate::id::{GroupId, InstanceId, MemberId};

/// The first LeaveGroup version that names several members.
const LEAVE_BATCH_SINCE: i16 = 3;

impl Coordinator {
    pub(super) fn on_request(
        &mut self,
        now: Time,
        wall: TimestampMs,
        waiter: Waiter,
        client: Client,
        request: GroupRequest,
        out: &mut Vec<Command>,
    ) {
        let response = match request {
            GroupRequest::JoinGroup(request) => self.join(now, wall, waiter, client, &request, out),
            GroupRequest::SyncGroup(request) => self.sync(now, wall, waiter, &request, out),
            GroupRequest::Heartbeat(request) => {
                let id = GroupId::of(&request.group_id);
                let result = self.with_group(now, wall, &id, out, |group, context| {
                    group.heartbeat(context, &request)
                });
                let result = result.unwrap_or(Err(ErrorCode::UnknownMemberId));
                Some(heartbeat(result.err().unwrap_or(ErrorCode::None)))
            }
            GroupRequest::LeaveGroup(request) => {
                let response = self.leave(now, wall, waiter.version, &request, out);
                Some(GroupResponse::LeaveGroup(response))
            }
            GroupRequest::OffsetCommit(request) => self.commit(now, wall, waiter, &request, out),
            GroupRequest::OffsetFetch(request) => Some(self.fetch_offsets(&request)),
            GroupRequest::OffsetDelete(request) => {
                self.delete_offsets(now, wall, waiter, &request, out)
            }
            GroupRequest::DescribeGroup(id) => Some(self.describe(&id, waiter.version)),
            GroupRequest::DeleteGroup(id) => self.delete(now, wall, waiter, &id, out),
            GroupRequest::ListGroups { states, types } => Some(self.list(&states, &types)),
            GroupRequest::ListCommitted => Some(self.list_committed()),
        };
        if let Some(response) = response {
            let token = waiter.token;
            out.push(Command::Respond { token, response });
        }
    }

    fn join(
        &mut self,
        now: Time,
        wall: TimestampMs,
        waiter: Waiter,
        client: Client,
        request: &JoinGroupRequest,
        out: &mut Vec<Command>,
    ) -> Option<GroupResponse> {
        let member = MemberId::of(&request.member_id);
        let id = GroupId::of(&request.group_id);
        let checked = self.check_join(&id, &client, request);
        let checked = checked.and_then(|()| match self.groups.contains_key(&id) {
            true => Ok(()),
            false if !member.0.is_empty() => Err(ErrorCode::UnknownMemberId),
            false => self.create(&id, wall),
        });
        if let Err(error) = checked {
            return Some(error_join(&member, error));
        }
        self.with_group(now, wall, &id, out, |group, context| {
            group.join(context, waiter, client, request);
        });
        None
    }

    /// Checks a join by itself.
    fn check_join(
        &self,
        id: &GroupId,
        client: &Client,
        request: &JoinGroupRequest,
    ) -> Result<(), ErrorCode> {
        check_group_id(id)?;
        let session = u64::try_from(request.session_timeout_ms).unwrap_or(0);
        let session = std::time::Duration::from_millis(session);
        let config = &self.config;
        if session < config.session_timeout_min || session > config.session_timeout_max {
            return Err(ErrorCode::InvalidSessionTimeout);
        }
        let instance = request.group_instance_id.as_ref();
        let names = [
            client.id.len(),
            client.host.len(),
            request.member_id.len(),
            request.protocol_type.len(),
            instance.map_or(0, |instance| instance.len()),
        ];
        let protocols = &request.protocols;
        let protocol_names = protocols.iter().map(|protocol| protocol.name.len());
        let is_name_too_long = names
            .into_iter()
            .chain(protocol_names)
            .any(|length| length > NAME_MAX_BYTES);
        let member_bytes: usize = protocols.iter().map(|p| p.metadata.len()).sum();
        if is_name_too_long
            || protocols.len() > PROTOCOLS_MAX
            || member_bytes > config.member_bytes_max
            || instance.is_some_and(|instance| instance.is_empty())
        {
            return Err(ErrorCode::InvalidRequest);
        }
        Ok(())
    }

    pub(super) fn create(&mut self, id: &GroupId, wall: TimestampMs) -> Result<(), ErrorCode> {
        if self.groups.len() >= self.config.groups_max {
            return Err(ErrorCode::GroupMaxSizeReached);
        }
        self.groups.insert(id.clone(), Group::new(id.clone(), wall));
        Ok(())
    }

    fn sync(
        &mut self,
        now: Time,
        wall: TimestampMs,
        waiter: Waiter,
        request: &SyncGroupRequest,
        out: &mut Vec<Command>,
    ) -> Option<GroupResponse> {
        let id = GroupId::of(&request.group_id);
        let found = self.with_group(now, wall, &id, out, |group, context| {
            group.sync(context, waiter, request);
        });
        found
            .is_none()
            .then(|| error_sync(ErrorCode::UnknownMemberId))
    }

    fn leave(
        &mut self,
        now: Time,
        wall: TimestampMs,
        version: i16,
        request: &LeaveGroupRequest,
        out: &mut Vec<Command>,
    ) -> LeaveGroupResponse {
        let id = GroupId::of(&request.group_id);
        let leaving: Vec<(MemberId, Option<InstanceId>)> = if version < LEAVE_BATCH_SINCE {
            vec![(MemberId::of(&request.member_id), None)]
        } else {
            let members = request.members.iter().map(|member| {
                let instance = member.group_instance_id.as_ref().map(InstanceId::of);
                (MemberId::of(&member.member_id), instance)
            });
            members.collect()
        };
        let results = self.with_group(now, wall, &id, out, |group, context| {
            group.leave_all(context, &leaving)
        });
        let results = results.unwrap_or_else(|| vec![ErrorCode::UnknownMemberId; leaving.len()]);
        if version < LEAVE_BATCH_SINCE {
            let error = results.first().copied().unwrap_or(ErrorCode::None);
            return LeaveGroupResponse::default().with_error_code(error.code());
        }
        let members = request.members.iter().zip(results).map(|(member, error)| {
            MemberResponse::default()
                .with_member_id(member.member_id.clone())
                .with_group_instance_id(member.group_instance_id.clone())
                .with_error_code(error.code())
        });
        LeaveGroupResponse::default().with_members(members.collect())
    }

    fn fetch_offsets(&self, request: &OffsetFetchRequestGroup) -> GroupResponse {
        let group = self.groups.get(&GroupId::of(&request.group_id));
        let response = OffsetFetchResponseGroup::default()
            .with_group_id(request.group_id.clone())
            .with_topics(Group::fetch_offsets(group, request));
        GroupResponse::OffsetFetch(response)
    }
}

pub(super) fn check_group_id(id: &GroupId) -> Result<(), ErrorCode> {
    if id.0.is_empty() || id.0.len() > NAME_MAX_BYTES {
        return Err(ErrorCode::InvalidGroupId);
    }
    Ok(())
}
