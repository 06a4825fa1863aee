//! The ISR: what is committed, and what was asked for.

use std::collections::BTreeSet;

use kintsugi_types::bug::{Bug, is_on};
use kintsugi_types::{BrokerId, PartitionEpoch};

use crate::assignment::Assignment;
use crate::command::IsrProposal;

/// The committed ISR and at most one proposal.
#[derive(Debug)]
pub(crate) struct Isr {
    pub committed: BTreeSet<BrokerId>,
    pub partition_epoch: PartitionEpoch,
    pub pending: Option<Pending>,
}

/// A proposal whose outcome is not known.
#[derive(Debug)]
pub(crate) struct Pending {
    pub proposal: IsrProposal,
    /// Whether the last request ended without a decision, so that it has to be sent again.
    pub to_resend: bool,
}

impl Isr {
    pub fn new(assignment: &Assignment) -> Self {
        Self {
            committed: assignment.isr.clone(),
            partition_epoch: assignment.partition_epoch,
            pending: None,
        }
    }

    /// Takes over newer committed state; whatever was proposed on older state can no longer be
    /// committed.
    pub fn commit(&mut self, assignment: &Assignment) {
        if assignment.partition_epoch > self.partition_epoch {
            *self = Self::new(assignment);
        }
    }

    /// Whether a broker is in the ISR, or will be if the proposal is committed. A proposed
    /// removal does not count before it is committed.
    pub fn maximal_contains(&self, broker: BrokerId) -> bool {
        if is_on(Bug::ShrinkBeforeCommit)
            && let Some(pending) = &self.pending
        {
            return pending.proposal.isr.contains_key(&broker);
        }
        let is_proposed = |pending: &Pending| pending.proposal.isr.contains_key(&broker);
        self.committed.contains(&broker) || self.pending.as_ref().is_some_and(is_proposed)
    }
}
