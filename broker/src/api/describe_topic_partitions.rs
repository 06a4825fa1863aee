//! DescribeTopicPartitions: topics with their ELR, a page at a time (KIP-966).

use std::collections::BTreeSet;
use std::sync::Arc;

use kafka_protocol::messages::describe_topic_partitions_response::{
    Cursor, DescribeTopicPartitionsResponsePartition, DescribeTopicPartitionsResponseTopic,
};
use kafka_protocol::messages::{
    BrokerId as WireBrokerId, DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse,
};
use kintsugi_metadata::{PartitionState, TopicImage};
use kintsugi_node::message::broker::MetadataView;
use kintsugi_types::{BrokerId, ErrorCode, PartitionIndex, TopicName};

use super::answer::{Answer, ApiError};
use super::call::Call;
use super::metadata::{OPERATIONS_UNKNOWN, leader_of};
use super::topics::{OFFSETS_TOPIC, own};

/// The most partitions of one answer (`max.request.partition.size.limit`, Kafka's default).
const PARTITIONS_MAX: usize = 2_000;

/// Answers with the topics asked for, or all, in order of their names.
pub async fn serve(call: Call) -> Result<Answer, ApiError> {
    let request: DescribeTopicPartitionsRequest = call.decode()?;
    let view = call.broker().metadata(None).await;
    let view = view.ok_or(ApiError::NoAnswer)?;
    let from = request.cursor.as_ref();
    let from_name = from.map_or("", |cursor| &*cursor.topic_name);
    let names: BTreeSet<&str> = match request.topics.is_empty() {
        true => view.image.names.keys().map(TopicName::as_str).collect(),
        false => request.topics.iter().map(|topic| &**topic.name).collect(),
    };
    let asked = usize::try_from(request.response_partition_limit).unwrap_or(0);
    let mut left = asked.clamp(1, PARTITIONS_MAX);
    let mut topics = Vec::new();
    let mut next_cursor = None;
    for name in names.range(from_name..) {
        let first = from.filter(|cursor| &**cursor.topic_name == *name);
        let first = PartitionIndex(first.map_or(0, |cursor| cursor.partition_index));
        let found: Option<TopicName> = name.parse().ok();
        let Some(topic) = found.and_then(|name| view.image.topic_named(&name)) else {
            topics.push(unknown(name));
            continue;
        };
        if left == 0 {
            next_cursor = Some(cursor(name, first));
            break;
        }
        let page = topic.partitions.range(first..).take(left);
        let page: Vec<_> = page
            .map(|(index, state)| describe_partition(&view, *index, state))
            .collect();
        left -= page.len();
        let next = page.last().map_or(first.0, |last| last.partition_index + 1);
        topics.push(describe(topic, page));
        if topic.partitions.contains_key(&PartitionIndex(next)) {
            next_cursor = Some(cursor(name, PartitionIndex(next)));
            break;
        }
    }
    let response = DescribeTopicPartitionsResponse::default()
        .with_topics(topics)
        .with_next_cursor(next_cursor);
    call.encode::<DescribeTopicPartitionsRequest>(&response)
}

fn cursor(name: &str, index: PartitionIndex) -> Cursor {
    Cursor::default()
        .with_topic_name(own(name).into())
        .with_partition_index(index.0)
}

fn unknown(name: &str) -> DescribeTopicPartitionsResponseTopic {
    DescribeTopicPartitionsResponseTopic::default()
        .with_error_code(ErrorCode::UnknownTopicOrPartition.code())
        .with_name(Some(own(name).into()))
        .with_topic_authorized_operations(OPERATIONS_UNKNOWN)
}

fn describe(
    topic: &TopicImage,
    partitions: Vec<DescribeTopicPartitionsResponsePartition>,
) -> DescribeTopicPartitionsResponseTopic {
    DescribeTopicPartitionsResponseTopic::default()
        .with_name(Some(own(topic.name.as_str()).into()))
        .with_topic_id(topic.id.0)
        .with_is_internal(topic.name.as_str() == OFFSETS_TOPIC)
        .with_partitions(partitions)
        .with_topic_authorized_operations(OPERATIONS_UNKNOWN)
}

fn describe_partition(
    view: &MetadataView,
    index: PartitionIndex,
    state: &Arc<PartitionState>,
) -> DescribeTopicPartitionsResponsePartition {
    let wire = |ids: &[BrokerId]| ids.iter().map(|id| WireBrokerId(id.0)).collect();
    let leader = leader_of(view, state);
    let error = match leader {
        Some(_) => ErrorCode::None,
        None => ErrorCode::LeaderNotAvailable,
    };
    let is_offline = |id: &&BrokerId| !view.image.is_unfenced(**id);
    let offline: Vec<BrokerId> = state.replicas.iter().filter(is_offline).copied().collect();
    let last_known: Vec<BrokerId> = state.last_known_leader.into_iter().collect();
    DescribeTopicPartitionsResponsePartition::default()
        .with_error_code(error.code())
        .with_partition_index(index.0)
        .with_leader_id(WireBrokerId(leader.map_or(-1, |leader| leader.0)))
        .with_leader_epoch(state.leader_epoch.0)
        .with_replica_nodes(wire(&state.replicas))
        .with_isr_nodes(wire(&state.isr))
        .with_eligible_leader_replicas(Some(wire(&state.elr)))
        .with_last_known_elr(Some(wire(&last_known)))
        .with_offline_replicas(wire(&offline))
}
