//! What counts before and after a sync, and what a disk's failures do.

use kintsugi_storage::fs::memory::FaultPlan;
use kintsugi_storage::{FileSystem, Log, LogConfig, LogContext, LogLimits, OpenHow};
use kintsugi_types::{ErrorCode, Offset};

use super::harness::{Cluster, PARTITION, batch};
use crate::message::shard::{Acks, Command, Event, Produce, Token};

fn fatal(cluster: &Cluster, id: usize) -> Option<String> {
    let commands = cluster.brokers[id].commands.iter();
    let mut reasons = commands.filter_map(|command| match command {
        Command::Fatal { reason } => Some(reason.clone()),
        _ => None,
    });
    reasons.next()
}

#[test]
fn with_flush_messages_1_an_ack_waits_for_the_leaders_sync() {
    for acks in [Acks::Leader, Acks::All] {
        let mut cluster = Cluster::with_configs(&[("flush.messages", "1")]);
        cluster.slow_disks.insert(0);
        cluster.produce(0, 1, acks, "one");
        // What comes meanwhile goes into one sync with others.
        cluster.produce(0, 2, acks, "two");
        cluster.produce(0, 3, acks, "three");
        cluster.pass(1_000);
        assert_eq!((cluster.end(1), cluster.high_watermark(0)), (3, 0));
        assert!(cluster.produced(0, 1).is_none(), "{acks:?}");
        cluster.finish_syncs();
        for token in 1..=3 {
            let error = cluster.produced(0, token).map(|produced| produced.error);
            assert_eq!(error, Some(ErrorCode::None), "{acks:?}");
        }
    }
}

#[test]
fn with_flush_messages_1_an_ack_waits_for_the_followers_syncs() {
    let mut cluster = Cluster::with_configs(&[("flush.messages", "1")]);
    cluster.slow_disks.insert(1);
    cluster.produce(0, 1, Acks::All, "one");
    cluster.produce(0, 2, Acks::Leader, "two");
    cluster.pass(300);
    assert_eq!((cluster.end(1), cluster.high_watermark(0)), (2, 0));
    assert!(cluster.produced(0, 1).is_none());
    assert!(cluster.produced(0, 2).is_some());
    cluster.finish_syncs();
    let synced_at = cluster.now;
    cluster.pass(20);
    assert_eq!(cluster.high_watermark(0), 2);
    assert!(cluster.produced(0, 1).unwrap().error.is_none());
    assert!(cluster.now.since(synced_at).as_millis() <= 20);
}

#[test]
fn what_was_acknowledged_with_flush_messages_1_survives_all_machines_losing_power() {
    for seed in 0..20 {
        let mut cluster = Cluster::with_configs(&[("flush.messages", "1")]);
        for token in 1..=5 {
            cluster.produce(0, token, Acks::All, "value");
            cluster.pass(20);
        }
        assert!(cluster.produced(0, 5).unwrap().error.is_none());
        for id in 0..3 {
            drop(cluster.brokers[id].shard.take());
            let fs = &cluster.brokers[id].fs;
            fs.lose_power(&mut fastrand::Rng::with_seed(seed));
            let context = LogContext::new(fs.clone(), LogLimits::default());
            let how = OpenHow::Recover { from: Offset::ZERO };
            let path = std::path::Path::new("data/t-0");
            let (log, _) = Log::open(&context, path, LogConfig::default(), how).unwrap();
            assert_eq!(log.log_end(), Offset(5), "seed {seed}, broker {id}");
        }
    }
}

#[test]
fn a_failed_sync_ends_the_process_and_acknowledges_nothing() {
    let mut cluster = Cluster::with_configs(&[("flush.messages", "1")]);
    let faults = FaultPlan {
        path_contains: Some(".log".to_owned()),
        sync_error_after: Some(0),
        ..FaultPlan::default()
    };
    cluster.brokers[0].fs.set_faults(faults);
    cluster.produce(0, 1, Acks::Leader, "one");
    cluster.produce(0, 2, Acks::Leader, "two");
    assert!(cluster.produced(0, 1).is_none());
    assert!(fatal(&cluster, 0).unwrap().contains("sync"));
    let second = cluster.produced(0, 2).unwrap();
    assert_eq!(second.error, ErrorCode::KafkaStorageError);
}

#[test]
fn flush_ms_syncs_in_the_background() {
    let mut cluster = Cluster::with_configs(&[("flush.ms", "0")]);
    cluster.produce(0, 1, Acks::Leader, "one");
    assert!(cluster.produced(0, 1).is_some());
    cluster.pass(1_000);
    let shard = cluster.brokers[0].shard.as_ref().unwrap();
    assert_eq!(shard.partitions[&PARTITION].log.recovery_point(), Offset(1));
}

#[test]
fn a_full_disk_refuses_produces_until_there_is_room() {
    let mut cluster = Cluster::with_topic();
    cluster.produce(0, 1, Acks::All, "one");
    let full = FaultPlan {
        capacity_bytes: Some(0),
        ..FaultPlan::default()
    };
    cluster.brokers[0].fs.set_faults(full.clone());
    cluster.produce(0, 2, Acks::All, "two");
    let error = cluster.produced(0, 2).unwrap().error;
    assert_eq!(error, ErrorCode::KafkaStorageError);
    cluster.pass(6_000);
    assert_eq!(fatal(&cluster, 0), None);
    cluster.fetch(0, 3, 0, 0);
    assert!(!cluster.fetched(0, 3).unwrap().batches.is_empty());
    cluster.brokers[0].fs.set_faults(FaultPlan::default());
    cluster.produce(0, 4, Acks::All, "four");
    assert_eq!(cluster.produced(0, 4).unwrap().base_offset, Offset(1));
    // A follower whose disk is full goes on when there is room, too.
    cluster.brokers[1].fs.set_faults(full);
    cluster.produce(0, 5, Acks::Leader, "five");
    cluster.pass(1_000);
    assert_eq!((cluster.end(0), cluster.end(1)), (3, 2));
    cluster.brokers[1].fs.set_faults(FaultPlan::default());
    cluster.pass(1_000);
    assert_eq!((cluster.end(1), fatal(&cluster, 1)), (3, None));
}

#[test]
fn a_segment_that_is_full_is_synced_and_the_recovery_point_moves_past_it() {
    let mut cluster = Cluster::with_configs(&[("segment.bytes", "200")]);
    for token in 1..=6 {
        cluster.produce(0, token, Acks::Leader, "value");
    }
    let shard = cluster.brokers[0].shard.as_ref().unwrap();
    let log = &shard.partitions[&PARTITION].log;
    assert!(log.segment_count() > 1);
    let point = log.recovery_point();
    assert!(point > Offset::ZERO && point < log.log_end());
    cluster.pass(6_000);
    let names = cluster.brokers[0]
        .fs
        .read_dir(std::path::Path::new("data/t-0"));
    assert!(names.unwrap().contains(&format!("{:020}.log", point.0)));
}

#[test]
fn produces_beyond_the_limit_of_those_that_wait_for_a_sync_are_refused() {
    let mut cluster = Cluster::with_configs(&[("flush.messages", "1")]);
    cluster.slow_disks.insert(0);
    let shard = cluster.brokers[0].shard.as_mut().unwrap();
    shard.config.limits.waiting_produces_max = 1;
    cluster.produce(0, 1, Acks::Leader, "one");
    cluster.produce(0, 2, Acks::Leader, "two");
    let refused = cluster.produced(0, 2).unwrap().error;
    assert_eq!(refused, ErrorCode::ThrottlingQuotaExceeded);
    // A client that goes takes its wait with it.
    cluster.send(0, Event::Cancel { token: Token(1) });
    let produce = Produce {
        token: Token(3),
        acks: Acks::Leader,
        timeout_ms: 100,
        batches: vec![(PARTITION, batch("three"))],
    };
    cluster.send(0, Event::Produce(produce));
    cluster.pass(200);
    let late = cluster.produced(0, 3).unwrap().error;
    assert_eq!(late, ErrorCode::RequestTimedOut);
}
