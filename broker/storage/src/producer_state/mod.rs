//! What a partition knows of its idempotent producers (KIP-98): enough to tell a batch that was
//! sent again from a new one.
//!
//! Guarantees: the state is a function of the batches in the log alone (and of what was expired),
//! so that leader, followers and a log opened again agree; it holds at most so many producers, and
//! forgets the one whose last batch is the oldest first. Assumes that batches are told in the order
//! of the log. Never does I/O and reads no clock. Transactions are not known: control batches
//! change nothing.

mod entry;
mod snapshot;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use kintsugi_types::{Offset, ProducerEpoch, ProducerId, TimestampMs};
use kintsugi_wire::batch::BatchHeader;

use entry::previous_sequence;
pub use entry::{BATCHES_KEPT, ProducedBatch, ProducerCheck, ProducerEntry, ProducerError};
pub use snapshot::SnapshotError;
pub(crate) use snapshot::{decode, encode, snapshot_name, snapshot_offset_of};

/// The producers of one partition.
#[derive(Clone, Debug)]
pub struct Producers {
    entries: BTreeMap<ProducerId, ProducerEntry>,
    /// By the offset of their last record, which no two share.
    by_last_offset: BTreeMap<Offset, ProducerId>,
    producers_max: usize,
    evicted: u64,
}

impl Producers {
    /// Nobody, and room for so many producers (at least one).
    #[must_use]
    pub fn new(producers_max: usize) -> Self {
        Self {
            entries: BTreeMap::new(),
            by_last_offset: BTreeMap::new(),
            producers_max: producers_max.max(1),
            evicted: 0,
        }
    }

    /// How many producers are known.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// What is known of one producer.
    #[must_use]
    pub fn get(&self, producer: ProducerId) -> Option<&ProducerEntry> {
        self.entries.get(&producer)
    }

    /// All, by their ids.
    pub fn iter(&self) -> impl Iterator<Item = (ProducerId, &ProducerEntry)> {
        self.entries.iter().map(|(id, entry)| (*id, entry))
    }

    /// Whether a leader may append this batch, or has it already. A batch without a producer id is
    /// always new; one of an unknown producer may begin at any sequence number, since what came
    /// before may be gone by retention.
    ///
    /// # Errors
    /// When it does not follow the producer's last batch, or the producer has a newer epoch.
    pub fn check(&self, header: &BatchHeader) -> Result<ProducerCheck, ProducerError> {
        if header.producer_id.0 < 0 {
            return Ok(ProducerCheck::New);
        }
        match self.entries.get(&header.producer_id) {
            Some(entry) => entry.check(header),
            None => Ok(ProducerCheck::New),
        }
    }

    /// Takes note of a batch that is in the log now, without checks: the leader has made them.
    /// `used_at` is the wall clock at its append, where that is known.
    pub(crate) fn update(&mut self, header: &BatchHeader, used_at: Option<TimestampMs>) {
        let is_numbered = header.producer_id.0 >= 0 && header.base_sequence >= 0;
        if !is_numbered || header.attributes.is_control() {
            return;
        }
        let batch = ProducedBatch {
            first_sequence: header.base_sequence,
            last_sequence: header.last_sequence(),
            first_offset: header.base_offset,
            last_offset: header.last_offset(),
            timestamp: header.max_timestamp,
        };
        self.add(header.producer_id, header.producer_epoch, batch, used_at);
        self.evict();
    }

    fn add(
        &mut self,
        producer: ProducerId,
        epoch: ProducerEpoch,
        batch: ProducedBatch,
        used_at: Option<TimestampMs>,
    ) {
        let entry = self
            .entries
            .entry(producer)
            .or_insert_with(|| ProducerEntry::new(epoch));
        if let Some(last) = entry.last() {
            self.by_last_offset.remove(&last.last_offset);
        }
        entry.add(epoch, batch, used_at);
        self.by_last_offset.insert(batch.last_offset, producer);
    }

    fn evict(&mut self) {
        while self.entries.len() > self.producers_max
            && let Some((_, producer)) = self.by_last_offset.pop_first()
        {
            self.entries.remove(&producer);
            self.evicted += 1;
        }
    }

    /// Forgets producers that appended nothing for `expiration_ms`; gives how many. Those that were
    /// read from a disk count from the first call on: their batches' timestamps are the clients',
    /// and may be of any time.
    pub(crate) fn expire(&mut self, now_wall: TimestampMs, expiration_ms: i64) -> usize {
        let before = self.entries.len();
        let by_last_offset = &mut self.by_last_offset;
        self.entries.retain(|_, entry| {
            let is_kept = !entry.is_expired(now_wall, expiration_ms);
            if let (false, Some(last)) = (is_kept, entry.last()) {
                by_last_offset.remove(&last.last_offset);
            }
            is_kept
        });
        before - self.entries.len()
    }

    /// How many were forgotten since the last call because there were too many.
    pub(crate) fn take_evicted(&mut self) -> u64 {
        std::mem::take(&mut self.evicted)
    }

    pub(crate) fn clear(&mut self) {
        self.entries.clear();
        self.by_last_offset.clear();
    }

    pub(crate) fn set_max(&mut self, producers_max: usize) {
        self.producers_max = producers_max.max(1);
        self.evict();
    }

    /// The offset of the last record that has a producer, as far as is known.
    pub(crate) fn last_offset(&self) -> Option<Offset> {
        self.by_last_offset.last_key_value().map(|(last, _)| *last)
    }
}

impl PartialEq for Producers {
    /// Compares what is known of the log, not when it was learnt.
    fn eq(&self, other: &Self) -> bool {
        self.entries == other.entries
    }
}

impl Eq for Producers {}
