//! One producer, and the rules for its next batch.

use std::collections::VecDeque;

use kintsugi_types::{ErrorCode, Offset, ProducerEpoch, ProducerId, TimestampMs};
use kintsugi_wire::batch::BatchHeader;

/// How many of a producer's batches are remembered: as many as a client may have in flight
/// (`max.in.flight.requests.per.connection` of an idempotent producer is at most 5).
pub const BATCHES_KEPT: usize = 5;

/// One of a producer's last batches.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ProducedBatch {
    /// The sequence number of its first record.
    pub first_sequence: i32,
    /// The sequence number of its last record.
    pub last_sequence: i32,
    /// The offset of its first record.
    pub first_offset: Offset,
    /// The offset of its last record.
    pub last_offset: Offset,
    /// Its greatest timestamp.
    pub timestamp: TimestampMs,
}

/// What a partition knows of one producer.
#[derive(Clone, Debug)]
pub struct ProducerEntry {
    epoch: ProducerEpoch,
    /// The last [`BATCHES_KEPT`] of this epoch, the oldest first.
    batches: VecDeque<ProducedBatch>,
    used_at: Option<TimestampMs>,
}

/// What a leader does with a batch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ProducerCheck {
    /// It is to be appended.
    New,
    /// It is in the log already, here.
    Duplicate(ProducedBatch),
}

/// Why a batch may not be appended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ProducerError {
    /// Something is missing before it, or it is an old one that is not remembered any more.
    #[error(
        "failed to append batch of producer {producer}: its first sequence number is {found}, the next one is {expected}"
    )]
    OutOfOrder {
        /// Whose batch it is.
        producer: ProducerId,
        /// The sequence number that was due.
        expected: i32,
        /// The one that came.
        found: i32,
    },
    /// A newer instance of this producer has written.
    #[error(
        "failed to append batch of producer {producer}: its epoch is {found}, the present one {current}"
    )]
    OldEpoch {
        /// Whose batch it is.
        producer: ProducerId,
        /// The newest epoch.
        current: ProducerEpoch,
        /// The batch's epoch.
        found: ProducerEpoch,
    },
}

impl ProducerError {
    /// What the producer is told.
    #[must_use]
    pub const fn error_code(&self) -> ErrorCode {
        match self {
            Self::OutOfOrder { .. } => ErrorCode::OutOfOrderSequenceNumber,
            Self::OldEpoch { .. } => ErrorCode::InvalidProducerEpoch,
        }
    }
}

/// The sequence number after this one: zero after the greatest.
const fn next_sequence(sequence: i32) -> i32 {
    match sequence.checked_add(1) {
        Some(next) => next,
        None => 0,
    }
}

/// The sequence number `back` before this one, through zero to the greatest.
pub(super) const fn previous_sequence(sequence: i32, back: i32) -> i32 {
    let span = i32::MAX as i64 + 1;
    (sequence as i64 - back as i64).rem_euclid(span) as i32
}

impl ProducerEntry {
    pub(super) fn new(epoch: ProducerEpoch) -> Self {
        Self {
            epoch,
            batches: VecDeque::new(),
            used_at: None,
        }
    }

    /// The newest epoch that wrote here.
    #[must_use]
    pub const fn epoch(&self) -> ProducerEpoch {
        self.epoch
    }

    /// The last batches of that epoch, the oldest first.
    pub fn batches(&self) -> impl Iterator<Item = &ProducedBatch> {
        self.batches.iter()
    }

    /// The last batch.
    #[must_use]
    pub fn last(&self) -> Option<&ProducedBatch> {
        self.batches.back()
    }

    pub(super) fn check(&self, header: &BatchHeader) -> Result<ProducerCheck, ProducerError> {
        let (producer, found) = (header.producer_id, header.base_sequence);
        if header.producer_epoch < self.epoch {
            return Err(ProducerError::OldEpoch {
                producer,
                current: self.epoch,
                found: header.producer_epoch,
            });
        }
        if header.producer_epoch > self.epoch {
            return match found {
                0 => Ok(ProducerCheck::New),
                _ => Err(ProducerError::OutOfOrder {
                    producer,
                    expected: 0,
                    found,
                }),
            };
        }
        let is_same = |batch: &&ProducedBatch| {
            batch.first_sequence == found && batch.last_sequence == header.last_sequence()
        };
        if let Some(batch) = self.batches.iter().find(is_same) {
            return Ok(ProducerCheck::Duplicate(*batch));
        }
        let expected = self.last().map_or(0, |b| next_sequence(b.last_sequence));
        if found == expected {
            return Ok(ProducerCheck::New);
        }
        Err(ProducerError::OutOfOrder {
            producer,
            expected,
            found,
        })
    }

    pub(super) fn add(
        &mut self,
        epoch: ProducerEpoch,
        batch: ProducedBatch,
        used_at: Option<TimestampMs>,
    ) {
        if self.epoch != epoch {
            self.epoch = epoch;
            self.batches.clear();
        }
        if self.batches.len() >= BATCHES_KEPT {
            self.batches.pop_front();
        }
        self.batches.push_back(batch);
        self.used_at = self.used_at.max(used_at);
    }

    pub(super) fn is_expired(&mut self, now_wall: TimestampMs, expiration_ms: i64) -> bool {
        let used_at = *self.used_at.get_or_insert(now_wall);
        now_wall.0.saturating_sub(used_at.0) >= expiration_ms
    }
}

impl PartialEq for ProducerEntry {
    /// Compares what is known of the log, not when it was learnt.
    fn eq(&self, other: &Self) -> bool {
        self.epoch == other.epoch && self.batches == other.batches
    }
}

impl Eq for ProducerEntry {}
