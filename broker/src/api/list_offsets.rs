//! ListOffsets: the first, the last, and the offset of a time.

use std::collections::BTreeMap;

use kafka_protocol::messages::list_offsets_request::ListOffsetsPartition;
use kafka_protocol::messages::list_offsets_response::{
    ListOffsetsPartitionResponse, ListOffsetsTopicResponse,
};
use kafka_protocol::messages::{ListOffsetsRequest, ListOffsetsResponse};
use kintsugi_node::message::shard::{OffsetAnswer, OffsetQuery};
use kintsugi_types::{ErrorCode, LeaderEpoch, PartitionId, PartitionIndex, TimestampMs};

use super::answer::{Answer, ApiError};
use super::call::Call;
use super::topics;

/// The first version that tells the leader epoch (KIP-320).
const LEADER_EPOCH_SINCE: i16 = 4;

type Place = (usize, usize);

/// Asks the shards that own the partitions.
pub async fn serve(call: Call) -> Result<Answer, ApiError> {
    let request: ListOffsetsRequest = call.decode()?;
    let published = call.broker().image();
    let mut results: BTreeMap<Place, ListOffsetsPartitionResponse> = BTreeMap::new();
    let mut queries: BTreeMap<u16, Vec<(Place, OffsetQuery)>> = BTreeMap::new();
    for (t, topic) in request.topics.iter().enumerate() {
        let image = topics::topic(&published, &topic.name);
        for (p, asked) in topic.partitions.iter().enumerate() {
            let index = PartitionIndex(asked.partition_index);
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
        let (places, positions): (Vec<Place>, Vec<OffsetQuery>) = queries.into_iter().unzip();
        asked.push((places, call.broker().list_offsets(shard, positions)));
    }
    for (places, answer) in asked {
        let answer = answer.await.map_err(|_| ApiError::NoAnswer)?;
        for (place, answer) in places.into_iter().zip(answer) {
            results.insert(place, found(call.version(), &answer));
        }
    }
    let topics = request.topics.iter().enumerate().map(|(t, topic)| {
        let partitions = topic.partitions.iter().enumerate().map(|(p, asked)| {
            let unanswered = || failed(asked, ErrorCode::UnknownServerError);
            results.remove(&(t, p)).unwrap_or_else(unanswered)
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
