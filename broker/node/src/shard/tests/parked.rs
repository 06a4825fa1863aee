//! What is produced to a partition whose log is being made waits for it.

use std::sync::Arc;

use kintsugi_metadata::MetadataRecord;
use kintsugi_types::{BrokerId, ErrorCode, Offset, Time};

use super::harness::{Cluster, TOPIC, batch, numbered};
use super::making::{partition, records};
use crate::message::shard::{Acks, Command, Event, Produce, Produced, Token};

/// A broker that leads partition 0 and has yet to make the logs of 1 and 2, which it is to lead.
fn cluster() -> Cluster {
    let mut cluster = Cluster::with_topic();
    cluster.holds_makings = true;
    cluster.publish_to(records(2), &[0]);
    cluster
}

fn produce(cluster: &mut Cluster, token: u64, acks: Acks, batches: &[(usize, &str)]) {
    let batches = batches.iter();
    let produce = Produce {
        token: Token(token),
        acks,
        timeout_ms: 1_000,
        batches: batches
            .map(|(index, value)| (partition(*index), batch(value)))
            .collect(),
    };
    cluster.send(0, Event::Produce(produce));
}

/// What a produce was answered, if it was.
fn answer(cluster: &Cluster, token: u64) -> Option<&[Produced]> {
    let mut commands = cluster.brokers[0].commands.iter();
    commands.find_map(|command| match command {
        Command::AnswerProduce { token: to, results } if to.0 == token => Some(results.as_slice()),
        _ => None,
    })
}

fn outcome(cluster: &Cluster, token: u64) -> Option<Vec<(ErrorCode, i64)>> {
    let results = answer(cluster, token)?.iter();
    Some(results.map(|r| (r.error, r.base_offset.0)).collect())
}

#[test]
fn a_produce_waits_for_its_log_and_those_after_it_keep_their_order() {
    let mut cluster = cluster();
    produce(&mut cluster, 1, Acks::Leader, &[(1, "a"), (0, "b")]);
    produce(&mut cluster, 2, Acks::None, &[(1, "c")]);
    produce(&mut cluster, 3, Acks::All, &[(1, "d"), (2, "e")]);
    // What does not touch them waits for nothing.
    produce(&mut cluster, 4, Acks::Leader, &[(0, "f")]);
    assert_eq!(outcome(&cluster, 4), Some(vec![(ErrorCode::None, 1)]));
    assert_eq!((outcome(&cluster, 1), outcome(&cluster, 3)), (None, None));
    cluster.run_makings(1);
    let both = vec![(ErrorCode::None, 0), (ErrorCode::None, 0)];
    assert_eq!(outcome(&cluster, 1), Some(both));
    assert_eq!(answer(&cluster, 1).unwrap()[0].log_start, Offset(0));
    assert_eq!(outcome(&cluster, 3), None);
    cluster.run_makings(1);
    let both = vec![(ErrorCode::None, 2), (ErrorCode::None, 0)];
    assert_eq!(outcome(&cluster, 3), Some(both));
    assert_eq!(outcome(&cluster, 2), Some(vec![(ErrorCode::None, 1)]));
    let shard = cluster.brokers[0].shard.as_ref().unwrap();
    let traffic = shard.partitions[&partition(1)].traffic;
    assert_eq!((traffic.produce_requests, traffic.messages_in), (3, 3));
}

#[test]
fn an_idempotent_producers_batches_in_flight_are_appended_once_and_in_order() {
    let mut cluster = cluster();
    for (token, sequence) in [(1, 0), (2, 1), (3, 1)] {
        let produce = Produce {
            token: Token(token),
            acks: Acks::All,
            timeout_ms: 1_000,
            batches: vec![(partition(1), numbered(0, sequence, "value"))],
        };
        cluster.send(0, Event::Produce(produce));
    }
    cluster.run_makings(2);
    let answers = [1, 2, 3].map(|token| outcome(&cluster, token).unwrap()[0]);
    assert_eq!(answers, [0, 1, 1].map(|offset| (ErrorCode::None, offset)));
}

#[test]
fn a_produce_waits_for_its_log_at_most_for_its_time_and_is_not_appended_later() {
    let mut cluster = cluster();
    produce(&mut cluster, 1, Acks::Leader, &[(1, "late")]);
    produce(&mut cluster, 2, Acks::Leader, &[(2, "gone")]);
    cluster.send(0, Event::Cancel { token: Token(2) });
    cluster.pass(999);
    assert_eq!(outcome(&cluster, 1), None);
    cluster.pass(1);
    let late = (ErrorCode::RequestTimedOut, -1);
    assert_eq!(outcome(&cluster, 1), Some(vec![late]));
    cluster.run_makings(2);
    for (token, index) in [(3, 1), (4, 2)] {
        produce(&mut cluster, token, Acks::Leader, &[(index, "first")]);
        assert_eq!(outcome(&cluster, token), Some(vec![(ErrorCode::None, 0)]));
    }
    assert_eq!(outcome(&cluster, 2), None);
}

#[test]
fn what_waits_is_refused_when_its_partition_is_led_elsewhere_or_gone() {
    let mut cluster = cluster();
    produce(&mut cluster, 1, Acks::All, &[(1, "value")]);
    produce(&mut cluster, 2, Acks::All, &[(2, "value")]);
    let mut moved = records(1);
    for record in &mut moved {
        if let MetadataRecord::Partition { state, .. } = record {
            Arc::make_mut(state).leader = Some(BrokerId(1));
        }
    }
    cluster.publish_to(moved, &[0]);
    let elsewhere = (ErrorCode::NotLeaderOrFollower, -1);
    assert_eq!(outcome(&cluster, 1), Some(vec![elsewhere]));
    assert_eq!(outcome(&cluster, 2), None);
    cluster.publish_to(vec![MetadataRecord::TopicDeleted { topic: TOPIC }], &[0]);
    let gone = (ErrorCode::UnknownTopicOrPartition, -1);
    assert_eq!(outcome(&cluster, 2), Some(vec![gone]));
}

#[test]
fn what_waits_is_refused_when_the_lease_ends_and_when_leaderships_are_handed_over() {
    let refused = Some(vec![(ErrorCode::NotLeaderOrFollower, -1)]);
    let mut cluster = cluster();
    let until = cluster.now + std::time::Duration::from_millis(10);
    cluster.send(0, Event::ExtendLease { until });
    produce(&mut cluster, 1, Acks::All, &[(1, "value")]);
    cluster.pass(10);
    assert_eq!(outcome(&cluster, 1), refused);
    let until = Time::from_millis(3_600_000);
    cluster.send(0, Event::ExtendLease { until });
    produce(&mut cluster, 2, Acks::All, &[(1, "value")]);
    assert_eq!(outcome(&cluster, 2), None);
    cluster.send(0, Event::Drain);
    assert_eq!(outcome(&cluster, 2), refused);
    produce(&mut cluster, 3, Acks::All, &[(1, "value")]);
    assert_eq!(outcome(&cluster, 3), refused);
}
