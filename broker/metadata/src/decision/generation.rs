//! A broker id may come back on a new, empty volume.

use kintsugi_types::{BrokerId, Generation, PartitionId};

use super::election::Candidates;
use super::partition_change::PartitionChange;
use crate::image::Image;
use crate::record::{MetadataRecord, PartitionState};
use crate::settings::ClusterSettings;

/// Why a generation is not granted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum GrantRefused {
    /// The broker is alive.
    BrokerIsLive,
    /// It may hold the only copy of this many partitions, such as this one.
    LastCopy {
        /// How many.
        partitions: u32,
        /// One of them.
        example: PartitionId,
    },
    /// The generation asked for is not the next one; this one is the highest in force.
    WrongGeneration(Generation),
}

/// Grants the next generation of a fenced broker. What it held under the old one is given up: it
/// leaves every ELR in the same append, which needs another replica in ISR or ELR for each, and
/// is nowhere the last known leader any more.
/// Asking again for what was granted gives no records.
///
/// # Errors
/// When it is not granted.
pub fn grant(
    image: &Image,
    settings: &ClusterSettings,
    broker: BrokerId,
    asked: Generation,
) -> Result<Vec<MetadataRecord>, GrantRefused> {
    let registered = image
        .brokers
        .get(&broker)
        .map(|b| b.registration.incarnation.generation);
    let granted = image.generations.get(&broker).copied();
    let highest = granted.max(registered).unwrap_or_default();
    if granted == Some(asked) && highest == asked {
        return Ok(Vec::new());
    }
    if asked.0 != highest.0.saturating_add(1) {
        return Err(GrantRefused::WrongGeneration(highest));
    }
    if image.is_unfenced(broker) {
        return Err(GrantRefused::BrokerIsLive);
    }
    let mut last_copies = image
        .partitions()
        .filter(|(_, state)| may_be_last_copy(state, broker));
    if let Some((example, _)) = last_copies.next() {
        let others = u32::try_from(last_copies.count()).unwrap_or(u32::MAX);
        let partitions = others.saturating_add(1);
        return Err(GrantRefused::LastCopy {
            partitions,
            example,
        });
    }
    let candidates = Candidates::of(image);
    let mut records = Vec::new();
    for (partition, state) in image.partitions() {
        if state.elr.contains(&broker) || state.last_known_leader == Some(broker) {
            let min_isr = settings.min_isr(image, partition.topic, state);
            let change = PartitionChange::of(state, min_isr).given_up(broker);
            records.extend(change.record(partition, &candidates));
        }
    }
    records.push(MetadataRecord::GenerationGranted {
        broker,
        generation: asked,
    });
    Ok(records)
}

/// Whether a committed record may be on this broker only. Where ISR and ELR are empty, nobody
/// knows which replica holds what, so each may.
fn may_be_last_copy(state: &PartitionState, broker: BrokerId) -> bool {
    let mut sure = state.isr.iter().chain(&state.elr);
    let another_has_it = sure.any(|member| *member != broker);
    state.replicas.contains(&broker) && !another_has_it
}
