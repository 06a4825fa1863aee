//! What shards count of their partitions.

use kintsugi_types::Offset;

use super::harness::{Cluster, PARTITION, batch, numbered, state};
use crate::message::load::{PartitionLoad, Traffic};
use crate::message::shard::{Acks, Command, Event, Token};

fn load(cluster: &mut Cluster, id: usize) -> PartitionLoad {
    let token = Token(99);
    cluster.send(id, Event::DescribeLoads { token });
    match cluster.brokers[id].commands.pop() {
        Some(Command::AnswerLoads { loads, .. }) => loads[0],
        other => panic!("no answer: {other:?}"),
    }
}

#[test]
fn a_leader_counts_what_clients_send_and_get_and_followers_what_they_append() {
    let mut cluster = Cluster::with_topic();
    cluster.produce(0, 1, Acks::All, "one");
    cluster.fetch(0, 2, 0, 0);
    // It is held until its time is over, and answered with nothing.
    cluster.fetch(0, 3, 1, 100);
    cluster.pass(100);
    let bytes = batch("one").len() as u64;
    let expected = PartitionLoad {
        partition: PARTITION,
        is_leader: true,
        in_sync_replicas: 3,
        size_bytes: bytes,
        log_start: Offset(0),
        log_end: Offset(1),
        high_watermark: Offset(1),
        traffic: Traffic {
            bytes_in: bytes,
            messages_in: 1,
            produce_requests: 1,
            bytes_out: bytes,
            fetch_requests: 2,
            replication_bytes_in: 0,
            replication_bytes_out: 2 * bytes,
        },
    };
    assert_eq!(load(&mut cluster, 0), expected);
    let follower = PartitionLoad {
        is_leader: false,
        in_sync_replicas: 0,
        traffic: Traffic {
            replication_bytes_in: bytes,
            ..Traffic::default()
        },
        ..expected
    };
    assert_eq!(load(&mut cluster, 1), follower);
}

#[test]
fn a_batch_that_a_producer_sends_twice_counts_once_and_its_requests_twice() {
    let mut cluster = Cluster::with_topic();
    cluster.produce_batch(0, 1, Acks::All, numbered(0, 0, "one"));
    cluster.produce_batch(0, 2, Acks::All, numbered(0, 0, "one"));
    let traffic = load(&mut cluster, 0).traffic;
    assert_eq!((traffic.messages_in, traffic.produce_requests), (1, 2));
}

#[test]
fn a_leader_that_only_follows_now_keeps_what_it_counted() {
    let mut cluster = Cluster::with_topic();
    cluster.produce(0, 1, Acks::All, "one");
    let before = load(&mut cluster, 0).traffic;
    cluster.publish(vec![state(1, 2, 2, &[0, 1, 2])]);
    cluster.produce(1, 2, Acks::All, "two");
    let after = load(&mut cluster, 0);
    assert!(!after.is_leader);
    assert_eq!(after.traffic.bytes_in, before.bytes_in);
    assert_eq!(load(&mut cluster, 1).traffic.messages_in, 1);
}
