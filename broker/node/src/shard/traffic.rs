//! What passes through partitions, counted where it passes: in plain numbers that only the shard's
//! own thread touches, and that it tells when asked.

use kintsugi_storage::FileSystem;
use kintsugi_types::PartitionId;

use super::Shard;
use super::partition::Partition;
use crate::message::load::{PartitionLoad, Traffic};
use crate::message::replication::FetchedPartition;
use crate::message::shard::{Fetch, Fetched};

impl<F: FileSystem> Shard<F> {
    /// What passed through the partitions that the metadata names, and what they hold.
    pub(super) fn loads(&self) -> Vec<PartitionLoad> {
        let load = |(id, partition): (&PartitionId, &Partition<F>)| {
            let is_leader = partition.replica.is_leader();
            let state = self.image.partition(*id).filter(|_| is_leader);
            PartitionLoad {
                partition: *id,
                is_leader,
                in_sync_replicas: state.map_or(0, |state| state.isr.len()),
                size_bytes: partition.log.size_bytes(),
                log_start: partition.log.log_start(),
                log_end: partition.log.log_end(),
                high_watermark: partition.replica.high_watermark(),
                traffic: partition.traffic,
            }
        };
        self.partitions.iter().map(load).collect()
    }

    /// A consumer's fetch came.
    pub(super) fn count_fetch_request(&mut self, fetch: &Fetch) {
        for position in &fetch.positions {
            self.count(position.partition, |traffic| traffic.fetch_requests += 1);
        }
    }

    /// A consumer is answered.
    pub(super) fn count_fetched(&mut self, results: &[Fetched]) {
        for fetched in results.iter().filter(|fetched| !fetched.batches.is_empty()) {
            let bytes = fetched.batches.len() as u64;
            self.count(fetched.partition, |traffic| traffic.bytes_out += bytes);
        }
    }

    /// A follower is answered.
    pub(super) fn count_replicated(&mut self, partitions: &[FetchedPartition]) {
        for fetched in partitions.iter().filter(|p| !p.batches.is_empty()) {
            let bytes = fetched.batches.len() as u64;
            self.count(fetched.partition, |traffic| {
                traffic.replication_bytes_out += bytes;
            });
        }
    }

    pub(super) fn count(&mut self, id: PartitionId, add: impl FnOnce(&mut Traffic)) {
        if let Some(partition) = self.partitions.get_mut(&id) {
            add(&mut partition.traffic);
        }
    }
}
