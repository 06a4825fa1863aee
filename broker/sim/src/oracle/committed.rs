//! What was committed stays: the largest high watermark that any leader reached is a prefix of
//! every later leader's log, byte for byte; no acknowledged record is lost, and no consumer reads
//! what later changes.
//!
//! Source: promise 1 of design.md, and Raft's Leader Completeness (§5.4) for partitions. The only
//! excuse is promise 1's own: no machine holds the record's bytes any more, which only losses of
//! power can do. It is decided at the moment of a loss of power, from the bytes on all disks,
//! those of machines that are down included.

use std::collections::BTreeMap;

use bytes::Bytes;
use kintsugi_types::{LeaderEpoch, Offset, PartitionId};
use kintsugi_wire::batch::BatchHeader;

use super::{Batch, Mirrors};
use crate::trace::mix_bytes;

#[derive(Default)]
struct Ledger {
    /// All before the largest high watermark.
    committed: Vec<Batch>,
    /// What was acknowledged to an acks=all producer, by base offset.
    acknowledged: BTreeMap<Offset, Batch>,
}

/// What was promised of each partition.
#[derive(Default)]
pub(crate) struct Committed {
    ledgers: BTreeMap<PartitionId, Ledger>,
    /// Batches that losses of power excuse.
    pub(crate) excused: u64,
}

fn holds(log: &[Batch], batch: &Batch) -> bool {
    let found = log.binary_search_by_key(&batch.base, |held| held.base);
    found.is_ok_and(|index| log[index].chain == batch.chain)
}

impl Committed {
    /// A broker begins to lead an epoch.
    pub(super) fn check_leader(
        &self,
        partition: PartitionId,
        epoch: LeaderEpoch,
        broker: usize,
        log: &[Batch],
    ) -> Result<(), String> {
        let Some(ledger) = self.ledgers.get(&partition) else {
            return Ok(());
        };
        let lacks = |batch: &&Batch| !holds(log, batch);
        let who = format!("broker {broker} leads {partition} in epoch {epoch}");
        let end = log.last().map_or(Offset::ZERO, |batch| batch.end);
        if let Some(lost) = ledger.acknowledged.values().find(lacks) {
            return Err(format!(
                "acknowledged record lost: {who} without {lost:?}; its log ends at {end}"
            ));
        }
        if let Some(lost) = ledger.committed.last().filter(lacks) {
            return Err(format!(
                "committed record lost: {who} without {lost:?}; its log ends at {end}"
            ));
        }
        Ok(())
    }

    /// A leader's high watermark stands here.
    pub(super) fn advance(
        &mut self,
        partition: PartitionId,
        broker: usize,
        log: &[Batch],
        high_watermark: Offset,
    ) -> Result<(), String> {
        let ledger = self.ledgers.entry(partition).or_default();
        let committed = &mut ledger.committed;
        let end = committed.last().map_or(Offset::ZERO, |batch| batch.end);
        if high_watermark <= end {
            return Ok(());
        }
        if let Some(last) = committed.last().filter(|last| !holds(log, last)) {
            return Err(format!(
                "committed record changed: broker {broker} commits {partition} up to {high_watermark} without {last:?}"
            ));
        }
        let new = log.iter().skip(committed.len());
        committed.extend(new.take_while(|batch| batch.end <= high_watermark));
        if committed.last().map(|batch| batch.end) == Some(high_watermark) {
            return Ok(());
        }
        Err(format!(
            "high watermark: broker {broker} has {high_watermark} for {partition}, which is not the end of a batch in its log"
        ))
    }

    pub(super) fn acknowledged(
        &mut self,
        partition: PartitionId,
        base: Offset,
        log: &[Batch],
    ) -> Result<(), String> {
        let found = log.binary_search_by_key(&base, |held| held.base);
        let Ok(index) = found else {
            return Err(format!(
                "acknowledged record lost: offset {base} of {partition} is acknowledged by a leader that has no such batch"
            ));
        };
        let ledger = self.ledgers.entry(partition).or_default();
        ledger.acknowledged.insert(base, log[index]);
        Ok(())
    }

    pub(super) fn read(
        &self,
        broker: usize,
        partition: PartitionId,
        batches: &Bytes,
    ) -> Result<(), String> {
        let empty = Vec::new();
        let ledger = self.ledgers.get(&partition);
        let committed = ledger.map_or(&empty, |ledger| &ledger.committed);
        let mut rest = &batches[..];
        while let Ok(header) = BatchHeader::parse(rest) {
            let size = header.size_bytes();
            let hash = mix_bytes(0, rest.get(..size).unwrap_or_default());
            let found = committed.binary_search_by_key(&header.base_offset, |held| held.base);
            if !found.is_ok_and(|index| committed[index].hash == hash) {
                return Err(format!(
                    "consumer read: broker {broker} gives offset {} of {partition}, which is not what is committed there",
                    header.base_offset
                ));
            }
            rest = rest.get(size..).unwrap_or_default();
        }
        Ok(())
    }

    /// A consumer's position, which it had from committed batches, must be in range, unless what
    /// lay before it is excused.
    pub(super) fn out_of_range(&self, partition: PartitionId, offset: Offset) -> Result<(), String> {
        let committed = self.ledgers.get(&partition).map(|ledger| &ledger.committed);
        let end = committed.and_then(|log| log.last()).map_or(Offset::ZERO, |b| b.end);
        if self.excused > 0 || offset > end {
            return Ok(());
        }
        Err(format!(
            "consumer read: position {offset} of {partition} is out of range, though all before {end} is committed"
        ))
    }

    /// After a loss of power: what no machine holds any more is excused.
    pub(super) fn excuse(&mut self, mirrors: &Mirrors) {
        for (partition, ledger) in &mut self.ledgers {
            let is_held = |batch: &Batch| mirrors.copies(*partition).any(|log| holds(log, batch));
            let before = ledger.committed.len() + ledger.acknowledged.len();
            while ledger.committed.last().is_some_and(|last| !is_held(last)) {
                ledger.committed.pop();
            }
            ledger.acknowledged.retain(|_, batch| is_held(batch));
            let after = ledger.committed.len() + ledger.acknowledged.len();
            self.excused += (before - after) as u64;
        }
    }

    /// The largest high watermark of a partition.
    pub(crate) fn end(&self, partition: PartitionId) -> Offset {
        let log = self.ledgers.get(&partition).map(|ledger| &ledger.committed);
        log.and_then(|log| log.last()).map_or(Offset::ZERO, |b| b.end)
    }

    pub(super) fn check_final(
        &self,
        partition: PartitionId,
        broker: usize,
        log: &[Batch],
    ) -> Result<(), String> {
        self.check_leader(partition, LeaderEpoch::UNKNOWN, broker, log)
    }
}
