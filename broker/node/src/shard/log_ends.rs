//! Where logs end, told to the controller while nobody leads them (KIP-966).

use kintsugi_storage::FileSystem;
use kintsugi_types::{LeaderEpoch, PartitionId};

use super::Shard;
use super::partition::last_epoch;
use crate::message::link::LogEnd;
use crate::message::shard::Command;

impl<F: FileSystem> Shard<F> {
    /// Answers for the partitions of this shard that have no leader in the epoch asked about, by
    /// the metadata that is applied here: until the next leader is known, nothing is appended to
    /// their logs or cut off.
    pub(super) fn log_ends(&self, asked: &[(PartitionId, LeaderEpoch)], out: &mut Vec<Command>) {
        let end = |(id, epoch): &(PartitionId, LeaderEpoch)| {
            let state = self.image.partition(*id)?;
            let local = self.partitions.get(id)?;
            let is_settled = self.is_named
                && state.leader.is_none()
                && state.leader_epoch == *epoch
                && local.replica.leader_epoch() == *epoch;
            is_settled.then(|| LogEnd {
                partition: *id,
                leader_epoch: *epoch,
                last_epoch: last_epoch(&local.log),
                log_end: local.log.log_end(),
            })
        };
        let ends: Vec<LogEnd> = asked.iter().filter_map(end).collect();
        if !ends.is_empty() {
            out.push(Command::LogEnds { ends });
        }
    }
}
