//! A broker is dead, or taken for dead: one append that heals everything it was part of.

use kintsugi_types::{BrokerEpoch, BrokerId, PartitionId};

use super::election::Candidates;
use super::partition_change::PartitionChange;
use crate::image::Image;
use crate::record::{MetadataRecord, PartitionState};
use crate::settings::ClusterSettings;

/// Fences a broker: its fence first, then each of its leaderships to another replica, then its
/// removal from every ISR it is in elsewhere. Empty if that registration is not in force or is
/// fenced already.
#[must_use]
pub fn fence(
    image: &Image,
    settings: &ClusterSettings,
    broker: BrokerId,
    epoch: BrokerEpoch,
) -> Vec<MetadataRecord> {
    match image.brokers.get(&broker) {
        Some(present) if present.epoch == epoch && !present.fenced => {}
        _ => return Vec::new(),
    }
    let mut records = vec![MetadataRecord::BrokerFenced { broker, epoch }];
    records.extend(withdraw(image, settings, broker, false));
    records
}

/// Takes a broker out of every leadership and ISR; if it `lost` records, out of every ELR too.
/// Leaderships come first, so that whoever applies the records in order serves soonest.
pub(super) fn withdraw(
    image: &Image,
    settings: &ClusterSettings,
    broker: BrokerId,
    lost: bool,
) -> Vec<MetadataRecord> {
    let candidates = Candidates {
        image,
        without: Some(broker),
        with: None,
    };
    let concerns = |state: &PartitionState| {
        state.leader == Some(broker)
            || state.isr.contains(&broker)
            || (lost && state.elr.contains(&broker))
    };
    let change = |partition: PartitionId, state: &PartitionState| {
        let min_isr = settings.min_isr(image, partition.topic, state);
        let change = PartitionChange::of(state, min_isr).without(broker);
        let change = if lost { change.lost(broker) } else { change };
        change.record(partition, &candidates)
    };
    let (mut led, mut followed) = (Vec::new(), Vec::new());
    for (partition, state) in image.partitions().filter(|(_, state)| concerns(state)) {
        let records = if state.leader == Some(broker) {
            &mut led
        } else {
            &mut followed
        };
        records.extend(change(partition, state));
    }
    led.append(&mut followed);
    led
}
