//! Logs of new partitions are made, and those of deleted ones removed, beside what is served.

use std::path::Path;
use std::sync::Arc;

use kintsugi_metadata::{MetadataRecord, PartitionState, RecoveryState};
use kintsugi_storage::FileSystem;
use kintsugi_storage::fs::memory::FaultPlan;
use kintsugi_types::{
    BrokerId, ErrorCode, LeaderEpoch, PartitionEpoch, PartitionId, PartitionIndex,
};

use super::harness::{Cluster, TOPIC, batch};
use crate::message::shard::{Acks, Command, Event, Produce, Token};
use crate::shard::making::{AWAITED_MAX, UNDER_WAY_MAX};
use crate::shard::removing;

const PARTITIONS: usize = AWAITED_MAX * 3;

pub(super) fn partition(index: usize) -> PartitionId {
    PartitionId {
        topic: TOPIC,
        index: PartitionIndex(i32::try_from(index).unwrap()),
    }
}

/// Partitions 1 to `count` of the topic, each on broker 0 alone.
pub(super) fn records(count: usize) -> Vec<MetadataRecord> {
    let state = Arc::new(PartitionState {
        replicas: vec![BrokerId(0)],
        isr: vec![BrokerId(0)],
        elr: Vec::new(),
        last_known_leader: None,
        leader: Some(BrokerId(0)),
        leader_epoch: LeaderEpoch(1),
        partition_epoch: PartitionEpoch(1),
        recovery: RecoveryState::Recovered,
        reassignment: None,
    });
    let records = (1..=count).map(|index| MetadataRecord::Partition {
        partition: partition(index),
        state: Arc::clone(&state),
    });
    records.collect()
}

fn produce(cluster: &mut Cluster, token: u64, index: usize) -> ErrorCode {
    let produce = Produce {
        token: Token(token),
        acks: Acks::Leader,
        timeout_ms: 1_000,
        batches: vec![(partition(index), batch("value"))],
    };
    cluster.send(0, Event::Produce(produce));
    cluster.produced(0, token).unwrap().error
}

fn made(cluster: &Cluster) -> usize {
    cluster.brokers[0].shard.as_ref().unwrap().partitions.len()
}

#[test]
fn a_topic_of_many_partitions_is_made_a_few_at_a_time_and_nobody_waits_for_it() {
    let mut cluster = Cluster::with_topic();
    cluster.holds_makings = true;
    cluster.publish_to(records(PARTITIONS), &[0]);
    assert_eq!(cluster.applied[0], cluster.image.offset, "told at once");
    assert_eq!(cluster.makings.len(), UNDER_WAY_MAX);
    assert_eq!(produce(&mut cluster, 1, 0), ErrorCode::None);
    assert_eq!(made(&cluster), 1);
    cluster.run_makings(1);
    assert_eq!((made(&cluster), cluster.makings.len()), (2, UNDER_WAY_MAX));
    assert_eq!(produce(&mut cluster, 3, 1), ErrorCode::None);
    cluster.holds_makings = false;
    cluster.run_makings(UNDER_WAY_MAX);
    assert_eq!(made(&cluster), 1 + PARTITIONS);
    assert_eq!(produce(&mut cluster, 4, PARTITIONS), ErrorCode::None);
}

#[test]
fn a_topic_of_few_partitions_is_applied_when_its_logs_are_there_and_what_follows_with_it() {
    let mut cluster = Cluster::with_topic();
    let before = cluster.applied[0];
    assert_eq!(before, cluster.image.offset);
    cluster.holds_makings = true;
    cluster.publish_to(records(3), &[0]);
    let wanted = cluster.image.offset;
    cluster.publish_to(vec![], &[0]);
    cluster.run_makings(2);
    assert_eq!(cluster.applied[0], before);
    cluster.run_makings(1);
    assert_eq!(cluster.applied[0].0, wanted.0 + 1);
}

#[test]
fn partitions_that_are_deleted_before_their_turn_are_not_made_and_those_under_way_are_removed() {
    let mut cluster = Cluster::with_topic();
    cluster.holds_makings = true;
    cluster.publish_to(records(PARTITIONS), &[0]);
    cluster.publish_to(vec![MetadataRecord::TopicDeleted { topic: TOPIC }], &[0]);
    assert_eq!(cluster.makings.len(), UNDER_WAY_MAX);
    cluster.run_makings(UNDER_WAY_MAX);
    assert_eq!((made(&cluster), cluster.makings.len()), (0, 0));
    let left = cluster.brokers[0].fs.read_dir(Path::new("data")).unwrap();
    assert_eq!(left, Vec::<String>::new());
    assert_eq!(cluster.applied[0], cluster.image.offset);
}

#[test]
fn a_disk_that_fails_to_make_a_directory_ends_the_process() {
    let mut cluster = Cluster::with_topic();
    let plan = FaultPlan {
        sync_error_after: Some(0),
        ..FaultPlan::default()
    };
    cluster.brokers[0].fs.set_faults(plan);
    cluster.publish_to(records(1), &[0]);
    let commands = &cluster.brokers[0].commands;
    assert!(commands.iter().any(|c| matches!(c, Command::Fatal { .. })));
}

#[test]
fn a_deleted_topic_gives_its_names_up_at_once_and_its_directories_a_few_at_a_time() {
    let mut cluster = Cluster::with_topic();
    cluster.publish_to(records(9), &[0]);
    cluster.holds_removals = true;
    cluster.publish_to(vec![MetadataRecord::TopicDeleted { topic: TOPIC }], &[0]);
    assert_eq!(cluster.applied[0], cluster.image.offset);
    let names = |cluster: &Cluster| {
        let fs = &cluster.brokers[0].fs;
        fs.read_dir(Path::new("data")).unwrap()
    };
    let left = names(&cluster);
    assert_eq!(left.len(), 10);
    assert!(
        left.iter().all(|name| name.ends_with(".0-delete")),
        "{left:?}"
    );
    assert_eq!(cluster.removals.len(), removing::UNDER_WAY_MAX);
    cluster.run_removals();
    assert_eq!(names(&cluster).len(), 10 - removing::UNDER_WAY_MAX);
    cluster.holds_removals = false;
    cluster.run_removals();
    assert_eq!(names(&cluster), Vec::<String>::new());
}
