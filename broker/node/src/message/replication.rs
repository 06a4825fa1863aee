//! What a follower's shard and a leader's shard say to each other.
//!
//! A follower's shard dials the leader's `replication.listener` once for each shard there and each
//! [`FetchClass`] that it has partitions of, and keeps one fetch in flight on each connection. Fetches are incremental (KIP-227): a request
//! names only partitions whose position or epoch changed, an answer only partitions that have
//! something new.

use bytes::Bytes;
use kintsugi_types::{BrokerEpoch, BrokerId, ErrorCode, LeaderEpoch, Offset, PartitionId};
use serde::{Deserialize, Serialize};

/// Which partitions share a session and its connection, so that a replica that copies a whole log
/// never makes those in sync wait behind it.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize,
)]
pub enum FetchClass {
    /// The follower is in the ISR.
    #[default]
    InSync,
    /// It is not.
    CatchingUp,
    /// It is not, and the leader's rate limits it (KIP-73).
    LeaderThrottled,
    /// It is not, and the follower's rate limits it.
    FollowerThrottled,
    /// It is not, and both rates limit it.
    Throttled,
    /// No session: one question for the batches from one offset on, which are damaged where it comes
    /// from. Any replica answers it, and to any replica.
    Mending,
}

impl FetchClass {
    /// The first, in order.
    pub const MIN: Self = Self::InSync;
    /// The last, in order.
    pub const MAX: Self = Self::Mending;

    /// The class of a replica outside the ISR, by whose rates limit it.
    #[must_use]
    pub const fn catching_up(by_leader: bool, by_follower: bool) -> Self {
        match (by_leader, by_follower) {
            (false, false) => Self::CatchingUp,
            (true, false) => Self::LeaderThrottled,
            (false, true) => Self::FollowerThrottled,
            (true, true) => Self::Throttled,
        }
    }

    /// Whether the leader's rate limits it.
    #[must_use]
    pub const fn is_limited_by_leader(self) -> bool {
        matches!(self, Self::LeaderThrottled | Self::Throttled)
    }

    /// Whether the follower's rate limits it.
    #[must_use]
    pub const fn is_limited_by_follower(self) -> bool {
        matches!(self, Self::FollowerThrottled | Self::Throttled)
    }
}

/// One fetch of a follower's shard.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct FetchRequest {
    /// Who fetches.
    pub follower: BrokerId,
    /// Under which registration (KIP-903).
    pub broker_epoch: BrokerEpoch,
    /// Which of the follower's shards.
    pub follower_shard: u16,
    /// Which of the leader's shards is asked.
    pub leader_shard: u16,
    /// Which of the follower's sessions with that shard this is.
    pub class: FetchClass,
    /// The session: drawn by the follower when it begins one.
    pub session: u64,
    /// Zero begins the session anew (`changed` is then everything); else one more than in the
    /// request before.
    pub sequence: u64,
    /// Partitions whose position changed since the last request of the session, or that are new.
    pub changed: Vec<FetchPosition>,
    /// Partitions that left the session.
    pub forgotten: Vec<PartitionId>,
    /// The most record bytes that the answer may carry (it may pass this by one batch).
    pub max_bytes: u32,
    /// How long the leader may hold the request while there is nothing new.
    pub max_wait_ms: u32,
}

/// From where a follower wants one partition.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct FetchPosition {
    /// Which partition.
    pub partition: PartitionId,
    /// The leader epoch that the follower knows.
    pub leader_epoch: LeaderEpoch,
    /// Its end offset: everything before it is in its log.
    pub fetch_offset: Offset,
    /// The epoch of the last batch in its log; unknown if the log is empty (KIP-595).
    pub last_fetched_epoch: LeaderEpoch,
    /// Where its log ends for the high watermark: below `fetch_offset` while what was appended has
    /// to be synced before it counts (`flush.messages=1`).
    pub counted_end: Offset,
    /// Where its log starts.
    pub log_start: Offset,
}

/// The answer to a [`FetchRequest`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct FetchResponse {
    /// Which of the follower's sessions this is about.
    pub class: FetchClass,
    /// The session.
    pub session: u64,
    /// The sequence of the request.
    pub sequence: u64,
    /// `FetchSessionIdNotFound` or `InvalidFetchSessionEpoch`: begin anew. `StaleBrokerEpoch`: the
    /// leader knows a newer registration.
    pub error: ErrorCode,
    /// Partitions that have something new.
    pub partitions: Vec<FetchedPartition>,
}

/// What a leader has for a follower of one partition.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct FetchedPartition {
    /// Which partition.
    pub partition: PartitionId,
    /// `None`, or `NotLeaderOrFollower`, `FencedLeaderEpoch`, `UnknownLeaderEpoch`,
    /// `UnknownTopicId`, `OffsetOutOfRange`, `KafkaStorageError`.
    pub error: ErrorCode,
    /// The epoch in which the leader answers.
    pub leader_epoch: LeaderEpoch,
    /// The leader's high watermark.
    pub high_watermark: Offset,
    /// Where the leader's log starts.
    pub log_start: Offset,
    /// Set if the follower's log diverges: the largest epoch not above its own that the leader
    /// has, and where that epoch ends there (KIP-101, KIP-279, KIP-595). No batches then.
    pub diverging: Option<(LeaderEpoch, Offset)>,
    /// Whole batches in order, as they lie in the leader's log.
    pub batches: Bytes,
}

impl FetchedPartition {
    /// An answer that tells nothing yet but this error.
    pub(crate) fn with_error(partition: PartitionId, error: ErrorCode) -> Self {
        Self {
            partition,
            error,
            leader_epoch: LeaderEpoch::UNKNOWN,
            high_watermark: Offset(-1),
            log_start: Offset(-1),
            diverging: None,
            batches: Bytes::new(),
        }
    }
}
