//! What admin tools ask: describe, list and delete groups, delete offsets.

use kafka_protocol::messages::offset_delete_response::{
    OffsetDeleteResponsePartition, OffsetDeleteResponseTopic,
};
use kafka_protocol::messages::{OffsetDeleteRequest, OffsetDeleteResponse};
use kintsugi_types::{ErrorCode, PartitionIndex, Time, TimestampMs, TopicName};

use super::append::{deleted, refuse_drop};
use super::{Context, Coordinator, PendingAppend};
use crate::event::{Command, GroupResponse};
use crate::group::{GROUP_TYPE, Group, GroupState, OffsetKey, Waiter, answer};
use crate::id::GroupId;

/// The first DescribeGroups version in which a group that does not exist is an error (KIP-1043).
const DESCRIBE_MISSING_SINCE: i16 = 6;

impl Coordinator {
    pub(super) fn describe(&self, id: &GroupId, version: i16) -> GroupResponse {
        let group = self.groups.get(id).map(Group::describe);
        let described =
            group.unwrap_or_else(|| Group::describe_missing(id, version >= DESCRIBE_MISSING_SINCE));
        GroupResponse::DescribeGroup(described)
    }

    pub(super) fn list(&self, states: &[String], types: &[String]) -> GroupResponse {
        let names = |wanted: &[String], name: &str| {
            wanted.is_empty() || wanted.iter().any(|one| one.eq_ignore_ascii_case(name))
        };
        let groups = self
            .groups
            .values()
            .filter(|group| names(states, group.state.name()) && names(types, GROUP_TYPE));
        GroupResponse::ListGroups(groups.map(Group::list).collect())
    }

    /// Groups that have committed nothing are left out.
    pub(super) fn list_committed(&self) -> GroupResponse {
        let groups = self
            .groups
            .values()
            .filter(|group| !group.offsets.is_empty());
        GroupResponse::ListCommitted(groups.map(Group::committed).collect())
    }

    pub(super) fn delete(
        &mut self,
        now: Time,
        wall: TimestampMs,
        waiter: Waiter,
        id: &GroupId,
        out: &mut Vec<Command>,
    ) -> Option<GroupResponse> {
        let found = self.with_group(now, wall, id, out, |group, context| {
            let result = group.delete(context, Some(waiter.token));
            if let Err(error) = result {
                answer(context, waiter.token, deleted(id, error));
            }
        });
        found
            .is_none()
            .then(|| deleted(id, ErrorCode::GroupIdNotFound))
    }

    /// OffsetDelete (KIP-496).
    pub(super) fn delete_offsets(
        &mut self,
        now: Time,
        wall: TimestampMs,
        waiter: Waiter,
        request: &OffsetDeleteRequest,
        out: &mut Vec<Command>,
    ) -> Option<GroupResponse> {
        let id = GroupId::of(&request.group_id);
        let found = self.with_group(now, wall, &id, out, |group, context| {
            if let Err(error) = delete_offsets(group, context, waiter.token, request) {
                answer(context, waiter.token, refuse_drop(error));
            }
        });
        found
            .is_none()
            .then(|| refuse_drop(ErrorCode::GroupIdNotFound))
    }
}

fn delete_offsets(
    group: &mut Group,
    context: &mut Context<'_>,
    token: u64,
    request: &OffsetDeleteRequest,
) -> Result<(), ErrorCode> {
    if group.state != GroupState::Empty && !group.uses_consumer_protocol() {
        return Err(ErrorCode::NonEmptyGroup);
    }
    let subscribed = group.subscribed_topics();
    let mut keys: Vec<OffsetKey> = Vec::new();
    let topics = request.topics.iter().map(|topic| {
        let is_subscribed = subscribed.has(&topic.name);
        let name: Option<TopicName> = topic.name.parse().ok();
        let partitions = topic.partitions.iter().map(|partition| {
            let index = partition.partition_index;
            let answer = OffsetDeleteResponsePartition::default().with_partition_index(index);
            if is_subscribed {
                return answer.with_error_code(ErrorCode::GroupSubscribedToTopic.code());
            }
            let key = name.clone().map(|name| (name, PartitionIndex(index)));
            keys.extend(key.filter(|key| group.offsets.contains_key(key)));
            answer
        });
        OffsetDeleteResponseTopic::default()
            .with_name(topic.name.clone())
            .with_partitions(partitions.collect())
    });
    let response = OffsetDeleteResponse::default().with_topics(topics.collect());
    if keys.is_empty() {
        answer(context, token, GroupResponse::OffsetDelete(response));
        return Ok(());
    }
    let records = group.tombstones(&keys, context.wall);
    let pending = PendingAppend::Drop {
        group: group.id.clone(),
        keys,
        answer: Some((token, Box::new(response))),
    };
    context.append(&records, pending)?;
    group.appends_in_flight += 1;
    Ok(())
}
