//! A disk without room: refused in Kafka's words, nothing else changes, and room heals it.

use kintsugi_storage::fs::memory::FaultPlan;
use kintsugi_types::{ErrorCode, Offset};

use super::harness::{Cluster, state};
use crate::message::shard::{Acks, Command};

fn set_room(cluster: &Cluster, id: usize, capacity_bytes: Option<u64>) {
    cluster.brokers[id].fs.set_faults(FaultPlan {
        capacity_bytes,
        ..FaultPlan::default()
    });
}

fn is_fatal(cluster: &Cluster) -> bool {
    let mut commands = cluster.brokers.iter().flat_map(|b| &b.commands);
    commands.any(|command| matches!(command, Command::Fatal { .. }))
}

#[test]
fn a_leader_without_room_refuses_produces_gives_what_it_has_and_goes_on_with_room() {
    let mut cluster = Cluster::with_topic();
    cluster.produce(0, 1, Acks::All, "one");
    set_room(&cluster, 0, Some(0));
    for token in 2..6 {
        cluster.produce(0, token, Acks::All, "refused");
        let error = cluster.produced(0, token).unwrap().error;
        assert_eq!(error, ErrorCode::KafkaStorageError);
    }
    cluster.fetch(0, 7, 0, 0);
    assert_eq!(cluster.fetched(0, 7).unwrap().batches, cluster.log(0));
    // Checkpoints, scrubbing and retention come round meanwhile.
    cluster.pass(20_000);
    assert_eq!(cluster.isr_changes(0), []);
    set_room(&cluster, 0, None);
    cluster.produce(0, 8, Acks::All, "two");
    assert_eq!(cluster.produced(0, 8).unwrap().base_offset, Offset(1));
    assert_eq!(cluster.log(0), cluster.log(2));
    assert!(!is_fatal(&cluster));
}

#[test]
fn a_follower_without_room_leaves_the_isr_and_comes_back_with_room() {
    let mut cluster = Cluster::with_topic();
    cluster.produce(0, 1, Acks::All, "one");
    set_room(&cluster, 2, Some(0));
    cluster.produce(0, 2, Acks::All, "two");
    assert_eq!(cluster.produced(0, 2), None);
    cluster.pass(6_000);
    let changes = cluster.isr_changes(0);
    let left: Vec<i32> = changes[0].isr.keys().map(|id| id.0).collect();
    assert_eq!(left, [0, 1]);
    cluster.publish(vec![state(0, 1, 2, &[0, 1])]);
    assert_eq!(cluster.produced(0, 2).unwrap().error, ErrorCode::None);
    set_room(&cluster, 2, None);
    cluster.pass(1_000);
    assert_eq!(cluster.log(0), cluster.log(2));
    let changes = cluster.isr_changes(0);
    assert_eq!(changes.last().unwrap().isr.len(), 3);
    assert!(!is_fatal(&cluster));
}
