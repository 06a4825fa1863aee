//! A group member's requests, in the shapes of the protocol.

use bytes::Bytes;
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::leave_group_request::MemberIdentity;
use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_protocol::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopics,
};
use kafka_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use kafka_protocol::messages::{
    GroupId, HeartbeatRequest, JoinGroupRequest, LeaveGroupRequest, OffsetCommitRequest,
    SyncGroupRequest, TopicName as WireTopicName,
};
use kafka_protocol::protocol::StrBytes;
use kintsugi_coordinator::GroupRequest;
use kintsugi_types::{Offset, PartitionIndex};

/// How long a member may be silent.
const SESSION_MS: i32 = 2_000;

/// How long members get to join again.
const REBALANCE_MS: i32 = 2_000;

/// Who asks.
#[derive(Clone, Debug)]
pub(super) struct Identity {
    pub(super) group: String,
    pub(super) member: String,
    pub(super) generation: i32,
}

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

fn indexes(partitions: &[PartitionIndex]) -> Bytes {
    partitions
        .iter()
        .flat_map(|partition| partition.0.to_be_bytes())
        .collect()
}

/// The partitions of an assignment.
pub(super) fn assigned(assignment: &Bytes) -> Vec<PartitionIndex> {
    let numbers = assignment.as_chunks::<4>().0.iter();
    numbers
        .map(|bytes| PartitionIndex(i32::from_be_bytes(*bytes)))
        .collect()
}

impl Identity {
    fn group(&self) -> GroupId {
        GroupId(text(&self.group))
    }

    pub(super) fn join(&self) -> (i16, GroupRequest) {
        let protocol = JoinGroupRequestProtocol::default()
            .with_name(text("range"))
            .with_metadata(Bytes::from_static(b"topics"));
        let request = JoinGroupRequest::default()
            .with_group_id(self.group())
            .with_member_id(text(&self.member))
            .with_session_timeout_ms(SESSION_MS)
            .with_rebalance_timeout_ms(REBALANCE_MS)
            .with_protocol_type(text("consumer"))
            .with_protocols(vec![protocol]);
        (5, GroupRequest::JoinGroup(request))
    }

    pub(super) fn sync(&self, plan: &[(String, Vec<PartitionIndex>)]) -> (i16, GroupRequest) {
        let assignments = plan.iter().map(|(member, partitions)| {
            SyncGroupRequestAssignment::default()
                .with_member_id(text(member))
                .with_assignment(indexes(partitions))
        });
        let request = SyncGroupRequest::default()
            .with_group_id(self.group())
            .with_member_id(text(&self.member))
            .with_generation_id(self.generation)
            .with_assignments(assignments.collect());
        (3, GroupRequest::SyncGroup(request))
    }

    pub(super) fn heartbeat(&self) -> (i16, GroupRequest) {
        let request = HeartbeatRequest::default()
            .with_group_id(self.group())
            .with_member_id(text(&self.member))
            .with_generation_id(self.generation);
        (3, GroupRequest::Heartbeat(request))
    }

    pub(super) fn leave(&self) -> (i16, GroupRequest) {
        let member = MemberIdentity::default().with_member_id(text(&self.member));
        let request = LeaveGroupRequest::default()
            .with_group_id(self.group())
            .with_member_id(text(&self.member))
            .with_members(vec![member]);
        (3, GroupRequest::LeaveGroup(request))
    }

    pub(super) fn commit(
        &self,
        topic: &str,
        partition: PartitionIndex,
        offset: Offset,
    ) -> (i16, GroupRequest) {
        let partition = OffsetCommitRequestPartition::default()
            .with_partition_index(partition.0)
            .with_committed_offset(offset.0);
        let topic = OffsetCommitRequestTopic::default()
            .with_name(WireTopicName(text(topic)))
            .with_partitions(vec![partition]);
        let request = OffsetCommitRequest::default()
            .with_group_id(self.group())
            .with_member_id(text(&self.member))
            .with_generation_id_or_member_epoch(self.generation)
            .with_topics(vec![topic]);
        (7, GroupRequest::OffsetCommit(request))
    }

    pub(super) fn offsets(&self, topic: &str, partition: PartitionIndex) -> (i16, GroupRequest) {
        let topic = OffsetFetchRequestTopics::default()
            .with_name(WireTopicName(text(topic)))
            .with_partition_indexes(vec![partition.0]);
        let request = OffsetFetchRequestGroup::default()
            .with_group_id(self.group())
            .with_topics(Some(vec![topic]));
        (8, GroupRequest::OffsetFetch(request))
    }
}
