//! A registered broker is alive and knows the metadata up to its registration: it may serve.

use kintsugi_types::{BrokerEpoch, BrokerId, MetadataOffset};

use super::election::{Candidates, Election};
use super::last_known_leader;
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
    image.brokers.get(&broker).is_some_and(|present| {
        present.fenced
            && present.epoch == epoch
            && i64::try_from(applied.0).is_ok_and(|applied| applied >= epoch.0)
    })
}

/// Unfences a broker, and elects a leader for each offline partition that has one again by that.
/// Empty if that registration is not in force or not fenced.
#[must_use]
pub fn unfence(
    image: &Image,
    settings: &ClusterSettings,
    broker: BrokerId,
    epoch: BrokerEpoch,
) -> Vec<MetadataRecord> {
    match image.brokers.get(&broker) {
        Some(present) if present.epoch == epoch && present.fenced => {}
        _ => return Vec::new(),
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
        let election = if last_known_leader::nobody_to_wait_for(state, &candidates) {
            Election::LastKnownLeader
        } else {
            Election::Clean
        };
        let min_isr = settings.min_isr(image, partition.topic, state);
        let change = PartitionChange::of(state, min_isr).election(election);
        records.extend(change.record(partition, &candidates));
    }
    records
}
