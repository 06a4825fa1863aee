//! Answers of a broker that does not coordinate the group.

use kafka_protocol::messages::delete_groups_response::DeletableGroupResult;
use kafka_protocol::messages::describe_groups_response::DescribedGroup;
use kafka_protocol::messages::offset_commit_response::{
    OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use kafka_protocol::messages::offset_fetch_response::OffsetFetchResponseGroup;
use kafka_protocol::messages::{
    GroupId as WireGroupId, LeaveGroupResponse, OffsetCommitRequest, OffsetCommitResponse,
    OffsetDeleteResponse,
};
use kintsugi_types::ErrorCode;

use crate::event::{GroupRequest, GroupResponse};
use crate::group::{error_join, error_sync, heartbeat};
use crate::id::{GroupId, MemberId};

impl GroupRequest {
    /// The group that the request is about, which tells the partition that it belongs to. None
    /// for [`Self::ListGroups`] and [`Self::ListCommitted`], which go to every partition that the
    /// broker leads.
    #[must_use]
    pub fn group_id(&self) -> Option<&str> {
        match self {
            Self::JoinGroup(request) => Some(request.group_id.as_str()),
            Self::SyncGroup(request) => Some(request.group_id.as_str()),
            Self::Heartbeat(request) => Some(request.group_id.as_str()),
            Self::LeaveGroup(request) => Some(request.group_id.as_str()),
            Self::OffsetCommit(request) => Some(request.group_id.as_str()),
            Self::OffsetFetch(request) => Some(request.group_id.as_str()),
            Self::OffsetDelete(request) => Some(request.group_id.as_str()),
            Self::DescribeGroup(GroupId(id)) | Self::DeleteGroup(GroupId(id)) => Some(id),
            Self::ListGroups { .. } | Self::ListCommitted => None,
        }
    }

    /// The answer that nothing was done: NOT_COORDINATOR where another broker leads the partition,
    /// COORDINATOR_LOAD_IN_PROGRESS before [`crate::Coordinator::finish_load`], and so on.
    #[must_use]
    pub fn refuse(&self, error: ErrorCode) -> GroupResponse {
        let code = error.code();
        match self {
            Self::JoinGroup(request) => error_join(&MemberId::of(&request.member_id), error),
            Self::SyncGroup(_) => error_sync(error),
            Self::Heartbeat(_) => heartbeat(error),
            Self::LeaveGroup(_) => {
                GroupResponse::LeaveGroup(LeaveGroupResponse::default().with_error_code(code))
            }
            Self::OffsetCommit(request) => {
                GroupResponse::OffsetCommit(refuse_commit(request, code))
            }
            Self::OffsetFetch(request) => GroupResponse::OffsetFetch(
                OffsetFetchResponseGroup::default()
                    .with_group_id(request.group_id.clone())
                    .with_error_code(code),
            ),
            Self::OffsetDelete(_) => {
                GroupResponse::OffsetDelete(OffsetDeleteResponse::default().with_error_code(code))
            }
            Self::DescribeGroup(id) => GroupResponse::DescribeGroup(
                DescribedGroup::default()
                    .with_group_id(WireGroupId(id.wire()))
                    .with_error_code(code),
            ),
            Self::DeleteGroup(id) => GroupResponse::DeleteGroup(
                DeletableGroupResult::default()
                    .with_group_id(WireGroupId(id.wire()))
                    .with_error_code(code),
            ),
            Self::ListGroups { .. } => GroupResponse::ListGroups(Vec::new()),
            Self::ListCommitted => GroupResponse::ListCommitted(Vec::new()),
        }
    }
}

fn refuse_commit(request: &OffsetCommitRequest, code: i16) -> OffsetCommitResponse {
    let topics = request.topics.iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|partition| {
            OffsetCommitResponsePartition::default()
                .with_partition_index(partition.partition_index)
                .with_error_code(code)
        });
        OffsetCommitResponseTopic::default()
            .with_name(topic.name.clone())
            .with_partitions(partitions.collect())
    });
    OffsetCommitResponse::default().with_topics(topics.collect())
}
