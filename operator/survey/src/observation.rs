//! What brokers' metadata tells.

use std::collections::BTreeMap;

/// A partition by its name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PartitionKey {
    /// Its topic.
    pub topic: String,
    /// Its number.
    pub number: i32,
}

/// Where a partition is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Partition {
    /// In preferred order.
    pub replicas: Vec<i32>,
    /// Those that are in sync.
    pub in_sync: Vec<i32>,
    /// Who leads, if anybody.
    pub leader: Option<i32>,
}

/// What Metadata told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cluster {
    /// The racks of the brokers that live.
    pub brokers: BTreeMap<i32, Option<String>>,
    /// All partitions.
    pub partitions: BTreeMap<PartitionKey, Partition>,
}
