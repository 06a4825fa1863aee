//! What a log knows of its producers, through rolls, cuts, and openings.

use kintsugi_types::{ProducerEpoch, ProducerId};
use kintsugi_wire::records::{BatchOptions, build_with};

use super::*;
use crate::fs::memory::FaultPlan;
use crate::fs::{File, FileSystem, OpenMode};
use crate::producer_state::{ProducerCheck, Producers};

fn numbered(producer: i64, sequence: i32, count: usize) -> Vec<u8> {
    let options = BatchOptions {
        producer_id: ProducerId(producer),
        producer_epoch: ProducerEpoch(0),
        base_sequence: sequence,
        ..BatchOptions::default()
    };
    let record = Record {
        timestamp: TimestampMs(1),
        value: Some(Bytes::from_static(b"some value of a record")),
        ..Record::default()
    };
    build_with(options, &vec![record; count]).unwrap().to_vec()
}

fn send(log: &mut Log<MemoryFileSystem>, producer: i64, sequence: i32) {
    let mut bytes = numbered(producer, sequence, 2);
    log.append_as_leader(&mut bytes, LeaderEpoch(0), NOW)
        .unwrap();
}

/// Some segments of three producers' batches.
fn filled() -> (MemoryFileSystem, Log<MemoryFileSystem>) {
    let (fs, mut log) = fresh(small());
    for number in 0..30 {
        send(&mut log, i64::from(number % 3), number / 3 * 2);
    }
    assert!(log.segment_count() > 3);
    (fs, log)
}

fn snapshots(fs: &MemoryFileSystem) -> Vec<String> {
    let mut names = fs.read_dir(Path::new(DIRECTORY)).unwrap();
    names.retain(|name| name.ends_with(".snapshot"));
    names
}

/// What the batches of a log tell, without any snapshot.
fn scanned(log: &Log<MemoryFileSystem>) -> Producers {
    let mut producers = Producers::new(log.config().producers_max);
    for header in headers(&read_all(log, 100_000)) {
        producers.update(&header, None);
    }
    producers
}

#[test]
fn a_batch_sent_again_is_found_where_it_was_appended() {
    let (_, log) = filled();
    let again = headers(&numbered(2, 18, 2))[0];
    let Ok(ProducerCheck::Duplicate(found)) = log.check_producer(&again) else {
        panic!("not found");
    };
    assert_eq!(found.first_offset, Offset(58));
    let next = headers(&numbered(2, 20, 2))[0];
    assert_eq!(log.check_producer(&next), Ok(ProducerCheck::New));
}

#[test]
fn each_roll_and_a_clean_close_keep_a_snapshot() {
    let (fs, log) = filled();
    assert_eq!(snapshots(&fs).len(), log.segment_count() - 1);
    let (end, before) = (log.log_end(), log.producers().clone());
    log.close().unwrap();
    assert_eq!(
        snapshots(&fs).last().unwrap(),
        &format!("{:020}.snapshot", end.0)
    );
    let (log, _) = open(&fs, small(), OpenHow::Clean);
    assert_eq!(*log.producers(), before);
    assert!(!log.needs_sync());
}

#[test]
fn a_clean_start_reads_no_batch_that_a_snapshot_covers() {
    let (fs, log) = filled();
    log.close().unwrap();
    // A snapshot that says something else is believed: so it was read, and the batches were not.
    let path = Path::new(DIRECTORY).join(snapshots(&fs).last().unwrap());
    let file = fs.open(&path, OpenMode::Write).unwrap();
    let other = crate::producer_state::encode(&Producers::new(1));
    file.set_len(0).unwrap();
    file.write_at(&other, 0).unwrap();
    let (log, _) = open(&fs, small(), OpenHow::Clean);
    assert!(log.producers().is_empty());
}

#[test]
fn missing_and_damaged_snapshots_are_made_up_for_by_the_batches() {
    let (fs, log) = filled();
    let before = log.producers().clone();
    log.close().unwrap();
    let names = snapshots(&fs);
    for (number, name) in names.iter().enumerate().rev() {
        let path = Path::new(DIRECTORY).join(name);
        if number % 2 == 0 {
            fs.remove_file(&path).unwrap();
        } else {
            let file = fs.open(&path, OpenMode::Write).unwrap();
            file.write_at(b"?", 12).unwrap();
        }
        let (log, _) = open(&fs, small(), OpenHow::Clean);
        assert_eq!(*log.producers(), before);
    }
    assert_eq!(snapshots(&fs), Vec::<String>::new());
}

#[test]
fn after_a_crash_only_snapshots_of_what_was_synced_are_believed() {
    let (fs, log) = filled();
    let before = log.producers().clone();
    drop(log);
    let (log, _) = open(&fs, small(), OpenHow::Recover { from: Offset(30) });
    assert_eq!(*log.producers(), before);
    assert!(
        snapshots(&fs)
            .iter()
            .all(|name| name[..20].parse::<i64>().unwrap() <= 30)
    );
    assert!(!snapshots(&fs).is_empty());
    drop(log);
    let (log, _) = open(&fs, small(), OpenHow::Recover { from: Offset(0) });
    assert_eq!((log.producers(), snapshots(&fs).len()), (&before, 0));
}

#[test]
fn a_cut_at_any_batch_leaves_what_the_rest_tells() {
    for cut in (0..60).step_by(2) {
        let (fs, mut log) = filled();
        log.truncate_to(Offset(cut)).unwrap();
        assert_eq!(*log.producers(), scanned(&log), "cut at {cut}");
        assert!(
            snapshots(&fs)
                .iter()
                .all(|name| name[..20].parse::<i64>().unwrap() <= cut)
        );
        let before = log.producers().clone();
        log.close().unwrap();
        let (log, _) = open(&fs, small(), OpenHow::Clean);
        assert_eq!(*log.producers(), before, "cut at {cut}");
    }
}

#[test]
fn a_follower_knows_what_its_leader_knows() {
    let (_, leader) = filled();
    let (_, mut follower) = fresh(small());
    let all = Bytes::from(read_all(&leader, 100_000));
    follower.append_as_follower(&all, NOW).unwrap();
    assert_eq!(follower.producers(), leader.producers());
}

#[test]
fn a_failed_append_leaves_no_trace_of_its_producer() {
    let (fs, mut log) = fresh(small());
    send(&mut log, 1, 0);
    let before = log.producers().clone();
    let mut bytes: Vec<u8> = (0..20).flat_map(|n| numbered(1, 2 + n * 2, 2)).collect();
    for writes in 0..40 {
        fs.set_faults(FaultPlan {
            write_error_after: Some(writes),
            path_contains: Some(".log".to_owned()),
            ..FaultPlan::default()
        });
        let result = log.append_as_leader(&mut bytes, LeaderEpoch(0), NOW);
        fs.set_faults(FaultPlan::default());
        if result.is_ok() {
            assert!(writes > 2 && *log.producers() == scanned(&log));
            return;
        }
        assert_eq!(log.poisoned(), None);
        assert_eq!(*log.producers(), before, "after {writes} writes");
    }
    panic!("the append never succeeded");
}

#[test]
fn retention_removes_snapshots_but_not_what_is_known_of_producers() {
    let (fs, mut log) = filled();
    let before = log.producers().clone();
    log.advance_log_start(Offset(40)).unwrap();
    let end = log.log_end();
    assert!(log.delete_old_segments(NOW, end).unwrap() > 0);
    assert_eq!(*log.producers(), before);
    assert_eq!(snapshots(&fs).len(), log.segment_count());
    log.close().unwrap();
    let (mut log, _) = open(&fs, small(), OpenHow::Clean);
    assert_eq!(*log.producers(), before);
    log.truncate_fully_and_start_at(Offset(100)).unwrap();
    assert!(log.producers().is_empty() && snapshots(&fs).is_empty());
}

#[test]
fn starts_and_stops_leave_no_more_snapshots_than_segments() {
    let (fs, mut log) = fresh(small());
    for sequence in 0..12 {
        send(&mut log, 1, sequence * 2);
        let before = log.producers().clone();
        log.close().unwrap();
        log = open(&fs, small(), OpenHow::Clean).0;
        assert_eq!(*log.producers(), before);
        assert!(snapshots(&fs).len() <= log.segment_count());
    }
    assert!(log.segment_count() > 1);
}
