//! OffsetForLeaderEpoch: where an epoch ends, for consumers that look whether their position was
//! cut off (KIP-320).

use std::collections::BTreeMap;

use kafka_protocol::messages::offset_for_leader_epoch_request::OffsetForLeaderPartition;
use kafka_protocol::messages::offset_for_leader_epoch_response::{
    EpochEndOffset, OffsetForLeaderTopicResult,
};
use kafka_protocol::messages::{OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse};
use kintsugi_node::message::shard::{EpochEndAnswer, EpochQuery};
use kintsugi_types::{ErrorCode, LeaderEpoch, PartitionId, PartitionIndex};

use super::answer::{Answer, ApiError};
use super::call::Call;
use super::topics;

type Place = (usize, usize);

/// Asks the shards that own the partitions.
pub async fn serve(call: Call) -> Result<Answer, ApiError> {
    let request: OffsetForLeaderEpochRequest = call.decode()?;
    let published = call.broker().image();
    let mut results: BTreeMap<Place, EpochEndOffset> = BTreeMap::new();
    let mut queries: BTreeMap<u16, Vec<(Place, EpochQuery)>> = BTreeMap::new();
    for (t, topic) in request.topics.iter().enumerate() {
        let image = topics::topic(&published, &topic.topic);
        for (p, asked) in topic.partitions.iter().enumerate() {
            let index = PartitionIndex(asked.partition);
            match image.and_then(|image| topics::partition(image, index)) {
                Some(partition) => {
                    let shard = call.broker().shard_of(partition);
                    let query = ((t, p), query(partition, asked));
                    queries.entry(shard).or_default().push(query);
                }
                None => {
                    let error = ErrorCode::UnknownTopicOrPartition;
                    results.insert((t, p), failed(asked, error));
                }
            }
        }
    }
    let mut asked = Vec::with_capacity(queries.len());
    for (shard, queries) in queries {
        let (places, queries): (Vec<Place>, Vec<EpochQuery>) = queries.into_iter().unzip();
        asked.push((places, call.broker().epoch_ends(shard, queries)));
    }
    for (places, answer) in asked {
        let answer = answer.await.map_err(|_| ApiError::NoAnswer)?;
        for (place, answer) in places.into_iter().zip(answer) {
            results.insert(place, found(&answer));
        }
    }
    let topics = request.topics.iter().enumerate().map(|(t, topic)| {
        let partitions = topic.partitions.iter().enumerate().map(|(p, asked)| {
            let unanswered = || failed(asked, ErrorCode::UnknownServerError);
            results.remove(&(t, p)).unwrap_or_else(unanswered)
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
