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
        // Not the checksum: among thousands of batches two have one by chance in one run of some hundred.
        let is_it = |other: &&Batch| other.content == batch.content;
        match log[..index].iter().rfind(is_it) {
            None => Ok(()),
            Some(first) => Err(format!(
                "idempotence: broker {broker} has a numbered batch of {partition} twice: {first:?}, {batch:?}"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use kintsugi_types::{LeaderEpoch, Offset, PartitionIndex, TopicId};

    use super::*;

    const CRC: u32 = 7;

    fn batch(base: i64, content: u64) -> Batch {
        Batch {
            base: Offset(base),
            end: Offset(base + 2),
            epoch: LeaderEpoch(1),
            crc: CRC,
            content,
            hash: 0,
            chain: 0,
        }
    }

    #[test]
    fn a_batch_is_there_twice_by_its_content_and_not_by_its_checksum() {
        let partition = PartitionId {
            topic: TopicId::ZERO,
            index: PartitionIndex(0),
        };
        let mut oracle = Idempotence::default();
        oracle.sent(partition, CRC);
        let log = [batch(0, 1), batch(2, 2), batch(4, 1)];
        let appended = |index| oracle.appended(partition, 0, &log, index);
        assert_eq!(appended(1), Ok(()));
        assert!(appended(2).unwrap_err().contains("twice"));
    }
}
