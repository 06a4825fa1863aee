//! Produce: record batches on their way to the shards that own their partitions.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;

use bytes::Bytes;
use kintsugi_node::message::shard::{Acks, Produce, Produced};
use kintsugi_types::{BrokerId, ErrorCode, PartitionId};
use kintsugi_wire::batch::{Compression, verify_produced};
use kintsugi_wire::produce::{
    ProducePartition, ProducePartitionResponse, ProduceRequest, ProduceResponse, ProduceTopic,
    ProduceTopicResponse,
};
use tokio::sync::oneshot;

use super::answer::{Answer, ApiError};
use super::call::Call;
use super::configs::max_message_bytes;
use super::topics::OFFSETS_TOPIC;
use super::{leader, topics};
use crate::broker::Published;

/// The first version whose producers know zstd (KIP-110).
const ZSTD_SINCE: i16 = 7;

/// The longest that followers are waited for.
const TIMEOUT_MS_MAX: u32 = 600_000;

type Asked = (u16, oneshot::Receiver<Vec<Produced>>);

/// Hands every batch to its shard, in the order of requests, before it returns.
pub fn serve(call: Call) -> impl Future<Output = Result<Answer, ApiError>> {
    let begun = begin(&call);
    async move {
        let (request, acks, results, asked) = begun?;
        finish(call, request, acks, results, asked).await
    }
}

type Results = BTreeMap<(usize, usize), ProducePartitionResponse>;
/// Where each partition handed to a shard stands in the request.
type Places = BTreeMap<PartitionId, (usize, usize)>;

struct Handed {
    asked: Vec<Asked>,
    places: Places,
    /// Of acks=0 too, where an error closes the connection.
    published: Published,
}

fn begin(call: &Call) -> Result<(ProduceRequest, Option<Acks>, Results, Handed), ApiError> {
    let mut request = ProduceRequest::decode(call.version(), &call.header.body)?;
    let published = call.broker().image();
    let mut results = Results::new();
    let mut places = Places::new();
    let mut batches: BTreeMap<u16, Vec<(PartitionId, Bytes)>> = BTreeMap::new();
    let acks = match request.acks {
        0 => Some(Acks::None),
        1 => Some(Acks::Leader),
        -1 => Some(Acks::All),
        _ => None,
    };
    for (t, topic) in request.topics.iter_mut().enumerate() {
        for p in 0..topic.partitions.len() {
            let checked = match acks {
                Some(_) => check(call, &published, topic, p, &places),
                None => Err(ErrorCode::InvalidRequiredAcks),
            };
            let index = topic.partitions[p].index;
            match checked {
                Ok((partition, batch)) => {
                    places.insert(partition, (t, p));
                    let shard = call.broker().shard_of(partition);
                    batches.entry(shard).or_default().push((partition, batch));
                }
                Err(error) => {
                    let failed = ProducePartitionResponse::failed(index, error);
                    results.insert((t, p), failed);
                }
            }
        }
    }
    let timeout_ms = u32::try_from(request.timeout_ms).unwrap_or(0);
    let mut asked = Vec::with_capacity(batches.len());
    for (shard, batches) in batches {
        let produce = Produce {
            token: call.broker().token(),
            acks: acks.unwrap_or(Acks::All),
            timeout_ms: timeout_ms.min(TIMEOUT_MS_MAX),
            batches,
        };
        asked.push((shard, call.broker().produce(shard, produce)));
    }
    let handed = Handed {
        asked,
        places,
        published,
    };
    Ok((request, acks, results, handed))
}

/// One partition's batch, if it may be appended.
fn check(
    call: &Call,
    published: &Published,
    topic: &mut ProduceTopic,
    p: usize,
    places: &Places,
) -> Result<(PartitionId, Bytes), ErrorCode> {
    if &*topic.name == OFFSETS_TOPIC {
        // Coordinators alone write there.
        return Err(ErrorCode::InvalidTopic);
    }
    let image = topics::topic(published, &topic.name).ok_or(ErrorCode::UnknownTopicOrPartition)?;
    let ProducePartition { index, records } = &mut topic.partitions[p];
    let partition = topics::partition(image, *index).ok_or(ErrorCode::UnknownTopicOrPartition)?;
    if places.contains_key(&partition) {
        return Err(ErrorCode::InvalidRequest);
    }
    let records = records.take().ok_or(ErrorCode::InvalidRecord)?;
    let max_bytes = max_message_bytes(call.broker(), &published.image, image);
    let header = verify_produced(&records, max_bytes).map_err(|cause| {
        tracing::debug!(topic = &*topic.name, %cause, "refused a batch");
        cause.error_code()
    })?;
    let is_zstd = header.attributes.compression() == Some(Compression::Zstd);
    if is_zstd && call.version() < ZSTD_SINCE {
        return Err(ErrorCode::UnsupportedCompressionType);
    }
    Ok((partition, records))
}

async fn finish(
    call: Call,
    request: ProduceRequest,
    acks: Option<Acks>,
    mut results: Results,
    handed: Handed,
) -> Result<Answer, ApiError> {
    let mut leaders: BTreeSet<BrokerId> = BTreeSet::new();
    for (_, answer) in handed.asked {
        // No answer from a shard: whether it appended is not known, so nothing is said.
        for produced in answer.await.map_err(|_| ApiError::NoAnswer)? {
            let Some(place) = handed.places.get(&produced.partition) else {
                continue;
            };
            let current_leader = leader::current_leader(produced.current_leader);
            leaders.extend(current_leader.map(|hint| hint.leader));
            let result = ProducePartitionResponse {
                index: produced.partition.index,
                error_code: produced.error,
                base_offset: produced.base_offset,
                log_append_time: produced.log_append_time,
                log_start_offset: produced.log_start,
                error_message: None,
                current_leader,
            };
            results.insert(*place, result);
        }
    }
    if acks == Some(Acks::None) {
        // Nobody reads an answer, so that a closed connection is the only way to tell an error.
        let is_failed = results.values().any(|result| !result.error_code.is_none());
        return Ok(if is_failed {
            Answer::Close
        } else {
            Answer::Nothing
        });
    }
    let mut answers = Vec::with_capacity(request.topics.len());
    for (t, topic) in request.topics.iter().enumerate() {
        let partitions = topic.partitions.iter().enumerate().map(|(p, partition)| {
            let unanswered = || {
                let error = ErrorCode::UnknownServerError;
                ProducePartitionResponse::failed(partition.index, error)
            };
            results.remove(&(t, p)).unwrap_or_else(unanswered)
        });
        answers.push(ProduceTopicResponse {
            partitions: partitions.collect(),
            name: topic.name.clone(),
        });
    }
    let response = ProduceResponse {
        topics: answers,
        throttle_time_ms: 0,
        node_endpoints: leader::node_endpoints(&handed.published, &leaders),
    };
    Ok(response
        .encode(call.version(), call.header.correlation_id)?
        .into())
}
