//! What an idempotent producer sends is in each log at most once, however often it is sent, and is
//! where the answer says; no two producers have one id.
//!
//! Source: KIP-98, "Exactly Once Delivery": idempotent producer guarantees.

use std::collections::BTreeSet;

use kintsugi_types::{PartitionId, ProducerId};

use super::Batch;

/// What idempotent producers sent.
#[derive(Default)]
pub(super) struct Idempotence {
    ids: BTreeSet<ProducerId>,
    /// The checksums of their batches.
    sent: BTreeSet<(PartitionId, u32)>,
}

impl Idempotence {
    pub(super) fn given(&mut self, id: ProducerId) -> Result<(), String> {
        if self.ids.insert(id) {
            return Ok(());
        }
        Err(format!("idempotence: two producers were given the id {id}"))
    }

    pub(super) fn sent(&mut self, partition: PartitionId, crc: u32) {
        self.sent.insert((partition, crc));
    }

    /// The batch at `index` is new in this log of a broker.
    pub(super) fn appended(
        &self,
        partition: PartitionId,
        broker: usize,
        log: &[Batch],
        index: usize,
    ) -> Result<(), String> {
        let batch = &log[index];
        if !self.sent.contains(&(partition, batch.crc)) {
            return Ok(());
        }
        // Batches with other numbers of records differ, whatever their checksums: among thousands of
        // batches two have one checksum by chance in one run of some hundred.
        let is_it = |other: &&Batch| {
            other.crc == batch.crc && other.end.since(other.base) == batch.end.since(batch.base)
        };
        match log[..index].iter().rfind(is_it) {
            None => Ok(()),
            Some(first) => Err(format!(
                "idempotence: broker {broker} has a numbered batch of {partition} twice: {first:?}, {batch:?}"
            )),
        }
    }
}
