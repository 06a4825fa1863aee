//! One question for each partition of a request, answered by the shards that own the partitions.

use std::collections::BTreeMap;

use kintsugi_types::{ErrorCode, PartitionId, PartitionIndex};
use tokio::sync::oneshot;

use super::answer::ApiError;
use super::call::Call;
use super::topics;

/// A topic of a request with its partitions, as the request orders them.
pub struct Topic<'a, P> {
    /// Its name.
    pub name: &'a str,
    /// What is asked of each partition.
    pub partitions: &'a [P],
}

/// The numbers of a topic and of a partition in the request.
type Place = (usize, usize);

/// Asks once a shard, and gives what it found for each partition, in the request's order; an error
/// for a partition that does not exist, or that its shard did not answer for.
///
/// # Errors
/// [`ApiError::NoAnswer`] when a shard is gone.
pub async fn ask<P, Q, A>(
    call: &Call,
    asked: &[Topic<'_, P>],
    index_of: impl Fn(&P) -> i32,
    query: impl Fn(PartitionId, &P) -> Q,
    send: impl Fn(u16, Vec<Q>) -> oneshot::Receiver<Vec<A>>,
) -> Result<Vec<Vec<Result<A, ErrorCode>>>, ApiError> {
    let published = call.broker().image();
    let mut found: Vec<Vec<Result<A, ErrorCode>>> = Vec::with_capacity(asked.len());
    let mut queries: BTreeMap<u16, (Vec<Place>, Vec<Q>)> = BTreeMap::new();
    for (t, topic) in asked.iter().enumerate() {
        let image = topics::topic(&published, topic.name);
        let mut answers = Vec::with_capacity(topic.partitions.len());
        for (p, asked) in topic.partitions.iter().enumerate() {
            let index = PartitionIndex(index_of(asked));
            let Some(partition) = image.and_then(|image| topics::partition(image, index)) else {
                answers.push(Err(ErrorCode::UnknownTopicOrPartition));
                continue;
            };
            let shard = queries.entry(call.broker().shard_of(partition));
            let (places, of_shard) = shard.or_default();
            places.push((t, p));
            of_shard.push(query(partition, asked));
            answers.push(Err(ErrorCode::UnknownServerError));
        }
        found.push(answers);
    }
    let mut sent = Vec::with_capacity(queries.len());
    for (shard, (places, queries)) in queries {
        sent.push((places, send(shard, queries)));
    }
    for (places, answers) in sent {
        let answers = answers.await.map_err(|_| ApiError::NoAnswer)?;
        for ((t, p), answer) in places.into_iter().zip(answers) {
            found[t][p] = Ok(answer);
        }
    }
    Ok(found)
}
