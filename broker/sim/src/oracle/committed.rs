//! What was committed stays: the largest high watermark that any leader reached is a prefix of
//! every later leader's log, byte for byte; no acknowledged record is lost, and no consumer reads
//! what later changes.
//!
//! Source: promise 1 of design.md, and Raft's Leader Completeness (§5.4) for partitions. The only
//! excuse is promise 1's own: no machine holds the record's bytes any more, which only losses of
//! power can do. It is decided at the moment of a loss of power, from the bytes on all disks,
//! those of machines that are down included.
//!
//! One known gap is counted apart (`lossy`), not excused in silence: where ISR and ELR are both
//! empty, the last known leader is elected (KIP-966's balanced recovery), though it lost power and
//! a replica that had left the ISR earlier may hold more.

use std::collections::{BTreeMap, BTreeSet};

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

impl Ledger {
    /// Keeps only what is held; gives how many batches that were.
    fn forget(&mut self, is_held: impl Fn(&Batch) -> bool) -> u64 {
        let before = self.committed.len() + self.acknowledged.len();
        while self.committed.last().is_some_and(|last| !is_held(last)) {
            self.committed.pop();
        }
        self.acknowledged.retain(|_, batch| is_held(batch));
        let after = self.committed.len() + self.acknowledged.len();
        (before - after) as u64
    }
}

/// What was promised of each partition.
#[derive(Default)]
pub(crate) struct Committed {
    ledgers: BTreeMap<PartitionId, Ledger>,
    /// Batches that losses of power excuse.
    pub(crate) excused: u64,
    /// Batches that elections from outside ISR and ELR lost.
    pub(crate) lossy: u64,
    /// Who ever lost power.
    powerless: BTreeSet<usize>,
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
        mirrors: &Mirrors,
    ) -> Result<(), String> {
        let log = mirrors.of(broker, partition);
        let Some(ledger) = self.ledgers.get(&partition) else {
            return Ok(());
        };
        let lacks = |batch: &&Batch| !holds(log, batch);
        let who = format!("broker {broker} leads {partition} in epoch {epoch}");
        let end = log.last().map_or(Offset::ZERO, |batch| batch.end);
        let lost = ledger.acknowledged.values().find(lacks);
        let (what, lost) = match (lost, ledger.committed.last().filter(lacks)) {
            (Some(lost), _) => ("acknowledged", lost),
            (None, Some(lost)) => ("committed", lost),
            (None, None) => return Ok(()),
        };
        let copies = mirrors.copies(partition);
        let holders = copies.filter(|(_, log)| holds(log, lost));
        let holders: Vec<usize> = holders.map(|(broker, _)| broker).collect();
        Err(format!(
            "{what} record lost: {who} without {lost:?}, which brokers {holders:?} hold; its log ends at {end}"
        ))
    }

    /// No replica cuts off what is promised: the leader that it follows has all of that.
    pub(super) fn check_cut(
        &self,
        partition: PartitionId,
        epoch: LeaderEpoch,
        broker: usize,
        cut: &[Batch],
    ) -> Result<(), String> {
        let Some(ledger) = self.ledgers.get(&partition) else {
            return Ok(());
        };
        match cut.iter().find(|batch| holds(&ledger.committed, batch)) {
            None => Ok(()),
            Some(lost) => Err(format!(
                "committed record cut: broker {broker} cuts {lost:?} off its log of {partition} in epoch {epoch}"
            )),
        }
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
        if self.excused + self.lossy > 0 || offset > end {
            return Ok(());
        }
        Err(format!(
            "consumer read: position {offset} of {partition} is out of range, though all before {end} is committed"
        ))
    }

    /// A broker that lost power was elected from outside ISR and ELR, which were empty.
    pub(super) fn elected_with_losses(&mut self, partition: PartitionId, broker: usize, log: &[Batch]) {
        let ledger = self.ledgers.entry(partition).or_default();
        if self.powerless.contains(&broker) {
            self.lossy += ledger.forget(|batch| holds(log, batch));
        }
    }

    /// After a loss of power: what no machine holds any more is excused.
    pub(super) fn excuse(&mut self, machines: impl Iterator<Item = usize>, mirrors: &Mirrors) {
        self.powerless.extend(machines);
        for (partition, ledger) in &mut self.ledgers {
            let is_held = |batch: &Batch| mirrors.copies(*partition).any(|(_, log)| holds(log, batch));
            self.excused += ledger.forget(is_held);
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
        mirrors: &Mirrors,
    ) -> Result<(), String> {
        self.check_leader(partition, LeaderEpoch::UNKNOWN, broker, mirrors)
    }
}
