//! Producers that number their batches (KIP-98): sent again is not appended again.

use kintsugi_replica::bugs::Bugs;
use kintsugi_types::{BrokerEpoch, ErrorCode, Offset, Time};
use kintsugi_wire::batch::split;

use super::harness::{Cluster, PARTITION, batch, numbered, open_with, state};
use crate::message::shard::{Acks, Event, Produce, Produced, Token};
use crate::shard::ShardError;

fn send(cluster: &mut Cluster, id: usize, token: u64, sequence: i32) -> Option<Produced> {
    send_in(cluster, id, token, 0, sequence)
}

fn send_in(
    cluster: &mut Cluster,
    id: usize,
    token: u64,
    epoch: i16,
    sequence: i32,
) -> Option<Produced> {
    let batch = numbered(epoch, sequence, &sequence.to_string());
    cluster.produce_batch(id, token, Acks::All, batch);
    cluster.produced(id, token).cloned()
}

fn base(produced: Option<Produced>) -> Result<i64, ErrorCode> {
    let produced = produced.expect("an answer");
    match produced.error {
        ErrorCode::None => Ok(produced.base_offset.0),
        error => {
            assert_eq!(produced.base_offset, Offset(-1));
            Err(error)
        }
    }
}

#[test]
fn a_batch_sent_again_gets_its_old_offset_and_is_in_the_log_once() {
    let mut cluster = Cluster::with_topic();
    cluster.produce_batch(0, 90, Acks::All, batch("of nobody"));
    for sequence in 0..5 {
        let produced = send(&mut cluster, 0, 100 + sequence as u64, sequence);
        assert_eq!(base(produced), Ok(i64::from(sequence) + 1));
    }
    let log = cluster.log(0);
    for sequence in 0..5 {
        let again = send(&mut cluster, 0, 200 + sequence as u64, sequence);
        assert_eq!(base(again), Ok(i64::from(sequence) + 1));
    }
    assert_eq!(cluster.log(0), log);
    // With acks=1 as well.
    cluster.produce_batch(0, 300, Acks::Leader, numbered(0, 2, "2"));
    assert_eq!(base(cluster.produced(0, 300).cloned()), Ok(3));
    assert_eq!(cluster.log(0), log);
}

#[test]
fn a_repeated_batch_is_acknowledged_when_its_first_copy_is_committed_and_not_before() {
    let mut cluster = Cluster::with_topic();
    cluster.cut_off.insert(2);
    assert_eq!(send(&mut cluster, 0, 1, 0), None);
    assert_eq!(send(&mut cluster, 0, 2, 0), None);
    assert_eq!(send(&mut cluster, 0, 3, 1), None);
    assert_eq!(send(&mut cluster, 0, 4, 1), None);
    assert_eq!(cluster.end(0), 2);
    cluster.cut_off.clear();
    cluster.pass(2_500);
    for (token, offset) in [(1, 0), (2, 0), (3, 1), (4, 1)] {
        assert_eq!(base(cluster.produced(0, token).cloned()), Ok(offset));
    }
}

#[test]
fn a_repeated_batch_fails_with_its_leader() {
    let mut cluster = Cluster::with_topic();
    cluster.cut_off.insert(0);
    assert_eq!(send(&mut cluster, 0, 1, 0), None);
    assert_eq!(send(&mut cluster, 0, 2, 0), None);
    cluster.publish(vec![state(1, 2, 2, &[1, 2])]);
    for token in [1, 2] {
        let failed = base(cluster.produced(0, token).cloned());
        assert_eq!(failed, Err(ErrorCode::NotLeaderOrFollower));
    }
}

#[test]
fn a_repeated_batch_is_answered_when_its_time_is_over() {
    let mut cluster = Cluster::with_topic();
    cluster.cut_off.insert(2);
    assert_eq!(send(&mut cluster, 0, 1, 0), None);
    let produce = Produce {
        token: Token(2),
        acks: Acks::All,
        timeout_ms: 100,
        batches: vec![(PARTITION, numbered(0, 0, "0"))],
    };
    cluster.send(0, Event::Produce(produce));
    cluster.pass(100);
    let late = base(cluster.produced(0, 2).cloned());
    assert_eq!(late, Err(ErrorCode::RequestTimedOut));
    assert_eq!(cluster.produced(0, 1), None);
}

#[test]
fn gaps_and_old_epochs_are_refused_and_append_nothing() {
    let mut cluster = Cluster::with_topic();
    // A producer that this partition does not know begins where it likes.
    assert_eq!(base(send(&mut cluster, 0, 1, 40)), Ok(0));
    let gap = base(send(&mut cluster, 0, 2, 42));
    assert_eq!(gap, Err(ErrorCode::OutOfOrderSequenceNumber));
    let not_from_zero = base(send_in(&mut cluster, 0, 3, 1, 41));
    assert_eq!(not_from_zero, Err(ErrorCode::OutOfOrderSequenceNumber));
    assert_eq!(base(send_in(&mut cluster, 0, 4, 1, 0)), Ok(1));
    let old = base(send(&mut cluster, 0, 5, 41));
    assert_eq!(old, Err(ErrorCode::InvalidProducerEpoch));
    assert_eq!(cluster.end(0), 2);
}

#[test]
fn batches_of_one_event_are_checked_in_their_order() {
    let mut cluster = Cluster::with_topic();
    let batches = [0, 1, 1, 3, 2].map(|n| (PARTITION, numbered(0, n, &n.to_string())));
    let produce = Produce {
        token: Token(1),
        acks: Acks::Leader,
        timeout_ms: 1_000,
        batches: batches.into(),
    };
    cluster.send(0, Event::Produce(produce));
    let Some(crate::message::shard::Command::AnswerProduce { results, .. }) =
        cluster.brokers[0].commands.first()
    else {
        panic!("no answer");
    };
    let offsets: Vec<_> = results.iter().map(|r| base(Some(r.clone()))).collect();
    let gap = Err(ErrorCode::OutOfOrderSequenceNumber);
    assert_eq!(offsets, [Ok(0), Ok(1), Ok(1), gap, Ok(2)]);
}

#[test]
fn a_new_leader_knows_the_sequences_of_the_old_one() {
    let mut cluster = Cluster::with_topic();
    for sequence in 0..3 {
        let token = sequence as u64;
        assert_eq!(
            base(send(&mut cluster, 0, token, sequence)),
            Ok(i64::from(sequence))
        );
    }
    cluster.cut_off.insert(0);
    cluster.publish(vec![state(1, 2, 2, &[1, 2])]);
    let log = cluster.log(1);
    assert_eq!(base(send(&mut cluster, 1, 10, 2)), Ok(2));
    assert_eq!(cluster.log(1), log);
    let gap = base(send(&mut cluster, 1, 11, 4));
    assert_eq!(gap, Err(ErrorCode::OutOfOrderSequenceNumber));
    assert_eq!(base(send(&mut cluster, 1, 12, 3)), Ok(3));
}

#[test]
fn what_a_follower_cut_off_it_does_not_take_for_a_repetition() {
    let mut cluster = Cluster::with_topic();
    assert_eq!(base(send(&mut cluster, 0, 1, 0)), Ok(0));
    // Broker 0 alone has number 1, and loses it.
    cluster.cut_off.insert(0);
    assert_eq!(send(&mut cluster, 0, 2, 1), None);
    cluster.publish_to(vec![state(1, 2, 2, &[1, 2])], &[1, 2]);
    cluster.push_image(None, &[0]);
    cluster.cut_off.clear();
    cluster.pass(1_000);
    assert_eq!(cluster.end(0), 1);
    cluster.publish(vec![state(0, 3, 3, &[0, 1, 2])]);
    send(&mut cluster, 0, 3, 1);
    cluster.pass(2_500);
    assert_eq!(base(cluster.produced(0, 3).cloned()), Ok(1));
    let values = split(cluster.log(0)).count();
    assert_eq!((values, cluster.log(0)), (2, cluster.log(1)));
}

#[test]
fn a_broker_that_starts_again_knows_the_sequences_after_a_crash_and_a_clean_stop() {
    for is_clean in [false, true] {
        let mut cluster = Cluster::with_topic();
        for sequence in 0..3 {
            assert!(send(&mut cluster, 0, sequence as u64, sequence).is_some());
        }
        let shard = cluster.brokers[0].shard.take().unwrap();
        let fs = cluster.brokers[0].fs.clone();
        if is_clean {
            shard
                .close(|| false)
                .map_err(|e: ShardError| e.to_string())
                .unwrap();
        } else {
            drop(shard);
        }
        fs.crash_process();
        let last = crate::directory::LastRun {
            was_clean: is_clean,
            ..Default::default()
        };
        let shard = open_with(&fs, 0, &last, Bugs::default());
        cluster.brokers[0].shard = Some(shard);
        cluster.drop_fetches(0);
        cluster.push_image(None, &[0]);
        let until = Time::from_millis(3_600_000);
        cluster.send(0, Event::ExtendLease { until });
        cluster.pass(2_500);
        assert_eq!(cluster.image.brokers.len(), 3);
        assert_eq!(
            cluster.image.brokers[&kintsugi_types::BrokerId(0)].epoch,
            BrokerEpoch(100)
        );
        let again = base(send(&mut cluster, 0, 10, 0));
        assert_eq!((again, cluster.end(0)), (Ok(0), 3), "clean: {is_clean}");
        assert_eq!(base(send(&mut cluster, 0, 11, 3)), Ok(3));
    }
}

#[test]
fn an_idle_producer_is_forgotten_after_its_expiration_time() {
    let mut cluster = Cluster::with_topic();
    assert_eq!(base(send(&mut cluster, 0, 1, 0)), Ok(0));
    let shard = cluster.brokers[0].shard.as_mut().unwrap();
    let log = &mut shard.partitions.get_mut(&PARTITION).unwrap().log;
    let day_ms = 24 * 3_600 * 1_000;
    let at = |millis| kintsugi_types::TimestampMs(super::harness::WALL.0 + millis);
    assert_eq!(log.expire_producers(at(day_ms - 1)), 0);
    assert_eq!(log.expire_producers(at(day_ms)), 1);
    assert_eq!(base(send(&mut cluster, 0, 2, 77)), Ok(1));
}

#[test]
fn producers_beyond_the_bound_are_forgotten_and_counted() {
    let mut cluster = Cluster::with_topic();
    assert_eq!(base(send(&mut cluster, 0, 1, 0)), Ok(0));
    let shard = cluster.brokers[0].shard.as_mut().unwrap();
    let log = &mut shard.partitions.get_mut(&PARTITION).unwrap().log;
    let mut config = log.config().clone();
    config.producers_max = 1;
    log.set_config(config);
    let other = kintsugi_wire::records::BatchOptions {
        producer_id: kintsugi_types::ProducerId(8),
        producer_epoch: kintsugi_types::ProducerEpoch(0),
        base_sequence: 0,
        ..kintsugi_wire::records::BatchOptions::default()
    };
    let record = kintsugi_wire::records::Record::default();
    let batch = kintsugi_wire::records::build_with(other, &[record]).unwrap();
    cluster.produce_batch(0, 2, Acks::All, batch);
    assert_eq!(base(cluster.produced(0, 2).cloned()), Ok(1));
    // Unknown now, so it may go on anywhere.
    assert_eq!(base(send(&mut cluster, 0, 3, 77)), Ok(2));
    cluster.pass(5_000);
    assert_eq!(cluster.counts[0].producers_evicted, 2);
}
