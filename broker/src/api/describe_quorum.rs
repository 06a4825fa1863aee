//! DescribeQuorum: the metadata quorum as its leader sees it (KIP-595, KIP-836, KIP-853).

use std::time::Duration;

use kafka_protocol::messages::describe_quorum_response::{
    Listener, Node, PartitionData, ReplicaState, TopicData,
};
use kafka_protocol::messages::{
    BrokerId as WireBrokerId, DescribeQuorumRequest, DescribeQuorumResponse,
};
use kintsugi_node::message::admin::{QuorumReplica, QuorumView};
use kintsugi_node::message::link::{AdminAnswer, AdminRequest};
use kintsugi_types::{ErrorCode, TimestampMs};
use uuid::Uuid;

use super::answer::{Answer, ApiError};
use super::call::Call;
use super::topics::own;

/// The name that Kafka gives the log of the quorum.
const METADATA_TOPIC: &str = "__cluster_metadata";

/// How long the active controller is waited for.
const WAIT: Duration = Duration::from_secs(10);

/// The name of the listener that controllers are shown with.
const LISTENER: &str = "CONTROLLER";

/// Asks the active controller.
pub async fn serve(call: Call) -> Result<Answer, ApiError> {
    let request: DescribeQuorumRequest = call.decode()?;
    let answer = call.broker().admin(AdminRequest::DescribeQuorum, WAIT);
    let view = match answer.await {
        Some(AdminAnswer::Quorum(view)) => view,
        Some(AdminAnswer::NotDecided(error)) => return failed(&call, error),
        Some(_) => return failed(&call, ErrorCode::UnknownServerError),
        None => return Err(ApiError::NoAnswer),
    };
    let wall = call.broker().clock.wall();
    let topics = request.topics.iter().map(|topic| {
        let is_metadata = &*topic.topic_name.0 == METADATA_TOPIC;
        let partitions = topic.partitions.iter().map(|partition| {
            let data = PartitionData::default().with_partition_index(partition.partition_index);
            match is_metadata && partition.partition_index == 0 {
                true => describe(data, &view, call.version(), wall),
                false => data.with_error_code(ErrorCode::UnknownTopicOrPartition.code()),
            }
        });
        TopicData::default()
            .with_topic_name(topic.topic_name.clone())
            .with_partitions(partitions.collect())
    });
    let mut response = DescribeQuorumResponse::default().with_topics(topics.collect());
    if call.version() >= 2 {
        response = response.with_nodes(view.voters.iter().filter_map(node).collect());
    }
    call.encode::<DescribeQuorumRequest>(&response)
}

fn failed(call: &Call, error: ErrorCode) -> Result<Answer, ApiError> {
    let response = DescribeQuorumResponse::default().with_error_code(error.code());
    call.encode::<DescribeQuorumRequest>(&response)
}

fn describe(
    data: PartitionData,
    view: &QuorumView,
    version: i16,
    wall: TimestampMs,
) -> PartitionData {
    let leader = view.voters.iter().find(|voter| voter.id == view.leader.0);
    let end = leader.map_or(view.high_watermark.0, |leader| leader.log_end.0);
    let state = |replica: &QuorumReplica| state(replica, end, version, wall);
    data.with_leader_id(WireBrokerId(view.leader.0))
        .with_leader_epoch(view.term)
        .with_high_watermark(view.high_watermark.0)
        .with_current_voters(view.voters.iter().map(state).collect())
        .with_observers(view.observers.iter().map(state).collect())
}

/// One replica; `end` is where the leader's log ends. A time that is not known is -1.
fn state(replica: &QuorumReplica, end: i64, version: i16, wall: TimestampMs) -> ReplicaState {
    let state = ReplicaState::default()
        .with_replica_id(WireBrokerId(replica.id))
        .with_log_end_offset(replica.log_end.0);
    if version == 0 {
        return state;
    }
    let heard_ago = replica.heard_ago_ms.and_then(|ago| i64::try_from(ago).ok());
    let heard = heard_ago.map_or(-1, |ago| wall.0.saturating_sub(ago));
    let caught_up = if replica.log_end.0 >= end { heard } else { -1 };
    let state = state
        .with_last_fetch_timestamp(heard)
        .with_last_caught_up_timestamp(caught_up);
    match version {
        1 => state,
        _ => state.with_replica_directory_id(Uuid::from_u128(replica.directory)),
    }
}

fn node(voter: &QuorumReplica) -> Option<Node> {
    let endpoint = voter.endpoint.as_ref()?;
    let listener = Listener::default()
        .with_name(own(LISTENER))
        .with_host(own(&endpoint.host))
        .with_port(endpoint.port);
    let node = Node::default()
        .with_node_id(WireBrokerId(voter.id))
        .with_listeners(vec![listener]);
    Some(node)
}
