//! An idempotent producer's numbers (KIP-98): its id, and how far its batches are numbered.

use kintsugi_types::{ErrorCode, ProducerEpoch, ProducerId};
use kintsugi_wire::records::BatchOptions;

/// So often in a row the sequence of a batch may be refused before the producer begins anew. More
/// than a leader that does not know yet that it is none can refuse.
const REFUSALS_MAX: u32 = 20;

/// What an idempotent producer numbers its batches by. One batch is in flight at a time.
#[derive(Debug, Default)]
pub(crate) struct Numbering {
    id: Option<ProducerId>,
    next: i32,
    refusals: u32,
}

impl Numbering {
    pub(crate) const fn has_id(&self) -> bool {
        self.id.is_some()
    }

    /// It was given an id.
    pub(crate) fn begin(&mut self, id: ProducerId) {
        *self = Self {
            id: Some(id),
            ..Self::default()
        };
    }

    /// How the next batch is numbered, which has so many records.
    pub(crate) fn number(&mut self, count: i32) -> BatchOptions {
        let base_sequence = self.next;
        self.next += count;
        BatchOptions {
            producer_id: self.id.unwrap_or(ProducerId(-1)),
            producer_epoch: ProducerEpoch(0),
            base_sequence,
            ..BatchOptions::default()
        }
    }

    /// A batch was answered with an error; true if the producer has to begin anew, because what
    /// was acknowledged before it seems to be lost.
    pub(crate) fn refused(&mut self, error: ErrorCode) -> bool {
        if error != ErrorCode::OutOfOrderSequenceNumber {
            self.refusals = 0;
            return false;
        }
        self.refusals += 1;
        self.refusals >= REFUSALS_MAX
    }

    /// A batch was acknowledged.
    pub(crate) const fn acknowledged(&mut self) {
        self.refusals = 0;
    }

    /// Forgets the id.
    pub(crate) fn end(&mut self) {
        *self = Self::default();
    }
}
