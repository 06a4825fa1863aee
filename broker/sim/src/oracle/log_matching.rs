//! Log matching: offset and leader epoch tell a batch, and everything before it, on every replica.
//!
//! Source: Raft's Log Matching Property (Ongaro and Ousterhout 2014, §5.3) for the replication of
//! partitions, which KIP-101 and KIP-279 are to give it. No loss of power excuses a violation: a
//! leader that lost its end leads on in a new epoch.

use std::collections::BTreeMap;

use kintsugi_types::{LeaderEpoch, Offset, PartitionId};

use super::Batch;

/// Every batch that was ever in a log.
#[derive(Default)]
pub(super) struct LogMatching {
    chains: BTreeMap<(PartitionId, LeaderEpoch, Offset), (u64, usize)>,
}

impl LogMatching {
    pub(super) fn observe(
        &mut self,
        partition: PartitionId,
        broker: usize,
        batch: &Batch,
    ) -> Result<(), String> {
        let key = (partition, batch.epoch, batch.base);
        let (chain, first) = *self.chains.entry(key).or_insert((batch.chain, broker));
        if chain == batch.chain {
            return Ok(());
        }
        Err(format!(
            "log matching: {partition} at offset {} of epoch {} is not the same on brokers {first} and {broker}",
            batch.base, batch.epoch
        ))
    }
}
