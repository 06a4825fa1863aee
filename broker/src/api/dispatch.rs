//! From a frame to its handler.

use std::sync::Arc;

use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use kintsugi_wire::api::ApiKey;
use kintsugi_wire::frame::{HeaderError, RequestHeader};

use super::answer::{Answer, Answering, ApiError};
use super::call::{Call, Context};
use super::{
    alter_partition_reassignments, api_versions, configs, create_partitions, create_topics,
    delete_groups, delete_records, delete_topics, describe_cluster, describe_groups,
    describe_log_dirs, describe_quorum, describe_topic_partitions, elect_leaders, fetch,
    find_coordinator, groups, init_producer_id, list_groups, list_offsets,
    list_partition_reassignments, metadata, offset_commit, offset_delete, offset_fetch,
    offset_for_leader_epoch, produce, unregister_broker,
};

/// What serves an API. It has sent to shards whatever goes there when it returns.
pub type Handler = fn(Call) -> BoxFuture<'static, Result<Answer, ApiError>>;

/// The handler of each API. Every key of the table has one: the compiler sees to it.
pub fn handler(key: ApiKey) -> Handler {
    match key {
        ApiKey::Produce => |call| produce::serve(call).boxed(),
        ApiKey::Fetch => |call| fetch::serve(call).boxed(),
        ApiKey::ListOffsets => |call| list_offsets::serve(call).boxed(),
        ApiKey::OffsetForLeaderEpoch => |call| offset_for_leader_epoch::serve(call).boxed(),
        ApiKey::Metadata => |call| metadata::serve(call).boxed(),
        ApiKey::ApiVersions => |call| api_versions::serve(call).boxed(),
        ApiKey::CreateTopics => |call| create_topics::serve(call).boxed(),
        ApiKey::DeleteTopics => |call| delete_topics::serve(call).boxed(),
        ApiKey::InitProducerId => |call| init_producer_id::serve(call).boxed(),
        ApiKey::DescribeConfigs => |call| configs::describe(call).boxed(),
        ApiKey::AlterConfigs => |call| configs::alter(call).boxed(),
        ApiKey::IncrementalAlterConfigs => |call| configs::incremental_alter(call).boxed(),
        ApiKey::DescribeCluster => |call| describe_cluster::serve(call).boxed(),
        ApiKey::FindCoordinator => |call| find_coordinator::serve(call).boxed(),
        ApiKey::JoinGroup => |call| groups::join_group(call).boxed(),
        ApiKey::SyncGroup => |call| groups::sync_group(call).boxed(),
        ApiKey::Heartbeat => |call| groups::heartbeat(call).boxed(),
        ApiKey::LeaveGroup => |call| groups::leave_group(call).boxed(),
        ApiKey::OffsetCommit => |call| offset_commit::serve(call).boxed(),
        ApiKey::OffsetDelete => |call| offset_delete::serve(call).boxed(),
        ApiKey::OffsetFetch => |call| offset_fetch::serve(call).boxed(),
        ApiKey::DescribeGroups => |call| describe_groups::serve(call).boxed(),
        ApiKey::ListGroups => |call| list_groups::serve(call).boxed(),
        ApiKey::DeleteGroups => |call| delete_groups::serve(call).boxed(),
        ApiKey::AlterPartitionReassignments => {
            |call| alter_partition_reassignments::serve(call).boxed()
        }
        ApiKey::ListPartitionReassignments => {
            |call| list_partition_reassignments::serve(call).boxed()
        }
        ApiKey::CreatePartitions => |call| create_partitions::serve(call).boxed(),
        ApiKey::DeleteRecords => |call| delete_records::serve(call).boxed(),
        ApiKey::DescribeLogDirs => |call| describe_log_dirs::serve(call).boxed(),
        ApiKey::ElectLeaders => |call| elect_leaders::serve(call).boxed(),
        ApiKey::DescribeQuorum => |call| describe_quorum::serve(call).boxed(),
        ApiKey::UnregisterBroker => |call| unregister_broker::serve(call).boxed(),
        ApiKey::DescribeTopicPartitions => |call| describe_topic_partitions::serve(call).boxed(),
    }
}

/// Whether a request is answered before the broker's image has reached its own registration: only
/// ApiVersions, so that clients find an open port and no empty metadata.
pub fn is_served_before_ready(frame: &Bytes) -> bool {
    frame
        .first_chunk()
        .is_some_and(|key| i16::from_be_bytes(*key) == ApiKey::ApiVersions as i16)
}

/// Whether an answer may be many times as large as its request: it is not begun while there is no
/// room for it. None of them changes anything, so none has to keep its place among those that do.
const fn lists_much(key: ApiKey) -> bool {
    matches!(
        key,
        ApiKey::Metadata
            | ApiKey::ApiVersions
            | ApiKey::DescribeConfigs
            | ApiKey::DescribeGroups
            | ApiKey::DescribeLogDirs
            | ApiKey::DescribeTopicPartitions
            | ApiKey::ListGroups
            | ApiKey::ListOffsets
            | ApiKey::ListPartitionReassignments
            | ApiKey::OffsetFetch
    )
}

/// Counts the memory of an answer that does not yet.
fn count(answer: &mut Answer, context: &Context) {
    if let Answer::Frame { pieces, memory } = answer
        && memory.is_none()
    {
        let size_bytes = pieces.iter().map(Bytes::len).sum();
        *memory = Some(context.listings.hold(size_bytes));
    }
}

/// Begins to serve a request; `None` when its connection is to be closed.
pub fn begin(context: &Arc<Context>, frame: Bytes) -> Option<Answering> {
    let metrics = context.broker.metrics.clone();
    let header = match RequestHeader::parse(&frame) {
        Ok(header) => header,
        Err(HeaderError::UnsupportedApiVersions { correlation_id, .. }) => {
            let answer = api_versions::unsupported(correlation_id);
            return Some(async move { answer.unwrap_or(Answer::Close) }.boxed());
        }
        Err(cause) => {
            metrics.limit("request.refused");
            tracing::debug!(peer = ?context.peer, %cause, "closed a client's connection");
            return None;
        }
    };
    let name = header.api.name;
    let serve = handler(header.api.key);
    let api = header.api;
    metrics.traffic.requests.of(api).requests.inc();
    let started = std::time::Instant::now();
    let peer = context.peer;
    let refused = metrics
        .traffic
        .limited
        .with_label_values(&["request.failed"]);
    let waits = lists_much(header.api.key);
    let serving = serve(Call {
        context: Arc::clone(context),
        header,
    });
    let context = Arc::clone(context);
    Some(
        async move {
            if waits && context.listings.is_short() {
                metrics.limit("kintsugi.answer.memory.bytes");
                context.listings.room().await;
            }
            let result = serving.await;
            metrics.traffic.requests.of(api).took(started.elapsed());
            let mut answer = result.unwrap_or_else(|cause| {
                refused.inc();
                tracing::debug!(
                    ?peer,
                    api = name,
                    cause = crate::thread::chain(&cause),
                    "closed a client's connection"
                );
                Answer::Close
            });
            count(&mut answer, &context);
            answer
        }
        .boxed(),
    )
}
