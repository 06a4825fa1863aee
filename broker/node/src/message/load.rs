//! What passes through partitions, and what they hold.

use kintsugi_types::{Offset, PartitionId};

/// What passed through one partition since this process took it up: counters that only grow. They
/// begin at zero with each run of the process, and with each replica that is made anew.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Traffic {
    /// Bytes of batches that producers had appended; what they sent twice counts once.
    pub bytes_in: u64,
    /// Records of those batches.
    pub messages_in: u64,
    /// Times that a produce request named the partition.
    pub produce_requests: u64,
    /// Bytes of batches that consumers were answered with.
    pub bytes_out: u64,
    /// Times that a consumer's fetch named the partition.
    pub fetch_requests: u64,
    /// Bytes of batches that this replica appended as a follower.
    pub replication_bytes_in: u64,
    /// Bytes of batches that followers were answered with.
    pub replication_bytes_out: u64,
}

/// One partition of a shard: what passed through it, and what it holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PartitionLoad {
    /// Which partition.
    pub partition: PartitionId,
    /// Whether it is led here.
    pub is_leader: bool,
    /// How many replicas are in sync, where it is led here; else 0, as Kafka has it.
    pub in_sync_replicas: usize,
    /// The bytes of its batches.
    pub size_bytes: u64,
    /// Where its log starts.
    pub log_start: Offset,
    /// Where its log ends.
    pub log_end: Offset,
    /// Up to where consumers may read.
    pub high_watermark: Offset,
    /// What passed through it.
    pub traffic: Traffic,
}
