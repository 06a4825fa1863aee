//! What clients ask the active controller for, and what it answers: the parts of
//! [`AdminRequest`](super::link::AdminRequest) and [`AdminAnswer`](super::link::AdminAnswer).

use kintsugi_types::{BrokerId, ControllerId, ErrorCode, Offset, PartitionIndex, TopicName};
use serde::{Deserialize, Serialize};

/// What became of one part of a request.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct AdminResult {
    /// What went wrong, in Kafka's terms.
    pub error: ErrorCode,
    /// What went wrong, for a person.
    pub message: Option<String>,
}

impl AdminResult {
    /// It is done.
    pub const DONE: Self = Self {
        error: ErrorCode::None,
        message: None,
    };

    /// It is not done.
    #[must_use]
    pub fn refused(error: ErrorCode, message: impl Into<String>) -> Self {
        let message = Some(message.into());
        Self { error, message }
    }
}

/// A topic that is to have more partitions.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct MorePartitions {
    /// Its name.
    pub name: TopicName,
    /// How many it is to have.
    pub count: i32,
    /// The replicas of each new one, if the caller chose them.
    pub assignments: Option<Vec<Vec<BrokerId>>>,
}

/// Whom an election that was asked for may choose (KIP-460).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum ElectionKind {
    /// The preferred replica, if it holds every committed record.
    Preferred,
    /// Any live replica where no other can lead; records may be lost.
    Unclean,
}

/// One partition by its topic's name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct NamedPartition {
    /// The topic.
    pub topic: TopicName,
    /// The partition.
    pub index: PartitionIndex,
}

/// The metadata quorum as its leader sees it (KIP-595, KIP-836).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct QuorumView {
    /// Who leads it.
    pub leader: ControllerId,
    /// In which term.
    pub term: i32,
    /// Up to where its log is committed.
    pub high_watermark: Offset,
    /// The voters.
    pub voters: Vec<QuorumReplica>,
    /// The brokers that follow, by what they have applied.
    pub observers: Vec<QuorumReplica>,
}

/// One member of the quorum, or one that follows it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct QuorumReplica {
    /// Its id.
    pub id: i32,
    /// Its log directory; zero if unknown.
    pub directory: u128,
    /// Up to where it has the log; -1 if unknown.
    pub log_end: Offset,
    /// How many milliseconds ago it was last heard of; `None` if unknown.
    pub heard_ago_ms: Option<u64>,
    /// Where it listens, if known.
    pub endpoint: Option<kintsugi_types::Endpoint>,
}
