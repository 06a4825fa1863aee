//! Epochs: counters that order the owners of something, so that a stale owner is recognised.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::id::integer_id;

integer_id! {
    /// The term of the metadata quorum (Raft, §5.1). Zero before the first election.
    Term(u64)
}

integer_id! {
    /// The epoch of a partition's leader: one more with each leader change, and with each removal
    /// of a replica. Kafka's `partitionLeaderEpoch` in each batch.
    LeaderEpoch(i32)
}

integer_id! {
    /// The epoch of a partition's state: one more with each change of leader or ISR. What
    /// AlterPartition compares (KIP-497).
    PartitionEpoch(i32)
}

integer_id! {
    /// The epoch of a broker's registration: the metadata offset at which it was committed
    /// (KIP-631), so that a later incarnation always has a greater one.
    BrokerEpoch(i64)
}

integer_id! {
    /// The epoch of a producer id (KIP-98).
    ProducerEpoch(i16)
}

impl LeaderEpoch {
    /// "Not known": what Kafka's requests carry as -1.
    pub const UNKNOWN: Self = Self(-1);

    /// The epoch after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl PartitionEpoch {
    /// The epoch after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl Term {
    /// The term after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}
