//! Deleting records, on the leader and on its followers.

use kintsugi_types::{ErrorCode, Offset};

use super::harness::{Cluster, PARTITION};
use crate::message::shard::{Acks, Command, DeletedRecords, Event, Token};

fn with_three_records() -> Cluster {
    let mut cluster = Cluster::with_topic();
    for (token, value) in (1..).zip(["one", "two", "three"]) {
        cluster.produce(0, token, Acks::All, value);
    }
    cluster
}

fn delete(cluster: &mut Cluster, id: usize, before: i64) {
    let event = Event::DeleteRecords {
        token: Token(77),
        before: vec![(PARTITION, Offset(before))],
        wait_ms: 1_000,
    };
    cluster.send(id, event);
}

fn answers(cluster: &Cluster, id: usize) -> Vec<DeletedRecords> {
    let commands = cluster.brokers[id].commands.iter();
    let answers = commands.filter_map(|command| match command {
        Command::AnswerDeleteRecords { token, results } if *token == Token(77) => Some(results),
        _ => None,
    });
    answers.flatten().copied().collect()
}

fn answer(error: ErrorCode, low_watermark: i64) -> Vec<DeletedRecords> {
    vec![DeletedRecords {
        partition: PARTITION,
        error,
        low_watermark: Offset(low_watermark),
    }]
}

fn log_starts(cluster: &Cluster) -> [i64; 3] {
    [0, 1, 2].map(|id: usize| {
        let shard = cluster.brokers[id].shard.as_ref().unwrap();
        shard.partitions[&PARTITION].log.log_start().0
    })
}

#[test]
fn records_are_deleted_everywhere_before_the_answer_without_time_passing() {
    let mut cluster = with_three_records();
    delete(&mut cluster, 0, 2);
    assert_eq!(log_starts(&cluster), [2, 2, 2]);
    assert_eq!(answers(&cluster, 0), answer(ErrorCode::None, 2));
    cluster.fetch(0, 90, 1, 0);
    assert_eq!(
        cluster.fetched(0, 90).unwrap().error,
        ErrorCode::OffsetOutOfRange
    );
}

#[test]
fn minus_one_deletes_all_that_is_committed_and_what_is_deleted_already_is_no_error() {
    let mut cluster = with_three_records();
    delete(&mut cluster, 0, -1);
    assert_eq!(answers(&cluster, 0), answer(ErrorCode::None, 3));
    cluster.brokers[0].commands.clear();
    delete(&mut cluster, 0, 1);
    assert_eq!(answers(&cluster, 0), answer(ErrorCode::None, 3));
    assert_eq!(log_starts(&cluster), [3, 3, 3]);
}

#[test]
fn what_is_not_committed_and_what_is_led_elsewhere_is_not_deleted() {
    let mut cluster = with_three_records();
    delete(&mut cluster, 0, 4);
    assert_eq!(
        answers(&cluster, 0),
        answer(ErrorCode::OffsetOutOfRange, -1)
    );
    delete(&mut cluster, 1, 1);
    assert_eq!(
        answers(&cluster, 1),
        answer(ErrorCode::NotLeaderOrFollower, -1)
    );
    assert_eq!(log_starts(&cluster), [0, 0, 0]);
}

#[test]
fn a_live_replica_that_does_not_follow_is_waited_for_until_the_time_is_over() {
    let mut cluster = with_three_records();
    cluster.cut_off.insert(2);
    delete(&mut cluster, 0, 2);
    assert_eq!(answers(&cluster, 0), []);
    cluster.pass(1_100);
    assert_eq!(answers(&cluster, 0), answer(ErrorCode::RequestTimedOut, -1));
    cluster.cut_off.clear();
    cluster.pass(2_500);
    assert_eq!(log_starts(&cluster), [2, 2, 2], "it is deleted there later");
}
