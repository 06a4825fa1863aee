//! Damaged batches: mended from other replicas, whoever leads; nothing is cut off for it.

use std::path::Path;

use kintsugi_storage::fs::{File as _, FileSystem as _, OpenMode};
use kintsugi_types::{ErrorCode, LeaderEpoch, Offset};
use kintsugi_wire::batch::split;

use super::harness::{Cluster, PARTITION, batch, state};
use crate::message::replication::FetchClass;
use crate::message::shard::{Acks, Command, Mending, MendingStep};

/// Three replicas with ten records, none of which is in memory any more.
fn filled() -> Cluster {
    let mut cluster = Cluster::with_topic();
    for token in 0..10 {
        cluster.produce(0, token, Acks::All, "value");
    }
    for broker in &mut cluster.brokers {
        let shard = broker.shard.as_mut().unwrap();
        let partition = shard.partitions.get_mut(&PARTITION).unwrap();
        partition.log.drop_tail_cache();
        broker.commands.clear();
    }
    cluster
}

fn file(cluster: &Cluster, id: usize) -> Vec<u8> {
    let path = Path::new("data/t-0").join(format!("{:020}.log", 0));
    cluster.brokers[id].fs.read_to_vec(&path, 1 << 20).unwrap()
}

/// Flips a bit of a byte of the batch at an offset, counted from the batch's end.
fn flip(cluster: &Cluster, id: usize, offset: i64, from_end: usize) {
    let size = batch("value").len();
    let at = size * usize::try_from(offset + 1).unwrap() - from_end;
    let path = Path::new("data/t-0").join(format!("{:020}.log", 0));
    let file = cluster.brokers[id].fs.open(&path, OpenMode::Write).unwrap();
    let mut byte = [0];
    file.read_full_at(&mut byte, at as u64).unwrap();
    file.write_at(&[byte[0] ^ 4], at as u64).unwrap();
}

fn steps(cluster: &Cluster, id: usize) -> Vec<Mending> {
    let commands = cluster.brokers[id].commands.iter();
    let step = |command: &Command| match command {
        Command::Mending(mending) => Some(mending.clone()),
        _ => None,
    };
    commands.filter_map(step).collect()
}

fn tells_mended(cluster: &Cluster, id: usize, offset: i64, from: i32) {
    let steps = steps(cluster, id);
    let steps: Vec<_> = steps.iter().map(|m| (m.offset.0, &m.step)).collect();
    let from = kintsugi_types::BrokerId(from);
    assert!(
        matches!(
            steps[..],
            [(at, MendingStep::Found { .. }), (to, MendingStep::Mended { from: whose })]
                if at == offset && to == offset && *whose == from
        ),
        "{steps:?}"
    );
}

#[test]
fn a_leaders_damaged_batch_is_mended_before_its_reader_is_answered() {
    let mut cluster = filled();
    let whole = file(&cluster, 1);
    flip(&cluster, 0, 3, 2);
    cluster.fetch(0, 100, 0, 500);
    let fetched = cluster.fetched(0, 100).unwrap();
    assert_eq!(fetched.error, ErrorCode::None);
    assert_eq!(split(fetched.batches.clone()).count(), 3);
    cluster.fetch(0, 101, 3, 500);
    let fetched = cluster.fetched(0, 101).unwrap();
    assert_eq!(fetched.error, ErrorCode::None);
    assert_eq!(split(fetched.batches.clone()).count(), 7);
    assert_eq!(file(&cluster, 0), whole);
    tells_mended(&cluster, 0, 3, 1);
    assert!(cluster.isr_changes(0).is_empty());
}

#[test]
fn a_follower_finds_what_is_damaged_there_by_itself() {
    let mut cluster = filled();
    let whole = file(&cluster, 0);
    flip(&cluster, 2, 9, 1);
    cluster.pass(2_500);
    assert_eq!(file(&cluster, 2), whole);
    tells_mended(&cluster, 2, 9, 0);
}

#[test]
fn replicas_that_are_damaged_in_different_places_mend_each_other() {
    let mut cluster = filled();
    cluster.cut_off.insert(2);
    let whole = file(&cluster, 2);
    flip(&cluster, 0, 2, 1);
    flip(&cluster, 1, 7, 1);
    cluster.pass(3_000);
    assert_eq!(file(&cluster, 0), whole);
    assert_eq!(file(&cluster, 1), whole);
    assert_eq!(cluster.end(0), 10);
}

#[test]
fn what_is_damaged_everywhere_is_refused_and_all_else_is_served_until_a_copy_comes_back() {
    let mut cluster = filled();
    let whole = file(&cluster, 2);
    cluster.cut_off.insert(2);
    flip(&cluster, 0, 4, 1);
    flip(&cluster, 1, 4, 2);
    cluster.fetch(0, 100, 4, 5_000);
    cluster.pass(4_000);
    let fetched = cluster.fetched(0, 100).unwrap();
    assert_eq!(fetched.error, ErrorCode::KafkaStorageError);
    let told = steps(&cluster, 0);
    assert!(
        told.iter().any(|m| m.step == MendingStep::NoCopy),
        "{told:?}"
    );
    cluster.fetch(0, 101, 5, 0);
    assert_eq!(
        split(cluster.fetched(0, 101).unwrap().batches.clone()).count(),
        5
    );
    cluster.produce(0, 102, Acks::Leader, "value");
    assert_eq!(cluster.produced(0, 102).unwrap().base_offset, Offset(10));
    assert_eq!([cluster.end(0), cluster.end(1)], [11, 11]);
    cluster.cut_off.clear();
    cluster.pass(4_000);
    for id in [0, 1] {
        assert_eq!(file(&cluster, id)[..whole.len()], whole[..], "broker {id}");
    }
}

#[test]
fn a_leader_asks_one_replica_after_the_other() {
    let mut cluster = filled();
    let whole = file(&cluster, 2);
    flip(&cluster, 0, 4, 1);
    flip(&cluster, 1, 4, 1);
    cluster.fetch(0, 100, 4, 500);
    assert_eq!(cluster.fetched(0, 100).unwrap().error, ErrorCode::None);
    assert_eq!(file(&cluster, 0), whole);
    cluster.pass(1_500);
    assert_eq!(file(&cluster, 1), whole);
}

#[test]
fn a_damaged_batch_that_is_to_be_cut_off_does_not_hold_the_cut_up() {
    let mut cluster = filled();
    cluster.cut_off.extend([1, 2]);
    cluster.produce(0, 100, Acks::Leader, "other");
    assert_eq!(cluster.end(0), 11);
    // Broker 1 leads on without it; its first bytes are what tells a batch's length and offsets.
    cluster.publish(vec![state(1, 2, 2, &[1, 2])]);
    let size = batch("other").len();
    flip(&cluster, 0, 10, size - 11);
    cluster.cut_off.clear();
    cluster.produce(1, 101, Acks::All, "another");
    cluster.pass(3_000);
    assert_eq!(cluster.produced(1, 101).unwrap().error, ErrorCode::None);
    assert_eq!(file(&cluster, 0), file(&cluster, 1));
}

#[test]
fn the_question_names_the_batch_and_nothing_else() {
    let mut cluster = filled();
    cluster.cut_off.extend([1, 2]);
    flip(&cluster, 0, 4, 1);
    let shard = cluster.brokers[0].shard.as_mut().unwrap();
    let mut out = Vec::new();
    let position = crate::message::shard::ClientPosition {
        partition: PARTITION,
        leader_epoch: LeaderEpoch::UNKNOWN,
        offset: Offset(4),
        max_bytes: 1 << 20,
    };
    let fetch = crate::message::shard::Fetch {
        token: crate::message::shard::Token(7),
        positions: vec![position],
        min_bytes: 1,
        max_bytes: 1 << 20,
        max_wait_ms: 500,
    };
    let event = crate::message::shard::Event::Fetch(fetch);
    shard.handle(cluster.now, super::harness::WALL, event, &mut out);
    let [
        Command::Mending(found),
        Command::ReplicaFetch {
            leader, request, ..
        },
    ] = &out[..]
    else {
        panic!("{out:?}");
    };
    assert!(matches!(found.step, MendingStep::Found { .. }));
    assert_eq!(leader.0, 1);
    assert_eq!(request.class, FetchClass::Mending);
    assert_eq!(request.changed.len(), 1);
    assert_eq!(request.changed[0].fetch_offset, Offset(4));
}

#[test]
fn a_leader_whose_uncommitted_batch_nobody_else_has_leaves_it_to_the_rest_of_the_isr() {
    let mut cluster = filled();
    cluster.cut_off.extend([1, 2]);
    cluster.produce(0, 100, Acks::Leader, "value");
    let shard = cluster.brokers[0].shard.as_mut().unwrap();
    let partition = shard.partitions.get_mut(&PARTITION).unwrap();
    partition.log.drop_tail_cache();
    flip(&cluster, 0, 10, 1);
    cluster.cut_off.clear();
    cluster.pass(4_000);
    let changes = cluster.isr_changes(0);
    assert_eq!(changes.len(), 1, "once");
    let others: Vec<i32> = changes[0].isr.keys().map(|id| id.0).collect();
    assert_eq!(others, [1, 2]);
    cluster.publish(vec![state(1, 2, 2, &[1, 2])]);
    cluster.produce(1, 101, Acks::All, "after");
    cluster.pass(1_000);
    assert_eq!(cluster.produced(1, 101).unwrap().base_offset, Offset(10));
    assert_eq!(file(&cluster, 0), file(&cluster, 1));
}

#[test]
fn a_leader_whose_committed_batch_nobody_else_has_goes_on_leading() {
    let mut cluster = filled();
    for id in [0, 1, 2] {
        flip(&cluster, id, 4, 1);
    }
    cluster.pass(5_000);
    assert_eq!(cluster.isr_changes(0), []);
    cluster.produce(0, 100, Acks::All, "after");
    assert_eq!(cluster.produced(0, 100).unwrap().base_offset, Offset(10));
}
