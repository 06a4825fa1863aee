//! What a shard shows of its partitions, to those who check it from outside.

use kintsugi_replica::RoleName;
use kintsugi_storage::{FileSystem, Log};
use kintsugi_types::{LeaderEpoch, Offset, PartitionId};

use super::Shard;
use super::partition::Partition;
use crate::message::shard::LogSize;

/// One partition as it is at present.
pub struct PartitionView<'a, F: FileSystem> {
    /// Which partition.
    pub partition: PartitionId,
    /// What its replica does.
    pub role: RoleName,
    /// The newest leader epoch that it heard of; unknown before the metadata named it.
    pub leader_epoch: LeaderEpoch,
    /// The high watermark.
    pub high_watermark: Offset,
    /// The log.
    pub log: &'a Log<F>,
}

impl<F: FileSystem> Shard<F> {
    /// What the logs take that the metadata names.
    pub(super) fn log_sizes(&self) -> Vec<LogSize> {
        let size = |(id, partition): (&PartitionId, &Partition<F>)| LogSize {
            partition: *id,
            size_bytes: partition.log.size_bytes(),
            offset_lag: (partition.replica.high_watermark().0 - partition.log.log_end().0).max(0),
        };
        self.partitions.iter().map(size).collect()
    }

    /// Which of its broker's shards this is.
    pub fn number(&self) -> u16 {
        self.config.shard
    }

    /// Every partition of this shard, those included that the metadata has not named yet.
    pub fn inspect(&self) -> impl Iterator<Item = PartitionView<'_, F>> {
        let named = self.partitions.iter().map(|(id, local)| PartitionView {
            partition: *id,
            role: local.replica.role(),
            leader_epoch: local.replica.leader_epoch(),
            high_watermark: local.replica.high_watermark(),
            log: &local.log,
        });
        let found = self.recovered.iter().map(|(id, found)| PartitionView {
            partition: *id,
            role: RoleName::Idle,
            leader_epoch: LeaderEpoch::UNKNOWN,
            high_watermark: found.high_watermark,
            log: &found.log,
        });
        named.chain(found)
    }
}
