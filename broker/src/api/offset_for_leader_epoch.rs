//! OffsetForLeaderEpoch: where an epoch ends, for consumers that look whether their position was
//! cut off (KIP-320).

use kafka_protocol::messages::offset_for_leader_epoch_request::OffsetForLeaderPartition;
use kafka_protocol::messages::offset_for_leader_epoch_response::{
    EpochEndOffset, OffsetForLeaderTopicResult,
};
use kafka_protocol::messages::{OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse};
use kintsugi_node::message::shard::{EpochEndAnswer, EpochQuery};
use kintsugi_types::{ErrorCode, LeaderEpoch, PartitionId};

use super::answer::{Answer, ApiError};
use super::call::Call;
use super::per_shard;

/// Asks the shards that own the partitions.
pub async fn serve(call: Call) -> Result<Answer, ApiError> {
    let request: OffsetForLeaderEpochRequest = call.decode()?;
    let topics = request.topics.iter().map(|topic| per_shard::Topic {
        name: &topic.topic,
        partitions: &topic.partitions,
    });
    let answers = per_shard::ask(
        &call,
        &topics.collect::<Vec<_>>(),
        |asked| asked.partition,
        query,
        |shard, queries| call.broker().epoch_ends(shard, queries),
    )
    .await?;
    let topics = request.topics.iter().zip(answers).map(|(topic, answers)| {
        let partitions = topic.partitions.iter().zip(answers);
        let partitions = partitions.map(|(asked, answer)| match answer {
            Ok(answer) => found(&answer),
            Err(error) => failed(asked, error),
        });
        OffsetForLeaderTopicResult::default()
            .with_topic(topic.topic.clone())
            .with_partitions(partitions.collect())
    });
    let response = OffsetForLeaderEpochResponse::default().with_topics(topics.collect());
    call.encode::<OffsetForLeaderEpochRequest>(&response)
}

fn query(partition: PartitionId, asked: &OffsetForLeaderPartition) -> EpochQuery {
    EpochQuery {
        partition,
        leader_epoch: LeaderEpoch(asked.current_leader_epoch),
        epoch: LeaderEpoch(asked.leader_epoch),
    }
}

fn failed(asked: &OffsetForLeaderPartition, error: ErrorCode) -> EpochEndOffset {
    EpochEndOffset::default()
        .with_partition(asked.partition)
        .with_error_code(error.code())
        .with_leader_epoch(-1)
        .with_end_offset(-1)
}

fn found(answer: &EpochEndAnswer) -> EpochEndOffset {
    EpochEndOffset::default()
        .with_partition(answer.partition.index.0)
        .with_error_code(answer.error.code())
        .with_leader_epoch(answer.epoch.0)
        .with_end_offset(answer.end.0)
}
