//! Followers' sessions, as a leader sees them.

use bytes::Bytes;
use kintsugi_types::{
    BrokerEpoch, BrokerId, ErrorCode, LeaderEpoch, Offset, PartitionEpoch, PartitionId,
    PartitionIndex, Time,
};

use super::harness::{Cluster, PARTITION, TOPIC, WALL, batch};
use crate::message::replication::{FetchClass, FetchPosition, FetchRequest, FetchResponse};
use crate::message::shard::{Acks, Command, Event, Produce, Token};
use kintsugi_metadata::{MetadataRecord, PartitionState, RecoveryState};
use std::sync::Arc;

const PARTITIONS: i32 = 3;

fn partition(index: i32) -> PartitionId {
    PartitionId {
        topic: TOPIC,
        index: PartitionIndex(index),
    }
}

/// Broker 0 leads three partitions; the other brokers do not run, and the test speaks for broker 1.
fn cluster() -> Cluster {
    let mut cluster = Cluster::with_topic();
    cluster.brokers[1].shard = None;
    cluster.brokers[2].shard = None;
    cluster.drop_fetches(1);
    cluster.drop_fetches(2);
    let states = (0..PARTITIONS).map(|index| MetadataRecord::Partition {
        partition: partition(index),
        state: Arc::new(PartitionState {
            replicas: vec![BrokerId(0), BrokerId(1)],
            isr: vec![BrokerId(0), BrokerId(1)],
            elr: Vec::new(),
            last_known_leader: None,
            leader: Some(BrokerId(0)),
            leader_epoch: LeaderEpoch(2),
            partition_epoch: PartitionEpoch(2),
            recovery: RecoveryState::Recovered,
            reassignment: None,
        }),
    });
    cluster.publish_to(states.collect(), &[0]);
    cluster
}

fn produce(cluster: &mut Cluster, index: i32, value: &str) {
    let produce = Produce {
        token: Token(1_000),
        acks: Acks::Leader,
        timeout_ms: 1_000,
        batches: vec![(partition(index), batch(value))],
    };
    cluster.send(0, Event::Produce(produce));
}

fn request(sequence: u64, changed: &[(i32, i64)]) -> FetchRequest {
    let changed = changed.iter().map(|(index, offset)| FetchPosition {
        partition: partition(*index),
        leader_epoch: LeaderEpoch(2),
        fetch_offset: Offset(*offset),
        last_fetched_epoch: LeaderEpoch(if *offset == 0 { -1 } else { 2 }),
        counted_end: Offset(*offset),
        log_start: Offset(0),
    });
    FetchRequest {
        follower: BrokerId(1),
        broker_epoch: BrokerEpoch(101),
        follower_shard: 0,
        leader_shard: 0,
        class: FetchClass::InSync,
        session: 77,
        sequence,
        changed: changed.collect(),
        forgotten: Vec::new(),
        max_bytes: 1,
        max_wait_ms: 500,
    }
}

/// Sends a fetch; gives the answer if there is one at once.
fn fetch(cluster: &mut Cluster, request: FetchRequest) -> Option<FetchResponse> {
    let token = Token(5_000 + request.sequence);
    let shard = cluster.brokers[0].shard.as_mut().unwrap();
    let mut out = Vec::new();
    let event = Event::ReplicaFetch { token, request };
    shard.handle(cluster.now, WALL, event, &mut out);
    answer_of(out)
}

fn answer_of(commands: Vec<Command>) -> Option<FetchResponse> {
    commands.into_iter().find_map(|command| match command {
        Command::AnswerReplicaFetch { response, .. } => Some(response),
        _ => None,
    })
}

/// The partitions with batches in an answer.
fn with_batches(response: &FetchResponse) -> Vec<i32> {
    let filled = response.partitions.iter().filter(|p| !p.batches.is_empty());
    filled.map(|p| p.partition.index.0).collect()
}

#[test]
fn partitions_take_turns_under_the_byte_limit() {
    let mut cluster = cluster();
    for index in 0..PARTITIONS {
        produce(&mut cluster, index, "one");
        produce(&mut cluster, index, "two");
    }
    // One byte is less than any batch, so each answer carries one partition's first batch.
    let response = fetch(&mut cluster, request(0, &[(0, 0), (1, 0), (2, 0)])).unwrap();
    assert_eq!(with_batches(&response), [0]);
    let response = fetch(&mut cluster, request(1, &[(0, 1)])).unwrap();
    assert_eq!(with_batches(&response), [1]);
    let response = fetch(&mut cluster, request(2, &[(1, 1)])).unwrap();
    assert_eq!(with_batches(&response), [2]);
    let response = fetch(&mut cluster, request(3, &[(2, 1)])).unwrap();
    assert_eq!(with_batches(&response), [0]);
}

#[test]
fn a_held_fetch_is_answered_by_an_append_with_the_changed_partition_only() {
    let mut cluster = cluster();
    let told = fetch(&mut cluster, request(0, &[(0, 0), (1, 0), (2, 0)])).unwrap();
    assert_eq!(
        told.partitions.len(),
        3,
        "the high watermarks are told once"
    );
    assert_eq!(fetch(&mut cluster, request(1, &[])), None);
    let shard = cluster.brokers[0].shard.as_mut().unwrap();
    let mut out = Vec::new();
    let event = Event::Produce(Produce {
        token: Token(1),
        acks: Acks::Leader,
        timeout_ms: 1_000,
        batches: vec![(partition(1), batch("one"))],
    });
    shard.handle(cluster.now, WALL, event, &mut out);
    let response = answer_of(out).unwrap();
    assert_eq!(response.partitions.len(), 1);
    assert_eq!(with_batches(&response), [1]);
}

#[test]
fn a_held_fetch_is_answered_empty_when_its_time_is_over() {
    let mut cluster = cluster();
    fetch(&mut cluster, request(0, &[(0, 0)]));
    assert_eq!(fetch(&mut cluster, request(1, &[])), None);
    let shard = cluster.brokers[0].shard.as_mut().unwrap();
    let at = Time::from_millis(500);
    assert!(shard.next_wake() <= at);
    let mut out = Vec::new();
    shard.handle(at, WALL, Event::Wake, &mut out);
    assert_eq!(answer_of(out).unwrap().partitions, []);
}

#[test]
fn a_request_out_of_its_session_begins_nothing() {
    let mut cluster = cluster();
    let unknown = fetch(&mut cluster, request(4, &[(0, 0)])).unwrap();
    assert_eq!(unknown.error, ErrorCode::FetchSessionIdNotFound);
    fetch(&mut cluster, request(0, &[(0, 0)]));
    let skipped = fetch(&mut cluster, request(2, &[])).unwrap();
    assert_eq!(skipped.error, ErrorCode::InvalidFetchSessionEpoch);
    let mut stale = request(0, &[(0, 0)]);
    stale.broker_epoch = BrokerEpoch(50);
    let stale = fetch(&mut cluster, stale).unwrap();
    assert_eq!(stale.error, ErrorCode::StaleBrokerEpoch);
}

#[test]
fn a_position_that_diverges_gets_no_batches_and_counts_for_nothing() {
    let mut cluster = cluster();
    produce(&mut cluster, 0, "one");
    // Three records of an epoch that the leader never had.
    let mut beyond = request(0, &[(0, 3)]);
    beyond.changed[0].last_fetched_epoch = LeaderEpoch(1);
    let response = fetch(&mut cluster, beyond).unwrap();
    let fetched = &response.partitions[0];
    assert_eq!(fetched.partition, PARTITION);
    assert_eq!(fetched.batches, Bytes::new());
    assert_eq!(fetched.diverging, Some((LeaderEpoch(-1), Offset(0))));
    assert_eq!(cluster.high_watermark(0), 0);
}
