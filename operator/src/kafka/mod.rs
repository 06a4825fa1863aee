//! Kafka's admin protocol, spoken to the brokers. One file an API.
//!
//! Guarantees: connecting and each request end within [`TIMEOUT`]; answers are bounded in bytes by
//! the client and in elements by the codec; nothing is said to a broker of another cluster than the
//! one that was meant.
//! Assumes: brokers' pod addresses can be reached from here; any broker passes admin requests on to
//! the active controller.
//! Never does: retry, decide.

mod alter_partition_reassignments;
mod cordon;
mod create_partitions;
mod create_topics;
mod delete_topics;
mod describe_cluster;
mod describe_configs;
mod describe_topic_partitions;
mod elect_leaders;
mod incremental_alter_configs;
mod list_partition_reassignments;
mod metadata;
mod pool;
mod session;
#[cfg(test)]
mod tests;
mod unregister_broker;

pub use alter_partition_reassignments::{cancel, reassign};
pub use cordon::set_cordoned;
pub use create_partitions::create_partitions;
pub use create_topics::{NewTopic, create_topic};
pub use delete_topics::delete_topic;
pub use describe_cluster::cluster_id;
pub use describe_configs::topic_configs;
pub use describe_topic_partitions::{TopicDescription, describe_topic};
pub use elect_leaders::elect_preferred;
pub use incremental_alter_configs::{
    Alteration, ConfigResource, Operation, alter_configs, alter_topic_configs,
};
pub use list_partition_reassignments::{Moving, reassignments};
pub use metadata::cluster;
pub use pool::{Known, Pool};
pub use session::Session;
pub use unregister_broker::unregister_broker;

use std::time::Duration;

use kafka_protocol::protocol::StrBytes;
use kintsugi_client::ClientError;
use kintsugi_survey::MetadataError;
use kintsugi_types::{Endpoint, ErrorCode};

/// Time for a connection to be made, and for each request from its call to its answer.
pub const TIMEOUT: Duration = Duration::from_secs(5);
/// What brokers may take of [`TIMEOUT`], so that their own "timed out" arrives before ours.
const BROKER_TIMEOUT_MS: i32 = 4_000;

/// Why a broker did not do or tell what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum KafkaError {
    /// Nobody is there to ask.
    #[error("no broker of KafkaCluster {cluster} runs and has an address")]
    NoBroker {
        /// The cluster's name.
        cluster: String,
    },
    /// No answer came. Whether the broker acted on the request is not known.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The broker belongs to another cluster, which happens where an address is used again.
    #[error("broker {endpoint} belongs to Kafka cluster {found} and not to {expected}")]
    OtherCluster {
        /// Who was asked.
        endpoint: Endpoint,
        /// Its cluster's id.
        found: String,
        /// The id of the cluster that was meant.
        expected: String,
    },
    /// The broker refused. The message is its own.
    #[error("failed to {act}: {message} ({code})")]
    Refused {
        /// What was asked for.
        act: String,
        /// Kafka's error.
        code: ErrorCode,
        /// The broker's words.
        message: String,
    },
    /// The broker's metadata cannot be used.
    #[error(transparent)]
    Metadata(#[from] MetadataError),
    /// The answer is well-formed but does not answer the question.
    #[error("failed to read the answer of {api}: {what}")]
    Answer {
        /// The API's name.
        api: &'static str,
        /// What is wrong.
        what: &'static str,
    },
}

impl KafkaError {
    /// Whether the broker answered, and said no.
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Refused { code, .. } => Some(*code),
            _ => None,
        }
    }
}

/// Ok, or the broker's refusal of `act` in its own words.
fn accepted(
    act: impl FnOnce() -> String,
    error_code: i16,
    message: Option<&StrBytes>,
) -> Result<(), KafkaError> {
    if error_code == ErrorCode::None.code() {
        return Ok(());
    }
    Err(KafkaError::Refused {
        act: act(),
        code: ErrorCode::from_code(error_code).unwrap_or(ErrorCode::UnknownServerError),
        message: match message {
            Some(text) if !text.is_empty() => text.to_string(),
            _ => format!("the broker gave error {error_code} and no words"),
        },
    })
}

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}
