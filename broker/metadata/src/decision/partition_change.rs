//! One change of one partition's state, with everything that follows from it.

use std::sync::Arc;

use kintsugi_types::{BrokerId, PartitionId};

use super::election::{Candidates, Elected, Election, elect};
use crate::record::{MetadataRecord, PartitionState, RecoveryState};

/// A change in the making: the new ISR, and how to elect.
#[derive(Clone, Debug)]
pub struct PartitionChange<'a> {
    state: &'a PartitionState,
    min_isr: usize,
    isr: Vec<BrokerId>,
    lost: Option<BrokerId>,
    given_up: Option<BrokerId>,
    election: Election,
    recovered: bool,
}

impl<'a> PartitionChange<'a> {
    /// Starts from the present state. `min_isr` is the partition's effective minimum.
    #[must_use]
    pub fn of(state: &'a PartitionState, min_isr: usize) -> Self {
        Self {
            state,
            min_isr,
            isr: state.isr.clone(),
            lost: None,
            given_up: None,
            election: Election::Clean,
            recovered: false,
        }
    }

    /// Sets the new ISR.
    #[must_use]
    pub fn isr(mut self, isr: Vec<BrokerId>) -> Self {
        self.isr = isr;
        self
    }

    /// Takes this broker out of the ISR.
    #[must_use]
    pub fn without(mut self, broker: BrokerId) -> Self {
        self.isr.retain(|member| *member != broker);
        self
    }

    /// This broker may have lost records: it may not be (or become) eligible either.
    #[must_use]
    pub fn lost(mut self, broker: BrokerId) -> Self {
        self.lost = Some(broker);
        self
    }

    /// This broker's volume is given up: it may be neither eligible nor the last known leader,
    /// since it may come back empty.
    #[must_use]
    pub fn given_up(mut self, broker: BrokerId) -> Self {
        self.lost = Some(broker);
        self.given_up = Some(broker);
        self
    }

    /// Sets how to elect.
    #[must_use]
    pub const fn election(mut self, election: Election) -> Self {
        self.election = election;
        self
    }

    /// The leader has finished recovering (KIP-704).
    #[must_use]
    pub const fn recovered(mut self) -> Self {
        self.recovered = true;
        self
    }

    /// The new state with its epochs, or `None` if nothing changes.
    #[must_use]
    pub fn build(self, candidates: &Candidates<'_>) -> Option<PartitionState> {
        let mut next = self.state.clone();
        next.elr = self.eligible();
        next.isr = self.isr;
        if self.recovered {
            next.recovery = RecoveryState::Recovered;
        }
        match elect(&next, self.election, candidates) {
            Elected::Clean(leader) => {
                if !next.isr.contains(&leader) {
                    next.isr = vec![leader];
                    next.elr.retain(|member| *member != leader);
                    if next.isr.len() >= self.min_isr {
                        // The minimum was lowered while nobody led: this leader may commit alone.
                        next.elr.clear();
                    }
                }
                next.leader = Some(leader);
                next.last_known_leader = None;
            }
            Elected::Lossy(leader) => {
                next.isr = vec![leader];
                next.elr.clear();
                next.leader = Some(leader);
                next.last_known_leader = None;
                next.recovery = RecoveryState::Recovering;
            }
            Elected::Nobody => {
                next.last_known_leader = next.leader.or(next.last_known_leader);
                next.leader = None;
            }
        }
        if self.given_up.is_some() && next.last_known_leader == self.given_up {
            // Whoever holds everything now is the best to fall back on.
            next.last_known_leader = next.isr.iter().chain(&next.elr).next().copied();
        }
        if next == *self.state {
            return None;
        }
        if next.leader != self.state.leader {
            next.leader_epoch = next.leader_epoch.next();
        }
        next.partition_epoch = next.partition_epoch.next();
        Some(next)
    }

    /// The record of this change, or `None` if nothing changes.
    #[must_use]
    pub fn record(
        self,
        partition: PartitionId,
        candidates: &Candidates<'_>,
    ) -> Option<MetadataRecord> {
        let state = Arc::new(self.build(candidates)?);
        Some(MetadataRecord::Partition { partition, state })
    }

    /// The ELR that belongs to the new ISR: empty while enough replicas are in sync, since only
    /// then can the high watermark move past what the others have; else everyone who was in ISR
    /// or ELR, is not in the new ISR, and has not lost anything.
    fn eligible(&self) -> Vec<BrokerId> {
        if self.isr.len() >= self.min_isr {
            return Vec::new();
        }
        let was_sure = |b: &BrokerId| self.state.isr.contains(b) || self.state.elr.contains(b);
        let replicas = self.state.replicas.iter().copied();
        replicas
            .filter(|b| was_sure(b) && !self.isr.contains(b) && self.lost != Some(*b))
            .collect()
    }
}
