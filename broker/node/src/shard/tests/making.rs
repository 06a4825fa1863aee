//! A topic of many partitions is made in pieces.

use std::sync::Arc;

use kintsugi_metadata::{MetadataRecord, PartitionState, RecoveryState};
use kintsugi_types::{
    BrokerId, ErrorCode, LeaderEpoch, PartitionEpoch, PartitionId, PartitionIndex, Time,
};

use super::harness::{Cluster, TOPIC, WALL, batch};
use crate::message::shard::{Acks, Command, Event, Produce, Token};
use crate::shard::making::LOGS_MADE_MAX;

const PARTITIONS: usize = LOGS_MADE_MAX * 3;

fn partition(index: usize) -> PartitionId {
    PartitionId {
        topic: TOPIC,
        index: PartitionIndex(i32::try_from(index).unwrap()),
    }
}

/// Partitions 1 and up of the topic, each on broker 0 alone.
fn records() -> Vec<MetadataRecord> {
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
    let records = (1..=PARTITIONS).map(|index| MetadataRecord::Partition {
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
fn a_topic_of_many_partitions_is_made_in_pieces_between_other_events() {
    let mut cluster = Cluster::with_topic();
    cluster.publish_to(records(), &[0]);
    // Other events make none: they are answered first.
    assert_eq!(produce(&mut cluster, 1, 0), ErrorCode::None);
    assert_eq!(produce(&mut cluster, 2, 1), ErrorCode::None);
    let not_yet = produce(&mut cluster, 3, PARTITIONS);
    assert_eq!(not_yet, ErrorCode::NotLeaderOrFollower);
    let mut counts = vec![made(&cluster)];
    let shard = |cluster: &Cluster| cluster.brokers[0].shard.as_ref().unwrap().next_wake();
    while shard(&cluster) == Time::ZERO {
        cluster.send(0, Event::Wake);
        counts.push(made(&cluster));
    }
    let expected = (1..=3).map(|pieces| 1 + pieces * LOGS_MADE_MAX);
    assert_eq!(counts, expected.collect::<Vec<_>>());
    assert_eq!(produce(&mut cluster, 4, PARTITIONS), ErrorCode::None);
}

#[test]
fn partitions_that_are_deleted_before_their_turn_are_not_made() {
    let mut cluster = Cluster::with_topic();
    cluster.publish_to(records(), &[0]);
    cluster.publish_to(vec![MetadataRecord::TopicDeleted { topic: TOPIC }], &[0]);
    let shard = cluster.brokers[0].shard.as_mut().unwrap();
    for _ in 0..4 {
        let mut out = Vec::new();
        shard.handle(cluster.now, WALL, Event::Wake, &mut out);
        assert!(!out.iter().any(|c| matches!(c, Command::Fatal { .. })));
    }
    assert_eq!(shard.partitions.len(), 0);
    assert_ne!(shard.next_wake(), Time::ZERO);
}
