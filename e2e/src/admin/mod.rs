//! What brokers tell that the client library does not ask for: each question on a connection of its own.
//!
//! Guarantees: every call and answer is bounded in time and bytes. Assumes that brokers' advertised
//! addresses can be dialled from here. Never changes anything, never retries.

pub mod copies;
pub mod moves;
mod request;
pub mod throttles;

use std::collections::{BTreeMap, BTreeSet};

use kafka_protocol::messages::MetadataRequest;

pub use request::{ask, ask_any};

/// Metadata's version: topics by name, no leader epochs needed.
const METADATA_VERSION: i16 = 9;

/// A partition.
pub type Partition = (String, i32);

/// Who is there, and which topics.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cluster {
    /// The brokers' addresses by id.
    pub brokers: BTreeMap<i32, String>,
    /// The topics, internal ones too.
    pub topics: BTreeSet<String>,
}

/// Asks any broker of `bootstrap.servers`.
///
/// # Errors
/// If nobody answers.
pub fn cluster(bootstrap: &str) -> anyhow::Result<Cluster> {
    let request = MetadataRequest::default().with_topics(None);
    let answer = ask_any(bootstrap, METADATA_VERSION, &request)?;
    let brokers = answer.brokers.iter();
    let topics = answer.topics.iter().filter_map(|topic| topic.name.as_ref());
    Ok(Cluster {
        brokers: brokers
            .map(|broker| {
                (
                    broker.node_id.0,
                    format!("{}:{}", &*broker.host, broker.port),
                )
            })
            .collect(),
        topics: topics.map(|name| name.to_string()).collect(),
    })
}
