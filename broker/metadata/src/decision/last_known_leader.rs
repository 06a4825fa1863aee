//! When ISR and ELR are both empty, no replica surely holds every committed record. Every replica
//! is waited for; then, or after a named time, the last known leader is elected (KIP-966's
//! balanced recovery), and the partition is marked as recovering.

use std::collections::BTreeSet;

use kintsugi_types::PartitionId;

use super::election::{Candidates, Election};
use super::partition_change::PartitionChange;
use crate::image::Image;
use crate::record::{MetadataRecord, PartitionState};
use crate::settings::ClusterSettings;

/// Whether this partition can only be led again by its last known leader.
#[must_use]
pub fn is_needed(state: &PartitionState) -> bool {
    state.leader.is_none()
        && state.isr.is_empty()
        && state.elr.is_empty()
        && state.last_known_leader.is_some()
}

/// Whether all of this partition's replicas are there, so that waiting longer brings nothing.
#[must_use]
pub fn nobody_to_wait_for(state: &PartitionState, candidates: &Candidates<'_>) -> bool {
    let mut replicas = state.replicas.iter();
    is_needed(state) && replicas.all(|broker| candidates.may_lead(*broker))
}

/// Elects the last known leader of these partitions, whose time of waiting has passed.
#[must_use]
pub fn elect_after_waiting(
    image: &Image,
    settings: &ClusterSettings,
    waited: &BTreeSet<PartitionId>,
) -> Vec<MetadataRecord> {
    let candidates = Candidates::of(image);
    let mut records = Vec::new();
    for partition in waited {
        let state = image.partition(*partition);
        if let Some(state) = state.filter(|state| is_needed(state)) {
            let min_isr = settings.min_isr(image, partition.topic, state);
            let change = PartitionChange::of(state, min_isr).election(Election::LastKnownLeader);
            records.extend(change.record(*partition, &candidates));
        }
    }
    records
}
