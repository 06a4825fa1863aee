use super::*;
use crate::fs::memory::{FaultPlan, Kept};

#[test]
fn a_leader_stamps_offsets_and_epoch_and_changes_nothing_else() {
    let (_, mut log) = fresh(small());
    let original = produced(3, 10, 5);
    let mut batches = [original.clone(), original.clone()].concat();
    let appended = log
        .append_as_leader(&mut batches, LeaderEpoch(7), NOW)
        .unwrap();
    assert_eq!(
        (appended.first_offset, appended.last_offset),
        (Offset(0), Offset(5))
    );
    assert_eq!(appended.max_timestamp, TimestampMs(7));
    let read = log.read(Offset(0), 10_000, Offset(100), false).unwrap();
    assert_eq!(read.bytes, batches);
    for (number, header) in (0_i64..).zip(headers(&read.bytes)) {
        assert_eq!(header.base_offset, Offset(number * 3));
        assert_eq!(header.leader_epoch, LeaderEpoch(7));
    }
    assert_eq!(read.bytes[16..original.len()], original[16..]);
}

#[test]
fn a_follower_stores_the_leaders_bytes_over_several_segments() {
    let (_, mut leader) = fresh(small());
    for number in 0..40 {
        append(&mut leader, 1 + number % 3, 1 + number as i32 / 15);
    }
    let all = read_all(&leader, 1_000_000);
    let (_, mut follower) = fresh(small());
    follower
        .append_as_follower(&Bytes::from(all.clone()), NOW)
        .unwrap();
    assert_eq!(read_all(&follower, 300), all);
    assert!(follower.segment_count() > 2);
    assert_eq!(follower.epoch_entries(), leader.epoch_entries());
}

#[test]
fn a_follower_refuses_what_does_not_follow_or_is_not_intact() {
    let (_, mut leader) = fresh(small());
    append(&mut leader, 2, 3);
    append(&mut leader, 2, 4);
    let all = Bytes::from(read_all(&leader, 10_000));
    let second = all.len() / 2;
    let (_, mut log) = fresh(small());
    let gap = log
        .append_as_follower(&all.slice(second..), NOW)
        .unwrap_err();
    assert!(matches!(gap, LogError::NotContiguous { .. }), "{gap}");
    let cut = log
        .append_as_follower(&all.slice(..all.len() - 1), NOW)
        .unwrap_err();
    assert!(matches!(cut, LogError::Batch(_)), "{cut}");
    let mut flipped = all.to_vec();
    flipped[second - 1] ^= 1;
    let broken = log
        .append_as_follower(&Bytes::from(flipped), NOW)
        .unwrap_err();
    assert!(matches!(broken, LogError::Batch(_)), "{broken}");
    log.start_epoch(LeaderEpoch(5));
    let stale = log.append_as_follower(&all, NOW).unwrap_err();
    assert!(matches!(stale, LogError::EpochWentBack { .. }), "{stale}");
    assert_eq!(log.log_end(), Offset(0));
    assert!(matches!(
        log.append_as_follower(&Bytes::new(), NOW),
        Err(LogError::Empty)
    ));
}

#[test]
fn a_batch_above_the_limit_is_refused() {
    let (_, mut log) = fresh(LogConfig {
        max_message_bytes: 100,
        ..small()
    });
    let refused = log.append_as_leader(&mut produced(1, 200, 0), LeaderEpoch(0), NOW);
    assert!(matches!(refused, Err(LogError::BatchTooLarge { .. })));
}

#[test]
fn a_write_that_fails_at_any_point_leaves_the_log_at_its_old_end() {
    let mut spared = 0;
    for write in 0..12 {
        let (fs, mut log) = fresh(small());
        for _ in 0..9 {
            append(&mut log, 2, 1);
        }
        let before = read_all(&log, 10_000);
        fs.set_faults(FaultPlan {
            write_error_after: Some(write),
            ..FaultPlan::default()
        });
        let mut batches = produced(1, 300, 50).repeat(5);
        if log
            .append_as_leader(&mut batches, LeaderEpoch(2), NOW)
            .is_ok()
        {
            if write > 8 {
                return;
            }
            // It was a snapshot of the producers that could not be written, which is a short cut.
            spared += 1;
            assert!(spared < 4, "write {write}");
            continue;
        }
        assert_eq!(log.log_end(), Offset(18), "write {write}");
        assert_eq!(log.poisoned(), None, "write {write}");
        assert_eq!(log.latest_epoch(), Some(LeaderEpoch(1)));
        assert_eq!(read_all(&log, 10_000), before);
        append(&mut log, 1, 2);
        assert_eq!(log.log_end(), Offset(19));
        let expected = read_all(&log, 10_000);
        drop(log);
        fs.crash_process();
        let (log, report) = open(&fs, small(), OpenHow::Recover { from: Offset(0) });
        assert_eq!((report.cut_bytes, report.cause), (0, None), "write {write}");
        assert_eq!(read_all(&log, 10_000), expected);
    }
    panic!("no write count let the append through");
}

#[test]
fn a_full_disk_refuses_appends_until_there_is_room() {
    let (fs, mut log) = fresh(small());
    append(&mut log, 2, 1);
    fs.set_faults(FaultPlan {
        capacity_bytes: Some(log.size_bytes() + 30),
        ..FaultPlan::default()
    });
    let refused = log
        .append_as_leader(&mut produced(1, 50, 0), LeaderEpoch(1), NOW)
        .unwrap_err();
    assert!(refused.is_disk_full(), "{refused}");
    fs.set_faults(FaultPlan::default());
    assert_eq!(append(&mut log, 1, 1).first_offset, Offset(2));
}

#[test]
fn a_failed_sync_stops_all_writes() {
    let (fs, mut log) = fresh(small());
    append(&mut log, 2, 1);
    fs.set_faults(FaultPlan {
        sync_error_after: Some(0),
        ..FaultPlan::default()
    });
    assert!(log.sync().is_err());
    assert_eq!(log.recovery_point(), Offset(0));
    let refused = log.append_as_leader(&mut produced(1, 5, 0), LeaderEpoch(1), NOW);
    assert!(matches!(refused, Err(LogError::Poisoned { .. })));
    assert!(matches!(log.sync(), Err(LogError::Poisoned { .. })));
    assert!(log.read(Offset(0), 1_000, Offset(2), true).is_ok());
}

/// The kernel takes what a failed fsync was to write for clean.
#[test]
fn what_a_failed_sync_left_in_the_page_cache_is_durable_after_the_next_start() {
    let (fs, mut log) = fresh(small());
    fs.sync_dir(Path::new("/")).unwrap();
    log.sync().unwrap();
    append(&mut log, 2, 1);
    let written = read_all(&log, 10_000);
    let fails = FaultPlan {
        sync_error_after: Some(0),
        ..FaultPlan::default()
    };
    fs.set_faults(fails);
    assert!(log.sync().is_err());
    drop(log);
    fs.crash_process();
    fs.set_faults(FaultPlan::default());
    let from = OpenHow::Recover { from: Offset(0) };
    let (mut log, _) = open(&fs, small(), from);
    log.sync().unwrap();
    drop(log);
    fs.lose_power_keeping(Kept::Nothing, Kept::Nothing);
    let (log, _) = open(&fs, small(), from);
    assert_eq!(read_all(&log, 10_000), written);
}

#[test]
fn a_segment_rolls_by_age() {
    let (_, mut log) = fresh(LogConfig {
        segment_ms: 1_000,
        ..small()
    });
    let mut append_at = |at: i64| {
        let mut batch = produced(1, 5, 0);
        log.append_as_leader(&mut batch, LeaderEpoch(0), TimestampMs(at))
            .unwrap();
        log.segment_count()
    };
    assert_eq!(
        [5_000, 5_999, 6_000, 6_500, 7_000].map(&mut append_at),
        [1, 1, 2, 2, 3]
    );
}

#[test]
fn open_files_stay_within_their_limit() {
    let (fs, mut log) = fresh(small());
    for _ in 0..50 {
        append(&mut log, 3, 1);
    }
    assert!(log.segment_count() > 4);
    read_all(&log, 100);
    assert!(fs.open_files() <= 4, "{}", fs.open_files());
    drop(log);
    assert_eq!(fs.open_files(), 0);
}

#[test]
fn a_sync_beside_appends_raises_the_recovery_point_to_where_it_began() {
    let (_, mut log) = fresh(small());
    append(&mut log, 2, 1);
    let job = log.begin_sync(SyncScope::All).unwrap();
    append(&mut log, 2, 1);
    log.finish_sync(job.run()).unwrap();
    assert_eq!(log.recovery_point(), Offset(2));
    assert!(log.needs_sync());
    let job = log.begin_sync(SyncScope::All).unwrap();
    log.truncate_to(Offset(2)).unwrap();
    append(&mut log, 2, 2);
    log.finish_sync(job.run()).unwrap();
    assert_eq!(log.recovery_point(), Offset(2));
    log.sync().unwrap();
    assert_eq!(log.recovery_point(), Offset(4));
    assert!(!log.needs_sync());
}
