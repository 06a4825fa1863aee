//! Elections of preferred leaders that somebody asks for (KIP-183, KIP-460).

use kintsugi_types::{ErrorCode, PartitionId};

use super::election::{Candidates, Election};
use super::partition_change::PartitionChange;
use crate::image::Image;
use crate::record::MetadataRecord;
use crate::settings::ClusterSettings;

/// Moves a partition's leadership to its preferred replica.
///
/// # Errors
/// `UnknownTopicOrPartition`; `ElectionNotNeeded` if it leads already; and
/// `PreferredLeaderNotAvailable` if it is not in sync or not live.
pub fn elect_preferred(
    image: &Image,
    settings: &ClusterSettings,
    partition: PartitionId,
) -> Result<MetadataRecord, ErrorCode> {
    let state = image
        .partition(partition)
        .ok_or(ErrorCode::UnknownTopicOrPartition)?;
    let preferred = state.replicas.first().copied();
    if state.leader.is_some() && state.leader == preferred {
        return Err(ErrorCode::ElectionNotNeeded);
    }
    let min_isr = settings.min_isr(image, partition.topic, state);
    let change = PartitionChange::of(state, min_isr).election(Election::Preferred);
    let next = change.build(&Candidates::of(image));
    match next.filter(|next| next.leader == preferred) {
        Some(next) => Ok(MetadataRecord::Partition {
            partition,
            state: next.into(),
        }),
        None => Err(ErrorCode::PreferredLeaderNotAvailable),
    }
}
