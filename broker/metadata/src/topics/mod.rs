//! Topics come and go, by Kafka's rules and with Kafka's errors.
//!
//! Guarantees: a topic and all its partitions appear in one entry; each request's limits are
//! checked before anything of its size is made.

mod add_partitions;
mod create;
mod delete;

#[cfg(test)]
mod tests;

pub use add_partitions::{AddRequest, add_partitions};
pub use create::{CreatedTopic, TopicRequest, create};
pub use delete::delete;

use kintsugi_types::ErrorCode;

/// The most topics in one request.
pub const TOPICS_A_REQUEST_MAX: usize = 1_000;
/// The most partitions that one request may create (Kafka's limit of a batch).
pub const PARTITIONS_A_REQUEST_MAX: usize = 10_000;
/// The most topics in a cluster.
pub const TOPICS_MAX: usize = 20_000;
/// The most partitions in a cluster: what one entry and one snapshot can carry in time.
pub const PARTITIONS_MAX: usize = 100_000;
/// The most replicas of a partition.
pub const REPLICATION_FACTOR_MAX: usize = 32;

/// Why a topic was not created or deleted.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{error}: {message}")]
pub struct TopicError {
    /// What clients are told.
    pub error: ErrorCode,
    /// What people are told.
    pub message: String,
}

impl TopicError {
    fn new(error: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            error,
            message: message.into(),
        }
    }
}
