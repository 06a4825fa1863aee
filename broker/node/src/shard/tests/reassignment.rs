//! Partitions that move to other brokers, as shards see it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use kintsugi_metadata::{MetadataRecord, PartitionState, Reassignment, RecoveryState};
use kintsugi_storage::FileSystem;
use kintsugi_types::{BrokerEpoch, BrokerId, ErrorCode, LeaderEpoch, PartitionEpoch};

use super::harness::{Cluster, PARTITION, TOPIC};
use crate::message::link::IsrChange;
use crate::message::replication::FetchClass;
use crate::message::shard::Acks;

/// The partition with broker 0 as its leader; `epochs` are of leader and partition.
fn state(epochs: (i32, i32), replicas: &[i32], isr: &[i32], adding: &[i32]) -> MetadataRecord {
    let ids = |ids: &[i32]| -> Vec<BrokerId> { ids.iter().copied().map(BrokerId).collect() };
    let original = replicas.iter().filter(|b| !adding.contains(b)).copied();
    let reassignment = Reassignment {
        adding: ids(adding),
        removing: Vec::new(),
        original: ids(&original.collect::<Vec<_>>()),
    };
    MetadataRecord::Partition {
        partition: PARTITION,
        state: Arc::new(PartitionState {
            replicas: ids(replicas),
            isr: ids(isr),
            elr: Vec::new(),
            last_known_leader: None,
            leader: Some(BrokerId(0)),
            leader_epoch: LeaderEpoch(epochs.0),
            partition_epoch: PartitionEpoch(epochs.1),
            recovery: RecoveryState::Recovered,
            reassignment: (!adding.is_empty()).then(|| Box::new(reassignment)),
        }),
    }
}

/// Three brokers, and a partition on 0 and 1.
fn cluster() -> Cluster {
    let mut cluster = Cluster::new();
    cluster.publish(vec![
        MetadataRecord::TopicCreated {
            topic: TOPIC,
            name: "t".parse().unwrap(),
            configs: BTreeMap::new(),
        },
        state((1, 1), &[0, 1], &[0, 1], &[]),
    ]);
    cluster
}

fn change(epochs: (i32, i32), isr: &[i32]) -> IsrChange {
    let member = |id: &i32| (BrokerId(*id), BrokerEpoch(100 + i64::from(*id)));
    IsrChange {
        partition: PARTITION,
        leader_epoch: LeaderEpoch(epochs.0),
        partition_epoch: PartitionEpoch(epochs.1),
        isr: isr.iter().map(member).collect(),
    }
}

fn class(cluster: &Cluster, id: usize) -> Option<FetchClass> {
    let shard = cluster.brokers[id].shard.as_ref().unwrap();
    shard.fetchers.source(PARTITION).map(|(_, _, class)| class)
}

fn directories(cluster: &Cluster, id: usize) -> Vec<String> {
    cluster.brokers[id].fs.read_dir(Path::new("data")).unwrap()
}

#[test]
fn a_replica_that_is_added_to_an_empty_partition_is_proposed_for_the_isr() {
    let mut cluster = cluster();
    let adding = state((1, 2), &[0, 1, 2], &[0, 1], &[2]);
    // The new follower hears of it before the leader does, and tells its position only once.
    cluster.publish_to(vec![adding.clone()], &[2]);
    assert_eq!(cluster.isr_changes(0), []);
    cluster.publish_to(vec![adding], &[0, 1]);
    assert_eq!(cluster.isr_changes(0), [change((1, 2), &[0, 1, 2])]);
}

#[test]
fn whoever_catches_up_does_so_apart_from_those_in_sync() {
    let mut cluster = cluster();
    for number in 0..20_u64 {
        cluster.produce(0, number, Acks::All, "before the move");
    }
    cluster.cut_off.insert(2);
    cluster.publish(vec![state((1, 2), &[0, 1, 2], &[0, 1], &[2])]);
    assert_eq!(class(&cluster, 1), Some(FetchClass::InSync));
    assert_eq!(class(&cluster, 2), Some(FetchClass::CatchingUp));
    cluster.produce(0, 100, Acks::All, "not held up");
    assert_eq!(cluster.produced(0, 100).unwrap().error, ErrorCode::None);
    cluster.cut_off.clear();
    cluster.pass(1_000);
    assert_eq!(cluster.log(2), cluster.log(0));
    assert_eq!(cluster.isr_changes(0), [change((1, 2), &[0, 1, 2])]);
    cluster.publish(vec![state((1, 3), &[0, 1, 2], &[0, 1, 2], &[])]);
    assert_eq!(class(&cluster, 2), Some(FetchClass::InSync));
    cluster.produce(0, 101, Acks::All, "three copies");
    assert_eq!(cluster.produced(0, 101).unwrap().error, ErrorCode::None);
    assert_eq!(cluster.log(2), cluster.log(0));
}

#[test]
fn a_move_leaves_what_acks_all_needs_as_it_was() {
    let mut cluster = Cluster::new();
    cluster.publish(vec![
        MetadataRecord::TopicCreated {
            topic: TOPIC,
            name: "t".parse().unwrap(),
            configs: BTreeMap::new(),
        },
        state((1, 1), &[0], &[0], &[]),
    ]);
    cluster.cut_off.insert(2);
    cluster.publish(vec![state((1, 2), &[0, 2], &[0], &[2])]);
    cluster.produce(0, 1, Acks::All, "one copy was asked for");
    assert_eq!(cluster.produced(0, 1).unwrap().error, ErrorCode::None);
}

#[test]
fn a_replaced_replica_deletes_its_log_when_that_is_committed() {
    let mut cluster = cluster();
    cluster.produce(0, 1, Acks::All, "one");
    assert!(directories(&cluster, 1).contains(&"t-0".to_owned()));
    cluster.publish(vec![state((2, 2), &[0, 2], &[0, 2], &[])]);
    assert!(
        !directories(&cluster, 1)
            .iter()
            .any(|name| name.contains("t-0"))
    );
    assert!(directories(&cluster, 2).contains(&"t-0".to_owned()));
}

#[test]
fn what_a_replica_had_before_it_left_does_not_count_when_it_comes_back() {
    let mut cluster = cluster();
    for number in 0..3 {
        cluster.produce(0, number, Acks::All, "one");
    }
    // Broker 1 leaves and deletes its log; the leader hears of it only when it is added again.
    cluster.publish_to(vec![state((2, 2), &[0], &[0], &[])], &[1]);
    cluster.cut_off.insert(1);
    cluster.publish(vec![state((2, 3), &[0, 1], &[0], &[1])]);
    cluster.pass(1_000);
    assert_eq!(cluster.isr_changes(0), []);
    cluster.cut_off.clear();
    cluster.pass(1_000);
    assert_eq!(cluster.log(1), cluster.log(0));
    assert_eq!(cluster.isr_changes(0), [change((2, 3), &[0, 1])]);
}

fn rate(name: &str, value: &str) -> MetadataRecord {
    MetadataRecord::BrokerConfigChanged {
        broker: None,
        key: name.to_owned(),
        value: Some(value.to_owned()),
    }
}

fn throttled(list: &str) -> MetadataRecord {
    MetadataRecord::TopicConfigChanged {
        topic: TOPIC,
        key: list.to_owned(),
        value: Some("*".to_owned()),
    }
}

/// How many bytes broker 2 has, so long after its move began, where `list` and `rate` throttle it.
fn copied_after(millis: u64, list: &str, rate_name: &str) -> (usize, usize) {
    let mut cluster = cluster();
    let value = "x".repeat(1_000);
    for number in 0..100_u64 {
        cluster.produce(0, number, Acks::All, &value);
    }
    let adding = state((1, 2), &[0, 1, 2], &[0, 1], &[2]);
    cluster.publish(vec![throttled(list), rate(rate_name, "10000"), adding]);
    cluster.pass(millis);
    cluster.produce(0, 1_000, Acks::All, "not throttled");
    assert_eq!(cluster.produced(0, 1_000).unwrap().error, ErrorCode::None);
    (cluster.log(2).len(), cluster.log(0).len())
}

#[test]
fn whoever_catches_up_is_held_to_the_rates_of_leader_and_follower() {
    for (list, rate_name) in [
        (
            "leader.replication.throttled.replicas",
            "leader.replication.throttled.rate",
        ),
        (
            "follower.replication.throttled.replicas",
            "follower.replication.throttled.rate",
        ),
    ] {
        let (early, whole) = copied_after(3_000, list, rate_name);
        assert!(early > whole / 5 && early < whole / 2, "{early} of {whole}");
        let (late, whole) = copied_after(12_000, list, rate_name);
        assert!(late + 1 >= whole, "{late} of {whole}");
    }
    // The rate of one side does not limit replicas that only the other side's list names.
    let leader = "leader.replication.throttled.replicas";
    let (early, whole) = copied_after(100, leader, "follower.replication.throttled.rate");
    assert!(early + 1 >= whole, "{early} of {whole}");
}
