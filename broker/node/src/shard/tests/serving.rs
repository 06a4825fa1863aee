//! What clients see.

use std::time::Duration;

use kintsugi_types::{ErrorCode, LeaderEpoch, Offset, Time, TimestampMs};

use super::harness::{Cluster, PARTITION, batch, state};
use crate::message::shard::{
    Acks, Command, EpochQuery, Event, OffsetAnswer, OffsetQuery, Produce, Token,
};

fn ask(cluster: &mut Cluster, id: usize, timestamp: i64) -> OffsetAnswer {
    let query = OffsetQuery {
        partition: PARTITION,
        leader_epoch: LeaderEpoch::UNKNOWN,
        timestamp: TimestampMs(timestamp),
    };
    let token = Token(99);
    let positions = vec![query];
    cluster.send(id, Event::ListOffsets { token, positions });
    match cluster.brokers[id].commands.pop() {
        Some(Command::AnswerListOffsets { results, .. }) => results[0].clone(),
        other => panic!("no answer: {other:?}"),
    }
}

#[test]
fn a_held_fetch_wakes_when_the_record_is_committed_not_when_it_is_appended() {
    let mut cluster = Cluster::with_topic();
    cluster.fetch(0, 1, 0, 10_000);
    cluster.cut_off.insert(2);
    cluster.produce(0, 2, Acks::Leader, "one");
    assert_eq!(cluster.fetched(0, 1), None);
    cluster.cut_off.clear();
    cluster.pass(2_500);
    let fetched = cluster.fetched(0, 1).unwrap();
    assert_eq!(fetched.high_watermark, Offset(1));
    assert_eq!(fetched.batches, cluster.log(0));
}

#[test]
fn a_held_fetch_is_answered_when_its_time_is_over() {
    let mut cluster = Cluster::with_topic();
    cluster.fetch(0, 1, 0, 100);
    cluster.pass(99);
    assert_eq!(cluster.fetched(0, 1), None);
    cluster.pass(1);
    assert!(cluster.fetched(0, 1).unwrap().batches.is_empty());
}

/// How long broker 0 held a client's fetch before it answered.
fn held(cluster: &Cluster, token: u64) -> Option<Duration> {
    let mut commands = cluster.brokers[0].commands.iter();
    commands.find_map(|command| match command {
        Command::AnswerFetch {
            token: to, held, ..
        } if to.0 == token => Some(*held),
        _ => None,
    })
}

#[test]
fn an_answer_tells_how_long_its_fetch_waited_for_records_to_come() {
    let mut cluster = Cluster::with_topic();
    cluster.produce(0, 2, Acks::All, "one");
    cluster.fetch(0, 3, 0, 10_000);
    assert_eq!(held(&cluster, 3), Some(Duration::ZERO));
    cluster.fetch(0, 4, 1, 100);
    cluster.pass(100);
    assert_eq!(held(&cluster, 4), Some(Duration::from_millis(100)));
}

#[test]
fn a_produce_is_answered_when_its_time_is_over() {
    let mut cluster = Cluster::with_topic();
    cluster.cut_off.insert(2);
    let produce = Produce {
        token: Token(1),
        acks: Acks::All,
        timeout_ms: 100,
        batches: vec![(PARTITION, batch("one"))],
    };
    cluster.send(0, Event::Produce(produce));
    cluster.pass(100);
    let produced = cluster.produced(0, 1).unwrap();
    assert_eq!(produced.error, ErrorCode::RequestTimedOut);
    // It is not answered a second time when the record is committed after all.
    cluster.cut_off.clear();
    cluster.pass(2_500);
    assert_eq!(cluster.high_watermark(0), 1);
    let is_answer = |command: &&Command| matches!(command, Command::AnswerProduce { .. });
    let answers = cluster.brokers[0].commands.iter().filter(is_answer);
    assert_eq!(answers.count(), 1);
}

#[test]
fn a_broker_whose_lease_is_over_serves_nobody_until_it_has_a_new_one() {
    let mut cluster = Cluster::with_topic();
    cluster.produce(0, 1, Acks::All, "one");
    cluster.cut_off.insert(2);
    cluster.produce(0, 2, Acks::All, "two");
    cluster.fetch(0, 3, 1, 60_000);
    let until = Time::from_millis(50);
    cluster.send(0, Event::ExtendLease { until });
    cluster.pass(50);
    let failed = cluster.produced(0, 2).unwrap();
    assert_eq!(failed.error, ErrorCode::NotLeaderOrFollower);
    let failed = cluster.fetched(0, 3).unwrap();
    assert_eq!(failed.error, ErrorCode::NotLeaderOrFollower);
    cluster.produce(0, 4, Acks::Leader, "three");
    let refused = cluster.produced(0, 4).unwrap();
    assert_eq!(refused.error, ErrorCode::NotLeaderOrFollower);
    assert_eq!(cluster.end(0), 2);
    let until = Time::from_millis(10_000);
    cluster.send(0, Event::ExtendLease { until });
    cluster.produce(0, 5, Acks::Leader, "three");
    assert_eq!(cluster.produced(0, 5).unwrap().error, ErrorCode::None);
}

#[test]
fn a_client_at_the_wrong_broker_is_told_the_right_one() {
    let mut cluster = Cluster::with_topic();
    cluster.produce(1, 1, Acks::All, "one");
    let refused = cluster.produced(1, 1).unwrap();
    assert_eq!(refused.error, ErrorCode::NotLeaderOrFollower);
    let hint = refused.current_leader.unwrap();
    assert_eq!((hint.leader.unwrap().0, hint.epoch), (0, LeaderEpoch(1)));
}

#[test]
fn a_new_leader_with_an_older_high_watermark_never_says_out_of_range() {
    let mut cluster = Cluster::with_topic();
    cluster.produce(0, 1, Acks::All, "one");
    // Broker 1 gets the second record, but not the news that it is committed.
    cluster.cut_off.insert(2);
    cluster.produce(0, 2, Acks::Leader, "two");
    cluster.cut_off.extend([0, 1]);
    cluster.publish(vec![state(1, 2, 2, &[1, 2])]);
    assert_eq!((cluster.high_watermark(1), cluster.end(1)), (1, 2));
    assert_eq!(
        ask(&mut cluster, 1, -1).error,
        ErrorCode::OffsetNotAvailable
    );
    cluster.fetch(1, 3, 2, 0);
    assert_eq!(cluster.fetched(1, 3).unwrap().error, ErrorCode::None);
    cluster.fetch(1, 4, 3, 0);
    let fetched = cluster.fetched(1, 4).unwrap();
    assert_eq!(fetched.error, ErrorCode::OffsetNotAvailable);
    // Once its follower has all of it, the end is known.
    cluster.cut_off.clear();
    cluster.pass(2_500);
    assert_eq!(ask(&mut cluster, 1, -1).offset, Offset(2));
    cluster.fetch(1, 5, 3, 0);
    let fetched = cluster.fetched(1, 5).unwrap();
    assert_eq!(fetched.error, ErrorCode::OffsetOutOfRange);
}

#[test]
fn offsets_are_found_by_name_and_by_time() {
    let mut cluster = Cluster::with_topic();
    cluster.produce(0, 1, Acks::All, "one");
    cluster.produce(0, 2, Acks::All, "two");
    assert_eq!(ask(&mut cluster, 0, -1).offset, Offset(2));
    assert_eq!(ask(&mut cluster, 0, -2).offset, Offset(0));
    let found = ask(&mut cluster, 0, 5);
    assert_eq!((found.offset, found.timestamp), (Offset(0), TimestampMs(5)));
    assert_eq!(ask(&mut cluster, 0, 6).offset, Offset(-1));
}

#[test]
fn an_epoch_ends_where_the_next_began_and_the_present_one_at_the_end() {
    let mut cluster = Cluster::with_topic();
    cluster.produce(0, 1, Acks::All, "one");
    cluster.produce(0, 2, Acks::All, "two");
    cluster.publish(vec![state(1, 3, 2, &[0, 1, 2])]);
    cluster.pass(2_500);
    cluster.produce(1, 3, Acks::All, "three");
    cluster.pass(2_500);
    let mut ask = |epoch: i32| {
        let query = EpochQuery {
            partition: PARTITION,
            leader_epoch: LeaderEpoch(3),
            epoch: LeaderEpoch(epoch),
        };
        let token = Token(99);
        let queries = vec![query];
        cluster.send(1, Event::EpochEnds { token, queries });
        match cluster.brokers[1].commands.pop() {
            Some(Command::AnswerEpochEnds { results, .. }) => {
                assert_eq!(results[0].error, ErrorCode::None);
                (results[0].epoch.0, results[0].end.0)
            }
            other => panic!("no answer: {other:?}"),
        }
    };
    assert_eq!(ask(1), (1, 2));
    assert_eq!(ask(2), (1, 2));
    assert_eq!(ask(3), (3, 3));
    assert_eq!(ask(4), (-1, -1));
    assert_eq!(ask(0), (0, 0));
}
