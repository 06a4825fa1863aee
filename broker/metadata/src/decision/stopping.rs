//! A broker wants to stop: it hands over first (KIP-841's controlled shutdown).

use kintsugi_types::{BrokerEpoch, BrokerId};

use super::election::Candidates;
use super::partition_change::PartitionChange;
use crate::image::Image;
use crate::record::{MetadataRecord, PartitionState};
use crate::settings::ClusterSettings;

/// Moves this broker's leaderships to other live members of the ISR and takes it out of every
/// ISR that has another live member. What only it can lead stays with it. The first time, a
/// record marks it as stopping. Empty if that registration is not in force, or nothing changes.
#[must_use]
pub fn stop(
    image: &Image,
    settings: &ClusterSettings,
    broker: BrokerId,
    epoch: BrokerEpoch,
) -> Vec<MetadataRecord> {
    let Some(present) = image.brokers.get(&broker).filter(|b| b.epoch == epoch) else {
        return Vec::new();
    };
    let mut records = Vec::new();
    if !present.stopping {
        records.push(MetadataRecord::BrokerStopping { broker, epoch });
    }
    let candidates = Candidates {
        image,
        without: Some(broker),
        with: None,
    };
    let (mut led, mut followed) = (Vec::new(), Vec::new());
    for (partition, state) in image.partitions() {
        if !can_be_handed_over(image, broker, state) {
            continue;
        }
        let min_isr = settings.min_isr(image, partition.topic, state);
        let change = PartitionChange::of(state, min_isr).without(broker);
        let records = if state.leader == Some(broker) {
            &mut led
        } else {
            &mut followed
        };
        records.extend(change.record(partition, &candidates));
    }
    records.append(&mut led);
    records.append(&mut followed);
    records
}

/// Whether a stopping broker may end: it is marked as stopping, and leads nothing that another
/// live member of the ISR could lead. A fenced one leads nothing at all.
#[must_use]
pub fn may_stop(image: &Image, broker: BrokerId, epoch: BrokerEpoch) -> bool {
    let is_stopping = image
        .brokers
        .get(&broker)
        .is_some_and(|b| b.epoch == epoch && b.stopping);
    is_stopping && !has_more_to_hand_over(image, broker)
}

/// Whether [`stop`] would move something.
#[must_use]
pub fn has_more_to_hand_over(image: &Image, broker: BrokerId) -> bool {
    let mut partitions = image.partitions();
    partitions.any(|(_, state)| can_be_handed_over(image, broker, state))
}

fn can_be_handed_over(image: &Image, broker: BrokerId, state: &PartitionState) -> bool {
    let is_in_it = state.leader == Some(broker) || state.isr.contains(&broker);
    let mut isr = state.isr.iter();
    is_in_it && isr.any(|member| *member != broker && image.is_active(*member))
}
