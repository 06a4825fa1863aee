//! One change of one partition's state, with everything that follows from it.

use std::sync::Arc;

use kintsugi_types::{BrokerId, PartitionId};

use super::election::{Candidates, Elected, Election, elect};
use crate::record::{MetadataRecord, PartitionState, Reassignment, RecoveryState};

/// A change in the making: the new ISR, and how to elect.
#[derive(Clone, Debug)]
pub struct PartitionChange<'a> {
    state: &'a PartitionState,
    min_isr: usize,
    isr: Vec<BrokerId>,
    assignment: Option<(Vec<BrokerId>, Option<Box<Reassignment>>)>,
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
            assignment: None,
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

    /// Sets new replicas, and the move that they are part of.
    #[must_use]
    pub fn assignment(
        mut self,
        replicas: Vec<BrokerId>,
        reassignment: Option<Box<Reassignment>>,
    ) -> Self {
        self.assignment = Some((replicas, reassignment));
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
    ///
    /// A move to other replicas completes as part of whatever change puts all of its target in
    /// sync, unless then nobody of the target could lead: it waits for the next change.
    #[must_use]
    pub fn build(self, candidates: &Candidates<'_>) -> Option<PartitionState> {
        let mut next = self.state.clone();
        if let Some((replicas, reassignment)) = &self.assignment {
            next.replicas.clone_from(replicas);
            next.reassignment.clone_from(reassignment);
        }
        next.isr.clone_from(&self.isr);
        let is_replica = |broker: &BrokerId| next.replicas.contains(broker);
        next.isr.retain(is_replica);
        if self.recovered {
            next.recovery = RecoveryState::Recovered;
        }
        let completed = completed(&next).map(|completed| self.elected(completed, candidates));
        let completed = completed.filter(|completed| completed.leader.is_some());
        let mut next = completed.unwrap_or_else(|| self.elected(next, candidates));
        if next == *self.state {
            return None;
        }
        let is_gone = |broker: &BrokerId| !next.replicas.contains(broker);
        // A replica that left and comes back may have an empty log: by the epoch its leader knows
        // that what it heard of that log before is void.
        if next.leader != self.state.leader || self.state.replicas.iter().any(is_gone) {
            next.leader_epoch = next.leader_epoch.next();
        }
        next.partition_epoch = next.partition_epoch.next();
        Some(next)
    }

    /// The state with its ELR and its leader.
    fn elected(&self, mut next: PartitionState, candidates: &Candidates<'_>) -> PartitionState {
        next.elr = self.eligible(&next);
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
        let last = next.last_known_leader;
        let is_gone = last.is_some_and(|last| !next.replicas.contains(&last));
        if is_gone || (self.given_up.is_some() && last == self.given_up) {
            // Whoever holds everything now is the best to fall back on.
            next.last_known_leader = next.isr.iter().chain(&next.elr).next().copied();
        }
        next
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
    /// then can the high watermark move past what the others have; else every replica that was in
    /// ISR or ELR, is not in the new ISR, and has not lost anything.
    fn eligible(&self, next: &PartitionState) -> Vec<BrokerId> {
        if next.isr.len() >= self.min_isr {
            return Vec::new();
        }
        let was_sure = |b: &BrokerId| self.state.isr.contains(b) || self.state.elr.contains(b);
        let replicas = next.replicas.iter().copied();
        replicas
            .filter(|b| was_sure(b) && !next.isr.contains(b) && self.lost != Some(*b))
            .collect()
    }
}

/// The state after the move under way, if all replicas of its target are in sync (KIP-455).
fn completed(state: &PartitionState) -> Option<PartitionState> {
    state.reassignment.as_ref()?;
    let replicas = state.target_replicas();
    let all_in_sync = replicas.iter().all(|broker| state.isr.contains(broker));
    if replicas.is_empty() || !all_in_sync {
        return None;
    }
    let mut completed = state.clone();
    completed.isr.retain(|broker| replicas.contains(broker));
    completed.replicas = replicas;
    completed.reassignment = None;
    Some(completed)
}
