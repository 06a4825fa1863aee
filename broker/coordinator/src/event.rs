//! What goes in and comes out.

use bytes::Bytes;
use kafka_protocol::messages::delete_groups_response::DeletableGroupResult;
use kafka_protocol::messages::describe_groups_response::DescribedGroup;
use kafka_protocol::messages::list_groups_response::ListedGroup;
use kafka_protocol::messages::offset_fetch_request::OffsetFetchRequestGroup;
use kafka_protocol::messages::offset_fetch_response::OffsetFetchResponseGroup;
use kafka_protocol::messages::{
    HeartbeatRequest, HeartbeatResponse, JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest,
    LeaveGroupResponse, OffsetCommitRequest, OffsetCommitResponse, OffsetDeleteRequest,
    OffsetDeleteResponse, SyncGroupRequest, SyncGroupResponse,
};
use kintsugi_types::{ErrorCode, Offset, PartitionIndex, TopicName};

use crate::id::GroupId;

/// Who sent a request; shown by DescribeGroups.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Client {
    /// `client.id`.
    pub id: String,
    /// The address it connects from.
    pub host: String,
}

/// Something that happened.
#[derive(Clone, PartialEq, Debug)]
#[allow(
    clippy::large_enum_variant,
    reason = "an event is handed over at once, never kept"
)]
pub enum Event {
    /// A client asks. Answered by one [`Command::Respond`] with the same token.
    Request {
        /// The caller's mark, not used by another request that still awaits its answer.
        token: u64,
        /// The version of the request, which the response is encoded in.
        version: i16,
        /// Who asks.
        client: Client,
        /// What.
        request: GroupRequest,
    },
    /// A batch of [`Command::Append`] is committed (below the high watermark), or is not and will
    /// not be as far as is known.
    Appended {
        /// The append's mark.
        append_token: u64,
        /// The error of the append, if it failed.
        result: Result<(), ErrorCode>,
    },
    /// The moment of [`crate::Coordinator::next_wake`] has come.
    Wake,
    /// These topics are no more: offsets of them that were committed until now go, too.
    TopicsDeleted {
        /// Their names.
        topics: Vec<TopicName>,
    },
    /// Everything that is known is to be appended anew, so that the log before is not needed any
    /// more. Answered by one [`Command::Rewritten`], unless the coordinator resigns before. Does
    /// nothing while an earlier one is under way.
    Rewrite,
}

/// A request, of one group. Requests that name several groups are taken apart by the caller, for
/// the groups may live in different partitions.
#[derive(Clone, PartialEq, Debug)]
#[allow(missing_docs)]
pub enum GroupRequest {
    JoinGroup(JoinGroupRequest),
    SyncGroup(SyncGroupRequest),
    Heartbeat(HeartbeatRequest),
    LeaveGroup(LeaveGroupRequest),
    OffsetCommit(OffsetCommitRequest),
    OffsetFetch(OffsetFetchRequestGroup),
    OffsetDelete(OffsetDeleteRequest),
    DescribeGroup(GroupId),
    DeleteGroup(GroupId),
    /// The groups of this partition, in one of these states and of one of these types (by Kafka's
    /// names in any case; none: of any).
    ListGroups {
        states: Vec<String>,
        types: Vec<String>,
    },
    /// What the groups of this partition have committed.
    ListCommitted,
}

/// What one group has committed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CommittedOffsets {
    /// The group.
    pub group: GroupId,
    /// How many members it has.
    pub members: usize,
    /// The next record that it wants, by partition, in order.
    pub offsets: Vec<(TopicName, PartitionIndex, Offset)>,
}

/// The answer to the request of the same name.
#[derive(Clone, PartialEq, Debug)]
#[allow(missing_docs)]
pub enum GroupResponse {
    JoinGroup(JoinGroupResponse),
    SyncGroup(SyncGroupResponse),
    Heartbeat(HeartbeatResponse),
    LeaveGroup(LeaveGroupResponse),
    OffsetCommit(OffsetCommitResponse),
    OffsetFetch(OffsetFetchResponseGroup),
    OffsetDelete(OffsetDeleteResponse),
    DescribeGroup(DescribedGroup),
    DeleteGroup(DeletableGroupResult),
    ListGroups(Vec<ListedGroup>),
    ListCommitted(Vec<CommittedOffsets>),
}

/// Something to do, in order.
#[derive(Clone, PartialEq, Debug)]
pub enum Command {
    /// Append this batch to the coordinator's partition with acks=all, and report it with
    /// [`Event::Appended`]. Its base offset and leader epoch are not stamped.
    Append {
        /// The mark to report it with.
        append_token: u64,
        /// One uncompressed batch.
        batch: Bytes,
    },
    /// Answer a request.
    Respond {
        /// The request's mark.
        token: u64,
        /// The answer.
        response: GroupResponse,
    },
    /// What [`Event::Rewrite`] asked for is done, or given up.
    Rewritten {
        /// Whether all is committed: then nothing before the log's end at the time of the event is
        /// needed any more.
        is_done: bool,
        /// The bytes of all batches that it took.
        size_bytes: usize,
    },
}
