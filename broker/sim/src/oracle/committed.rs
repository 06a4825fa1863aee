//! What was committed stays: the largest high watermark that any leader reached is a prefix of
//! every later leader's log, byte for byte; no acknowledged record is lost, and no consumer reads
//! what later changes.
//!
//! Source: promise 1 of design.md, and Raft's Leader Completeness (§5.4) for partitions. The only
//! excuse is promise 1's own: no machine holds the record's bytes any more, which only losses of
//! power can do. It is decided at the moment of a loss of power, from the bytes on all disks,
//! those of machines that are down included.
//!
//! Where ISR and ELR are both empty, which takes losses of power, a leader is elected by what the
//! replicas' logs hold, and replicas that are down are waited for only for a time. What only those
//! hold can be lost by that, and nobody could know better: it is counted apart (`lossy`), not
//! excused in silence. Nothing is excused that a replica holds which was live throughout the
//! election; where all were, such an election loses nothing.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use kintsugi_types::{LeaderEpoch, Offset, PartitionId};
use kintsugi_wire::batch::BatchHeader;

use super::{Batch, Mirrors};
use crate::trace::mix_bytes;

/// A batch, and the leader epoch in which it was promised: leaders of that epoch and of later ones
/// have it. One that begins to lead an earlier epoch late, unaware of the others, need not.
#[derive(Clone, Copy, Debug)]
struct Promise {
    batch: Batch,
    epoch: LeaderEpoch,
}

#[derive(Default)]
struct Ledger {
    /// All before the largest high watermark.
    committed: Vec<Promise>,
    /// What was acknowledged to an acks=all producer, by base offset.
    acknowledged: BTreeMap<Offset, Promise>,
    /// The last epoch that began with an election from outside ISR and ELR that lost something.
    /// What a leader of an earlier epoch, unaware of it, promises after it is lost with it.
    lossy_epoch: Option<LeaderEpoch>,
    /// Something that was promised is excused or was lost by an election: clients that count on
    /// it can be told so.
    is_tainted: bool,
}

impl Promise {
    const fn base(&self) -> Offset {
        self.batch.base
    }
}

impl Ledger {
    /// Whether a leader of this epoch must have what was promised.
    fn binds(&self, held: &Promise, epoch: LeaderEpoch) -> bool {
        held.epoch <= epoch && self.lossy_epoch.is_none_or(|lossy| held.epoch >= lossy)
    }

    /// Keeps only what is held; gives how many batches that were.
    fn forget(&mut self, is_held: impl Fn(&Batch) -> bool) -> u64 {
        let before = self.committed.len() + self.acknowledged.len();
        while self
            .committed
            .last()
            .is_some_and(|last| !is_held(&last.batch))
        {
            self.committed.pop();
        }
        self.acknowledged.retain(|_, held| is_held(&held.batch));
        let after = self.committed.len() + self.acknowledged.len();
        self.is_tainted |= after < before;
        (before - after) as u64
    }
}

/// What was promised of each partition.
#[derive(Default)]
pub(crate) struct Committed {
    ledgers: BTreeMap<PartitionId, Ledger>,
    /// Batches that losses of power excuse.
    pub(crate) excused: u64,
    /// Batches that elections from outside ISR and ELR lost, held by no replica that lived then.
    pub(crate) lossy: u64,
    /// Acknowledgements of batches that an earlier leader had appended.
    pub(crate) repeated: u64,
    /// Records count only once they are synced: losses of power excuse nothing.
    pub(crate) excuses_nothing: bool,
    /// Who ever lost power.
    powerless: BTreeSet<usize>,
    /// Partitions that were deleted: what was promised of them is not known any more.
    deleted: BTreeSet<PartitionId>,
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
        let lacks = |held: &&Promise| ledger.binds(held, epoch) && !holds(log, &held.batch);
        let who = format!("broker {broker} leads {partition} in epoch {epoch}");
        let end = log.last().map_or(Offset::ZERO, |batch| batch.end);
        let lost = ledger.acknowledged.values().find(lacks);
        let (what, lost) = match (lost, ledger.committed.iter().rfind(lacks)) {
            (Some(lost), _) => ("acknowledged", lost.batch),
            (None, Some(lost)) => ("committed", lost.batch),
            (None, None) => return Ok(()),
        };
        let copies = mirrors.copies(partition);
        let holders = copies.filter(|(_, log)| holds(log, &lost));
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
        let is_promised = |batch: &&Batch| {
            let found = ledger
                .committed
                .binary_search_by_key(&batch.base, Promise::base);
            found.is_ok_and(|index| {
                let held = &ledger.committed[index];
                held.batch.chain == batch.chain && ledger.binds(held, epoch)
            })
        };
        match cut.iter().find(is_promised) {
            None => Ok(()),
            Some(lost) => Err(format!(
                "committed record cut: broker {broker} cuts {lost:?} off its log of {partition} in epoch {epoch}"
            )),
        }
    }

    /// A leader's high watermark stands here.
    pub(super) fn advance(
        &mut self,
        (partition, epoch): (PartitionId, LeaderEpoch),
        broker: usize,
        log: &[Batch],
        high_watermark: Offset,
    ) -> Result<(), String> {
        let ledger = self.ledgers.entry(partition).or_default();
        if ledger.lossy_epoch.is_some_and(|lossy| epoch < lossy) {
            return Ok(());
        }
        let committed = &mut ledger.committed;
        let end_of = |log: &[Promise]| log.last().map_or(Offset::ZERO, |held| held.batch.end);
        if high_watermark <= end_of(committed) {
            return Ok(());
        }
        if let Some(last) = committed.last().filter(|last| !holds(log, &last.batch)) {
            return Err(format!(
                "committed record changed: broker {broker} commits {partition} up to {high_watermark} without {last:?}"
            ));
        }
        let new = log.iter().copied().skip(committed.len());
        let new = new.take_while(|batch| batch.end <= high_watermark);
        committed.extend(new.map(|batch| Promise { batch, epoch }));
        if end_of(committed) == high_watermark {
            return Ok(());
        }
        Err(format!(
            "high watermark: broker {broker} has {high_watermark} for {partition}, which is not the end of a batch in its log"
        ))
    }

    pub(super) fn acknowledged(
        &mut self,
        (partition, epoch): (PartitionId, LeaderEpoch),
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
        let batch = log[index];
        self.repeated += u64::from(batch.epoch < epoch);
        ledger.acknowledged.insert(base, Promise { batch, epoch });
        Ok(())
    }

    pub(super) fn read(
        &self,
        broker: usize,
        partition: PartitionId,
        batches: &Bytes,
    ) -> Result<(), String> {
        let empty = Ledger::default();
        let ledger = self.ledgers.get(&partition).unwrap_or(&empty);
        if ledger.lossy_epoch.is_some() {
            // A leader of an earlier epoch may still give what that election lost.
            return Ok(());
        }
        let committed = &ledger.committed;
        let mut rest = &batches[..];
        while let Ok(header) = BatchHeader::parse(rest) {
            let size = header.size_bytes();
            let hash = mix_bytes(0, rest.get(..size).unwrap_or_default());
            let found = committed.binary_search_by_key(&header.base_offset, Promise::base);
            if !found.is_ok_and(|index| committed[index].batch.hash == hash) {
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
    pub(super) fn out_of_range(
        &self,
        partition: PartitionId,
        offset: Offset,
    ) -> Result<(), String> {
        let end = self.end(partition);
        if self.is_tainted(partition) || offset > end {
            return Ok(());
        }
        Err(format!(
            "consumer read: position {offset} of {partition} is out of range, though all before {end} is committed"
        ))
    }

    /// What an idempotent producer sent is acknowledged at this offset: it stands there.
    pub(super) fn told_offset(
        &self,
        partition: PartitionId,
        base: Offset,
        crc: u32,
    ) -> Result<(), String> {
        let ledger = self.ledgers.get(&partition);
        let held = ledger.and_then(|ledger| ledger.acknowledged.get(&base));
        let is_there = held.is_some_and(|held| held.batch.crc == crc);
        if is_there || self.is_tainted(partition) || self.deleted.contains(&partition) {
            return Ok(());
        }
        Err(format!(
            "idempotence: a producer was told that its batch is at {base} of {partition}, where {held:?} was acknowledged"
        ))
    }

    /// The sequence of a producer with one batch in flight is refused for good: the batch before
    /// it, which was acknowledged, must be excused.
    pub(super) fn out_of_sequence(&self, partition: PartitionId) -> Result<(), String> {
        if self.is_tainted(partition) {
            return Ok(());
        }
        Err(format!(
            "idempotence: a producer's sequence is refused for good in {partition}, where nothing is lost"
        ))
    }

    /// A broker was elected from outside ISR and ELR, which were empty, while these were live.
    pub(super) fn elected_uncleanly(
        &mut self,
        (partition, epoch): (PartitionId, LeaderEpoch),
        broker: usize,
        live: &BTreeSet<usize>,
        mirrors: &Mirrors,
    ) {
        let mut replicas = mirrors.copies(partition);
        if !replicas.any(|(replica, _)| self.powerless.contains(&replica)) {
            return;
        }
        let log = mirrors.of(broker, partition);
        let is_held = |batch: &Batch| {
            let mut copies = mirrors.copies(partition);
            holds(log, batch)
                || copies.any(|(replica, log)| live.contains(&replica) && holds(log, batch))
        };
        let ledger = self.ledgers.entry(partition).or_default();
        let lost = ledger.forget(is_held);
        if lost > 0 {
            self.lossy += lost;
            ledger.lossy_epoch = Some(epoch);
            let kept = ledger.committed.iter_mut();
            for held in kept.chain(ledger.acknowledged.values_mut()) {
                held.epoch = epoch;
            }
        }
    }

    /// Partitions that were deleted promise nothing any more.
    pub(super) fn keep(&mut self, exists: impl Fn(PartitionId) -> bool) {
        let deleted = self
            .ledgers
            .extract_if(.., |partition, _| !exists(*partition));
        self.deleted.extend(deleted.map(|(partition, _)| partition));
    }

    /// After a loss of power: what no machine holds any more is excused.
    ///
    /// With `flush.messages=1` there is no such excuse.
    pub(super) fn excuse(
        &mut self,
        machines: impl Iterator<Item = usize>,
        mirrors: &Mirrors,
    ) -> Result<(), (PartitionId, String)> {
        self.powerless.extend(machines);
        for (partition, ledger) in &mut self.ledgers {
            let is_held =
                |batch: &Batch| mirrors.copies(*partition).any(|(_, log)| holds(log, batch));
            let lost = ledger.forget(is_held);
            if lost > 0 && self.excuses_nothing {
                let what = format!(
                    "synced record lost: a loss of power took {lost} promised batches of {partition}, which were to be synced first"
                );
                return Err((*partition, what));
            }
            self.excused += lost;
        }
        Ok(())
    }

    /// Whether something that was promised of this partition is gone, and nobody to blame.
    pub(super) fn is_tainted(&self, partition: PartitionId) -> bool {
        let ledger = self.ledgers.get(&partition);
        ledger.is_some_and(|ledger| ledger.is_tainted)
    }

    /// Everything of a partition that is committed, but for what is excused, is in this log.
    pub(super) fn check_holder(
        &self,
        partition: PartitionId,
        epoch: LeaderEpoch,
        log: &[Batch],
    ) -> Result<(), String> {
        let Some(ledger) = self.ledgers.get(&partition) else {
            return Ok(());
        };
        let lacks = |held: &&Promise| ledger.binds(held, epoch) && !holds(log, &held.batch);
        match ledger.committed.iter().rfind(lacks) {
            None => Ok(()),
            Some(lost) => Err(format!("lacks {lost:?}")),
        }
    }

    /// The largest high watermark of a partition.
    pub(crate) fn end(&self, partition: PartitionId) -> Offset {
        let log = self.ledgers.get(&partition).map(|ledger| &ledger.committed);
        log.and_then(|log| log.last())
            .map_or(Offset::ZERO, |held| held.batch.end)
    }

    pub(super) fn check_final(
        &self,
        partition: PartitionId,
        broker: usize,
        mirrors: &Mirrors,
    ) -> Result<(), String> {
        self.check_leader(partition, LeaderEpoch(i32::MAX), broker, mirrors)
    }
}
