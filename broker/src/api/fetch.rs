//! Fetch: records for consumers. Sessions are answered by none (session id 0), which is legal:
//! the client then names all its partitions each time.

use std::collections::BTreeMap;
use std::future::Future;
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use kintsugi_node::message::shard::{ClientPosition, Fetch, Fetched, Token};
use kintsugi_types::{BrokerId, ErrorCode};
use kintsugi_wire::batch::{Compression, split};
use kintsugi_wire::fetch::{
    FetchPartition, FetchPartitionResponse, FetchRequest, FetchResponse, FetchTopicResponse,
};
use tokio::sync::oneshot;

use super::answer::{Answer, ApiError};
use super::call::Call;
use super::topics;
use crate::broker::FetchAnswer;

/// The first version whose consumers know zstd (KIP-110).
const ZSTD_SINCE: i16 = 10;

/// The longest that a consumer may wait for records.
const WAIT_MS_MAX: u32 = 600_000;

/// What a fetch carries at most while memory is short: one batch a partition still comes.
const SHORT_BYTES: u32 = 1;

type Place = (usize, usize);
type Results = BTreeMap<Place, FetchPartitionResponse>;

/// What one shard is asked.
struct Part {
    shard: u16,
    positions: Vec<ClientPosition>,
    places: Vec<Place>,
}

/// Asks the shards, in the order of requests, before it returns.
pub fn serve(call: Call) -> impl Future<Output = Result<Answer, ApiError>> {
    let started = Instant::now();
    let begun = begin(&call);
    async move {
        let (request, results, parts) = match begun? {
            Begun::Asked(request, results, parts) => (request, results, parts),
            Begun::Refused(error) => {
                let response = FetchResponse {
                    error_code: Some(error),
                    ..FetchResponse::default()
                };
                return encode(&call, response, 0);
            }
        };
        let (metrics, api) = (call.broker().metrics.clone(), call.header.api);
        let (answer, held) = finish(call, request, results, parts).await?;
        let worked = started.elapsed().saturating_sub(held);
        metrics.traffic.requests.of(api).worked(worked);
        Ok(answer)
    }
}

enum Begun {
    Asked(FetchRequest, Results, Vec<Asked>),
    Refused(ErrorCode),
}

struct Asked {
    part: Part,
    token: Token,
    answer: oneshot::Receiver<FetchAnswer>,
}

fn begin(call: &Call) -> Result<Begun, ApiError> {
    let request = FetchRequest::decode(call.version(), &call.header.body)?;
    if request.session_id != 0 {
        return Ok(Begun::Refused(ErrorCode::FetchSessionIdNotFound));
    }
    if request.replica_id.0 >= 0 {
        // Followers have a listener of their own.
        return Ok(Begun::Refused(ErrorCode::InvalidRequest));
    }
    let published = call.broker().image();
    let mut results = Results::new();
    let mut parts: BTreeMap<u16, Part> = BTreeMap::new();
    for (t, topic) in request.topics.iter().enumerate() {
        let image = topics::topic(&published, &topic.name);
        for (p, asked) in topic.partitions.iter().enumerate() {
            let Some(partition) = image.and_then(|image| topics::partition(image, asked.index))
            else {
                let error = ErrorCode::UnknownTopicOrPartition;
                results.insert((t, p), FetchPartitionResponse::failed(asked.index, error));
                continue;
            };
            let shard = call.broker().shard_of(partition);
            let part = parts.entry(shard).or_insert_with(|| Part {
                shard,
                positions: Vec::new(),
                places: Vec::new(),
            });
            part.places.push((t, p));
            part.positions.push(position(partition, asked));
        }
    }
    // An error is an answer that nobody should wait for.
    let wait_ms = match results.is_empty() {
        true => u32::try_from(request.max_wait_ms).unwrap_or(0),
        false => 0,
    };
    let min_bytes = u32::try_from(request.min_bytes).unwrap_or(0);
    // The answer's limit is shared by the shards that are asked.
    let shards = u32::try_from(parts.len()).unwrap_or(u32::MAX).max(1);
    let max_bytes = max_bytes(call, &request) / shards;
    let asked = parts
        .into_values()
        .map(|part| ask(call, part, min_bytes, max_bytes, wait_ms.min(WAIT_MS_MAX)))
        .collect();
    Ok(Begun::Asked(request, results, asked))
}

fn position(partition: kintsugi_types::PartitionId, asked: &FetchPartition) -> ClientPosition {
    ClientPosition {
        partition,
        leader_epoch: asked.current_leader_epoch,
        offset: asked.fetch_offset,
        max_bytes: u32::try_from(asked.max_bytes).unwrap_or(0),
    }
}

fn max_bytes(call: &Call, request: &FetchRequest) -> u32 {
    if call.context.answers.is_short() {
        call.broker().metrics.limit("kintsugi.fetch.memory.bytes");
        return SHORT_BYTES;
    }
    let limit = call.broker().settings.number("fetch.max.bytes");
    let limit = u32::try_from(limit).unwrap_or(u32::MAX);
    u32::try_from(request.max_bytes).unwrap_or(0).min(limit)
}

fn ask(call: &Call, part: Part, min_bytes: u32, max_bytes: u32, max_wait_ms: u32) -> Asked {
    let token = call.broker().token();
    let fetch = Fetch {
        token,
        positions: part.positions.clone(),
        min_bytes,
        max_bytes,
        max_wait_ms,
    };
    let answer = call.broker().fetch(part.shard, fetch);
    Asked {
        part,
        token,
        answer,
    }
}

/// Tells a shard, when its asker has gone, that nobody waits.
struct CancelOnDrop {
    call: Call,
    waiting: BTreeMap<Token, u16>,
}

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        for (token, shard) in &self.waiting {
            self.call.broker().cancel(*shard, *token);
        }
    }
}

/// The answer, and how long it waited for records to come: what the shards that wait together
/// waited.
async fn finish(
    call: Call,
    request: FetchRequest,
    mut results: Results,
    asked: Vec<Asked>,
) -> Result<(Answer, Duration), ApiError> {
    let mut guard = CancelOnDrop {
        call: call.clone(),
        waiting: asked.iter().map(|a| (a.token, a.part.shard)).collect(),
    };
    let mut waiting: FuturesUnordered<_> = asked.into_iter().map(answered).collect();
    let mut is_cut_short = false;
    let mut longest_held = Duration::ZERO;
    while let Some((part, token, answer)) = waiting.next().await {
        guard.waiting.remove(&token);
        let Ok(FetchAnswer {
            results: answer,
            held,
        }) = answer
        else {
            if is_cut_short {
                // Cancelled below; its second asking is on the way.
                continue;
            }
            return Err(ApiError::NoAnswer);
        };
        longest_held = longest_held.max(held);
        let has_news = answer
            .iter()
            .any(|fetched| !fetched.batches.is_empty() || !fetched.error.is_none());
        for (place, fetched) in part.places.iter().zip(answer) {
            results.insert(*place, partition_response(call.version(), fetched));
        }
        if has_news && !is_cut_short && !waiting.is_empty() {
            // One shard has something: the others are asked for what they have now.
            is_cut_short = true;
            let mut rest = Vec::new();
            for (token, shard) in std::mem::take(&mut guard.waiting) {
                call.broker().cancel(shard, token);
                rest.push(shard);
            }
            let again = parts_of(&call, &request, &rest);
            for part in again {
                let asked = ask(&call, part, 0, max_bytes(&call, &request), 0);
                guard.waiting.insert(asked.token, asked.part.shard);
                waiting.push(answered(asked));
            }
        }
    }
    let size_bytes = results.values().flat_map(|r| &r.records).map(|r| r.len());
    let size_bytes = size_bytes.sum();
    let answer = encode(&call, response(&request, results), size_bytes)?;
    Ok((answer, longest_held))
}

async fn answered(asked: Asked) -> (Part, Token, Result<FetchAnswer, oneshot::error::RecvError>) {
    (asked.part, asked.token, asked.answer.await)
}

/// The parts of a request that these shards own.
fn parts_of(call: &Call, request: &FetchRequest, shards: &[u16]) -> Vec<Part> {
    let published = call.broker().image();
    let mut parts: BTreeMap<u16, Part> = BTreeMap::new();
    for (t, topic) in request.topics.iter().enumerate() {
        let Some(image) = topics::topic(&published, &topic.name) else {
            continue;
        };
        for (p, asked) in topic.partitions.iter().enumerate() {
            let Some(partition) = topics::partition(image, asked.index) else {
                continue;
            };
            let shard = call.broker().shard_of(partition);
            if !shards.contains(&shard) {
                continue;
            }
            let part = parts.entry(shard).or_insert_with(|| Part {
                shard,
                positions: Vec::new(),
                places: Vec::new(),
            });
            part.places.push((t, p));
            part.positions.push(position(partition, asked));
        }
    }
    parts.into_values().collect()
}

fn partition_response(version: i16, fetched: Fetched) -> FetchPartitionResponse {
    let index = fetched.partition.index;
    if version < ZSTD_SINCE && has_zstd(&fetched) {
        let error = ErrorCode::UnsupportedCompressionType;
        return FetchPartitionResponse::failed(index, error);
    }
    FetchPartitionResponse {
        index,
        error_code: fetched.error,
        high_watermark: fetched.high_watermark,
        // Nothing is undecided: there are no transactions.
        last_stable_offset: fetched.high_watermark,
        log_start_offset: fetched.log_start,
        preferred_read_replica: BrokerId(-1),
        // The versions served here cannot say where a leader listens, and kafka-python fails on a
        // leader whose address it never heard. Kafka too names leaders from version 16 on only.
        current_leader: None,
        records: vec![fetched.batches],
    }
}

fn has_zstd(fetched: &Fetched) -> bool {
    split(fetched.batches.clone())
        .filter_map(Result::ok)
        .any(|(header, _)| header.attributes.compression() == Some(Compression::Zstd))
}

fn response(request: &FetchRequest, mut results: Results) -> FetchResponse {
    let topics = request.topics.iter().enumerate().map(|(t, topic)| {
        let partitions = topic.partitions.iter().enumerate().map(|(p, asked)| {
            let unknown = || {
                let error = ErrorCode::UnknownTopicOrPartition;
                FetchPartitionResponse::failed(asked.index, error)
            };
            results.remove(&(t, p)).unwrap_or_else(unknown)
        });
        FetchTopicResponse {
            partitions: partitions.collect(),
            name: topic.name.clone(),
        }
    });
    FetchResponse {
        topics: topics.collect(),
        ..FetchResponse::default()
    }
}

fn encode(call: &Call, response: FetchResponse, size_bytes: usize) -> Result<Answer, ApiError> {
    let segments = response.encode(call.version(), call.header.correlation_id)?;
    Ok(Answer::Frame {
        pieces: segments.pieces,
        memory: Some(call.context.answers.hold(size_bytes)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_names_every_partition_of_its_request_even_one_that_nobody_answered() {
        let request = FetchRequest {
            replica_id: BrokerId(-1),
            max_wait_ms: 0,
            min_bytes: 0,
            max_bytes: 0,
            isolation_level: 0,
            session_id: 0,
            session_epoch: -1,
            topics: vec![kintsugi_wire::fetch::FetchTopic {
                name: super::topics::own("t"),
                partitions: vec![FetchPartition {
                    index: kintsugi_types::PartitionIndex(4),
                    current_leader_epoch: kintsugi_types::LeaderEpoch::UNKNOWN,
                    fetch_offset: kintsugi_types::Offset(0),
                    last_fetched_epoch: kintsugi_types::LeaderEpoch::UNKNOWN,
                    log_start_offset: kintsugi_types::Offset(-1),
                    max_bytes: 1,
                }],
            }],
            forgotten: Vec::new(),
            rack_id: super::topics::own(""),
        };
        let response = response(&request, Results::new());
        let partition = &response.topics[0].partitions[0];
        assert_eq!(partition.index.0, 4);
        assert_eq!(partition.error_code, ErrorCode::UnknownTopicOrPartition);
    }
}
