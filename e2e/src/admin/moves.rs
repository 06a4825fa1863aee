//! Which partitions move (KIP-455).

use std::collections::BTreeMap;

use anyhow::ensure;
use kafka_protocol::messages::ListPartitionReassignmentsRequest;

use super::{Partition, ask_any};

const VERSION: i16 = 0;
const TIMEOUT_MS: i32 = 4_000;

/// The moves under way: the brokers that get a copy, by partition.
///
/// # Errors
/// If nobody tells.
pub fn moves(bootstrap: &str) -> anyhow::Result<BTreeMap<Partition, Vec<i32>>> {
    let request = ListPartitionReassignmentsRequest::default()
        .with_timeout_ms(TIMEOUT_MS)
        .with_topics(None);
    let answer = ask_any(bootstrap, VERSION, &request)?;
    let code = answer.error_code;
    ensure!(code == 0, "moves are not listed: error {code}");
    let moves = answer.topics.iter().flat_map(|topic| {
        topic.partitions.iter().map(move |partition| {
            let key = (topic.name.to_string(), partition.partition_index);
            let adding = partition.adding_replicas.iter().map(|id| id.0);
            (key, adding.collect())
        })
    });
    Ok(moves.collect())
}
