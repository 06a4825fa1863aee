//! When ISR and ELR are both empty, nobody knows by the metadata alone which replica holds every
//! committed record. Each is asked what its log holds, and the one whose log reaches furthest is
//! elected (as KIP-966's unclean recovery does by GetReplicaLogInfo); the partition is marked as
//! recovering.
//!
//! Guarantees: a replica that lives is never overlooked: while one is unfenced and has not
//! answered under its present registration, nobody is elected (it answers, or it is soon fenced).
//! A fenced one is waited for as well, but only for a named time. Assumes that a replica answers
//! only when it knows that the partition has no leader in the epoch that it was asked about, so
//! that what it tells of its log stays true.
//!
//! Of two logs the one whose last batch has the larger leader epoch, or with equal epochs the
//! larger end, holds all that is committed in the other (Raft §5.4.1). As in Raft's figure 8 that
//! is so for batches that were committed in the epoch that they were appended in, or that
//! are followed by one that was.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use kintsugi_types::{BrokerEpoch, BrokerId, LeaderEpoch, Offset, PartitionId};

use super::election::{Candidates, Election};
use super::partition_change::PartitionChange;
use crate::image::Image;
use crate::record::{MetadataRecord, PartitionState};
use crate::settings::ClusterSettings;

/// What one replica says of its log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReplicaLogEnd {
    /// The registration under which it answers.
    pub broker_epoch: BrokerEpoch,
    /// The partition's leader epoch, in which it knows of no leader.
    pub leader_epoch: LeaderEpoch,
    /// The leader epoch of the last batch in its log; unknown if the log is empty.
    pub last_epoch: LeaderEpoch,
    /// Where its log ends.
    pub log_end: Offset,
}

/// What the replicas of one partition said.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Evidence {
    /// The last answer of each.
    pub answers: BTreeMap<BrokerId, ReplicaLogEnd>,
    /// Whether fenced replicas were waited for long enough.
    pub is_wait_over: bool,
    /// Whether records may be lost for the sake of service: a live replica is elected also while
    /// ISR or ELR have members, if none of them is live
    /// (`unclean.leader.election.enable`, or ElectLeaders).
    pub may_lose: bool,
}

/// Whether this partition can only be led again by what the logs of its replicas hold.
#[must_use]
pub fn is_needed(state: &PartitionState) -> bool {
    state.leader.is_none() && state.isr.is_empty() && state.elr.is_empty()
}

impl Evidence {
    /// Whether this replica has answered under its present registration, about the present epoch.
    #[must_use]
    pub fn has_answer(&self, image: &Image, state: &PartitionState, broker: BrokerId) -> bool {
        self.answer(image, state, broker).is_some()
    }

    fn answer(
        &self,
        image: &Image,
        state: &PartitionState,
        broker: BrokerId,
    ) -> Option<&ReplicaLogEnd> {
        let known = image.brokers.get(&broker)?;
        let answer = self.answers.get(&broker)?;
        let is_present =
            answer.broker_epoch == known.epoch && answer.leader_epoch == state.leader_epoch;
        is_present.then_some(answer)
    }

    /// Whom to elect, if that can be told yet: of all replicas that live the one whose log reaches
    /// furthest; of equals one that is not stopping, then the last known leader, else the first in
    /// order of assignment. Nobody while a replica that lives has not answered, or one that does
    /// not live is still waited for, or while the one that reaches furthest is stopping.
    #[must_use]
    pub fn best(&self, image: &Image, state: &PartitionState) -> Option<BrokerId> {
        let candidates = Candidates::of(image);
        let mut best = None;
        for (order, broker) in state.replicas.iter().enumerate() {
            if !image.is_unfenced(*broker) {
                if self.is_wait_over {
                    continue;
                }
                return None;
            }
            let answer = self.answer(image, state, *broker)?;
            let reach = (answer.last_epoch, answer.log_end);
            let may_lead = candidates.may_lead(*broker);
            let was_leader = state.last_known_leader == Some(*broker);
            let rank = (reach, may_lead, was_leader, Reverse(order));
            best = best.max(Some((rank, *broker)));
        }
        let (_, broker) = best?;
        candidates.may_lead(broker).then_some(broker)
    }
}

/// Elects a leader for each of these partitions of which it can be told by now.
#[must_use]
pub fn elect_by_log_ends(
    image: &Image,
    settings: &ClusterSettings,
    evidence: &BTreeMap<PartitionId, Evidence>,
) -> Vec<MetadataRecord> {
    let candidates = Candidates::of(image);
    let mut records = Vec::new();
    for (partition, evidence) in evidence {
        let state = image.partition(*partition);
        let is_wanted = |state: &&Arc<PartitionState>| {
            is_needed(state) || (evidence.may_lose && state.leader.is_none())
        };
        let Some(state) = state.filter(is_wanted) else {
            continue;
        };
        if let Some(best) = evidence.best(image, state) {
            let min_isr = settings.min_isr(image, partition.topic, state);
            let election = match evidence.may_lose {
                true => Election::Forced(best),
                false => Election::Unclean(best),
            };
            let change = PartitionChange::of(state, min_isr).election(election);
            records.extend(change.record(*partition, &candidates));
        }
    }
    records
}
