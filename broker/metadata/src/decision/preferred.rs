//! Brings leaderships back to the preferred replicas (`auto.leader.rebalance.enable`).

use super::election::{Candidates, Election};
use super::partition_change::PartitionChange;
use crate::image::Image;
use crate::record::{MetadataRecord, PartitionState};
use crate::settings::ClusterSettings;

/// The most leaderships moved by one append, so that a restarted broker is not swamped.
pub const MOVES_MAX: usize = 1_000;

/// Whether this partition is led by another than its preferred replica, which is in sync and
/// live.
#[must_use]
pub fn is_imbalanced(image: &Image, state: &PartitionState) -> bool {
    let Some(preferred) = state.replicas.first() else {
        return false;
    };
    state.leader.is_some()
        && state.leader != Some(*preferred)
        && state.isr.contains(preferred)
        && image.is_active(*preferred)
}

/// Moves up to [`MOVES_MAX`] leaderships to their preferred replicas.
#[must_use]
pub fn rebalance(image: &Image, settings: &ClusterSettings) -> Vec<MetadataRecord> {
    let candidates = Candidates::of(image);
    let imbalanced = image
        .partitions()
        .filter(|(_, state)| is_imbalanced(image, state));
    imbalanced
        .take(MOVES_MAX)
        .filter_map(|(partition, state)| {
            let min_isr = settings.min_isr(image, partition.topic, state);
            let change = PartitionChange::of(state, min_isr).election(Election::Preferred);
            change.record(partition, &candidates)
        })
        .collect()
}
