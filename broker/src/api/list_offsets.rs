//! ListOffsets: the first, the last, and the offset of a time.

use kafka_protocol::messages::list_offsets_request::ListOffsetsPartition;
use kafka_protocol::messages::list_offsets_response::{
    ListOffsetsPartitionResponse, ListOffsetsTopicResponse,
};
use kafka_protocol::messages::{ListOffsetsRequest, ListOffsetsResponse};
use kintsugi_node::message::shard::{OffsetAnswer, OffsetQuery};
use kintsugi_types::{ErrorCode, LeaderEpoch, PartitionId, TimestampMs};

use super::answer::{Answer, ApiError};
use super::call::Call;
use super::per_shard;

/// The first version that tells the leader epoch (KIP-320).
const LEADER_EPOCH_SINCE: i16 = 4;

/// Asks the shards that own the partitions.
pub async fn serve(call: Call) -> Result<Answer, ApiError> {
    let request: ListOffsetsRequest = call.decode()?;
    let topics = request.topics.iter().map(|topic| per_shard::Topic {
        name: &topic.name,
        partitions: &topic.partitions,
    });
    let answers = per_shard::ask(
        &call,
        &topics.collect::<Vec<_>>(),
        |asked| asked.partition_index,
        query,
        |shard, queries| call.broker().list_offsets(shard, queries),
    )
    .await?;
    let topics = request.topics.iter().zip(answers).map(|(topic, answers)| {
        let partitions = topic.partitions.iter().zip(answers);
        let partitions = partitions.map(|(asked, answer)| match answer {
            Ok(answer) => found(call.version(), &answer),
            Err(error) => failed(asked, error),
        });
        ListOffsetsTopicResponse::default()
            .with_name(topic.name.clone())
            .with_partitions(partitions.collect())
    });
    let response = ListOffsetsResponse::default().with_topics(topics.collect());
    call.encode::<ListOffsetsRequest>(&response)
}

fn query(partition: PartitionId, asked: &ListOffsetsPartition) -> OffsetQuery {
    OffsetQuery {
        partition,
        leader_epoch: LeaderEpoch(asked.current_leader_epoch),
        timestamp: TimestampMs(asked.timestamp),
    }
}

fn failed(asked: &ListOffsetsPartition, error: ErrorCode) -> ListOffsetsPartitionResponse {
    ListOffsetsPartitionResponse::default()
        .with_partition_index(asked.partition_index)
        .with_error_code(error.code())
        .with_offset(-1)
        .with_timestamp(-1)
}

fn found(version: i16, answer: &OffsetAnswer) -> ListOffsetsPartitionResponse {
    let found = ListOffsetsPartitionResponse::default()
        .with_partition_index(answer.partition.index.0)
        .with_error_code(answer.error.code())
        .with_offset(answer.offset.0)
        .with_timestamp(answer.timestamp.0);
    match version >= LEADER_EPOCH_SINCE {
        true => found.with_leader_epoch(answer.leader_epoch.0),
        false => found,
    }
}
