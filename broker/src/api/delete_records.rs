//! DeleteRecords: the start of logs moves up, on every live replica.

use std::collections::BTreeMap;

use kafka_protocol::messages::delete_records_response::{
    DeleteRecordsPartitionResult, DeleteRecordsTopicResult,
};
use kafka_protocol::messages::{DeleteRecordsRequest, DeleteRecordsResponse};
use kintsugi_types::{ErrorCode, Offset, PartitionId, PartitionIndex};

use super::answer::{Answer, ApiError};
use super::call::Call;
use super::topics::{self, OFFSETS_TOPIC};

type Place = (usize, usize);

/// Asks the shards that own the partitions.
pub async fn serve(call: Call) -> Result<Answer, ApiError> {
    let request: DeleteRecordsRequest = call.decode()?;
    let published = call.broker().image();
    let mut results: BTreeMap<Place, DeleteRecordsPartitionResult> = BTreeMap::new();
    let mut places: BTreeMap<PartitionId, Place> = BTreeMap::new();
    let mut parts: BTreeMap<u16, Vec<(PartitionId, Offset)>> = BTreeMap::new();
    for (t, topic) in request.topics.iter().enumerate() {
        let image = topics::topic(&published, &topic.name);
        for (p, asked) in topic.partitions.iter().enumerate() {
            let index = PartitionIndex(asked.partition_index);
            let found = match image.and_then(|image| topics::partition(image, index)) {
                // Its coordinator deletes there what it needs no more.
                _ if &**topic.name == OFFSETS_TOPIC => Err(ErrorCode::InvalidTopic),
                None => Err(ErrorCode::UnknownTopicOrPartition),
                Some(partition) if places.contains_key(&partition) => {
                    Err(ErrorCode::InvalidRequest)
                }
                Some(partition) => Ok(partition),
            };
            match found {
                Ok(partition) => {
                    places.insert(partition, (t, p));
                    let part = (partition, Offset(asked.offset));
                    let shard = call.broker().shard_of(partition);
                    parts.entry(shard).or_default().push(part);
                }
                Err(error) => _ = results.insert((t, p), result(asked.partition_index, error, -1)),
            }
        }
    }
    let wait_ms = u32::try_from(request.timeout_ms).unwrap_or(0);
    let asked = parts.into_iter();
    let asked: Vec<_> = asked
        .map(|(shard, before)| call.broker().delete_records(shard, before, wait_ms))
        .collect();
    for answer in asked {
        for deleted in answer.await.map_err(|_| ApiError::NoAnswer)? {
            if let Some(place) = places.get(&deleted.partition) {
                let index = deleted.partition.index.0;
                let low_watermark = deleted.low_watermark.0;
                results.insert(*place, result(index, deleted.error, low_watermark));
            }
        }
    }
    let topics = request.topics.iter().enumerate().map(|(t, topic)| {
        let partitions = topic.partitions.iter().enumerate().map(|(p, asked)| {
            let error = ErrorCode::UnknownServerError;
            let unanswered = || result(asked.partition_index, error, -1);
            results.remove(&(t, p)).unwrap_or_else(unanswered)
        });
        DeleteRecordsTopicResult::default()
            .with_name(topic.name.clone())
            .with_partitions(partitions.collect())
    });
    let response = DeleteRecordsResponse::default().with_topics(topics.collect());
    call.encode::<DeleteRecordsRequest>(&response)
}

fn result(index: i32, error: ErrorCode, low_watermark: i64) -> DeleteRecordsPartitionResult {
    DeleteRecordsPartitionResult::default()
        .with_partition_index(index)
        .with_error_code(error.code())
        .with_low_watermark(low_watermark)
}
