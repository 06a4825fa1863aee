//! A registered broker is alive and knows the metadata up to its registration: it may serve.

use kintsugi_types::{BrokerEpoch, BrokerId, MetadataOffset};

use super::election::Candidates;
use super::partition_change::PartitionChange;
use crate::image::Image;
use crate::record::MetadataRecord;
use crate::settings::ClusterSettings;

/// Whether a fenced broker that has applied the metadata up to `applied` may be unfenced.
#[must_use]
pub fn may_unfence(
    image: &Image,
    broker: BrokerId,
    epoch: BrokerEpoch,
    applied: MetadataOffset,
) -> bool {
    let knows_its_registration = i64::try_from(applied.0).is_ok_and(|applied| applied >= epoch.0);
    knows_its_registration && is_fenced_in_force(image, broker, epoch)
}

/// Whether this registration is in force and fenced, and its generation not given up by a grant
/// of the next.
fn is_fenced_in_force(image: &Image, broker: BrokerId, epoch: BrokerEpoch) -> bool {
    let granted = image.generations.get(&broker).copied().unwrap_or_default();
    image.brokers.get(&broker).is_some_and(|present| {
        let generation = present.registration.incarnation.generation;
        present.fenced && present.epoch == epoch && generation >= granted
    })
}

/// Unfences a broker, and elects a leader for each offline partition that has one again by that
/// (other than by [`super::unclean_recovery`], which asks the replicas first).
/// Empty if that registration is not in force or not fenced, or if a newer generation was granted.
#[must_use]
pub fn unfence(
    image: &Image,
    settings: &ClusterSettings,
    broker: BrokerId,
    epoch: BrokerEpoch,
) -> Vec<MetadataRecord> {
    if !is_fenced_in_force(image, broker, epoch) {
        return Vec::new();
    }
    let candidates = Candidates {
        image,
        without: None,
        with: Some(broker),
    };
    let mut records = vec![MetadataRecord::BrokerUnfenced { broker, epoch }];
    let offline = image
        .partitions()
        .filter(|(_, state)| state.leader.is_none() && state.replicas.contains(&broker));
    for (partition, state) in offline {
        let min_isr = settings.min_isr(image, partition.topic, state);
        let change = PartitionChange::of(state, min_isr);
        records.extend(change.record(partition, &candidates));
    }
    records
}
