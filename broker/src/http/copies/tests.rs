use std::sync::Arc;

use kintsugi_metadata::{PartitionState, RecoveryState, TopicImage};
use kintsugi_types::{LeaderEpoch, PartitionEpoch, PartitionIndex, TopicId, TopicName};

use super::*;

const SETTINGS: ClusterSettings = ClusterSettings {
    num_partitions: 1,
    default_replication_factor: 3,
    min_insync_replicas: 2,
    unclean_leader_election: false,
};

fn image(replicas: &[i32], isr: &[i32]) -> Image {
    let ids = |ids: &[i32]| ids.iter().copied().map(BrokerId).collect::<Vec<_>>();
    let state = PartitionState {
        replicas: ids(replicas),
        isr: ids(isr),
        elr: Vec::new(),
        last_known_leader: None,
        leader: isr.first().copied().map(BrokerId),
        leader_epoch: LeaderEpoch(0),
        partition_epoch: PartitionEpoch(0),
        recovery: RecoveryState::Recovered,
        reassignment: None,
    };
    let id = TopicId::ZERO;
    let topic = TopicImage {
        id,
        name: "orders".parse::<TopicName>().unwrap(),
        configs: BTreeMap::new(),
        partitions: [(PartitionIndex(0), Arc::new(state))].into(),
    };
    let mut image = Image::default();
    image.topics.insert(id, Arc::new(topic));
    image
}

fn counts(replicas: &[i32], isr: &[i32]) -> Vec<(i32, u32, u32, u32)> {
    copies(&image(replicas, isr), &SETTINGS)
        .into_iter()
        .map(|(id, of)| (id.0, of.lagging, of.needed, of.needed_always))
        .collect()
}

#[test]
fn a_replica_counts_whether_or_not_it_is_in_sync() {
    let image = image(&[0, 1, 2], &[0, 2]);
    let replicas = |id| copies(&image, &SETTINGS)[&BrokerId(id)].replicas;
    assert_eq!([0, 1, 2].map(replicas), [1, 1, 1]);
}

#[test]
fn with_every_copy_in_sync_any_one_broker_can_be_missed() {
    let expected = [(0, 0, 0, 0), (1, 0, 0, 0), (2, 0, 0, 0)];
    assert_eq!(counts(&[0, 1, 2], &[0, 1, 2]), expected);
}

#[test]
fn with_one_copy_behind_the_other_two_are_needed() {
    let expected = [(0, 0, 1, 0), (1, 1, 0, 0), (2, 0, 1, 0)];
    assert_eq!(counts(&[0, 1, 2], &[0, 2]), expected);
}

#[test]
fn a_partition_with_no_more_copies_than_its_minimum_always_needs_them() {
    assert_eq!(counts(&[0, 1], &[0, 1]), [(0, 0, 0, 1), (1, 0, 0, 1)]);
    assert_eq!(counts(&[0], &[0]), [(0, 0, 0, 1)]);
}
