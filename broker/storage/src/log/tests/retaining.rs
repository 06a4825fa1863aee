use super::*;

#[test]
fn truncation_cuts_whole_batches_and_forgets_epochs() {
    let (fs, mut log) = fresh(small());
    for number in 0..30 {
        append(&mut log, 3, number / 10);
    }
    log.sync().unwrap();
    let all = read_all(&log, 10_000);
    let size = all.len() / 30;
    assert_eq!(log.truncate_to(Offset(1_000)).unwrap(), Offset(90));
    assert_eq!(log.truncate_to(Offset(65)).unwrap(), Offset(63));
    assert_eq!(log.recovery_point(), Offset(63));
    assert_eq!(log.latest_epoch(), Some(LeaderEpoch(2)));
    assert_eq!(log.truncate_to(Offset(60)).unwrap(), Offset(60));
    assert_eq!(log.latest_epoch(), Some(LeaderEpoch(1)));
    assert_eq!(
        log.end_offset_for_epoch(LeaderEpoch(0)),
        (LeaderEpoch(0), Offset(30))
    );
    assert_eq!(
        log.end_offset_for_epoch(LeaderEpoch(1)),
        (LeaderEpoch(1), Offset(60))
    );
    assert_eq!(read_all(&log, 10_000), all[..size * 20]);
    log.sync().unwrap();
    drop(log);
    let (mut log, _) = open(&fs, small(), OpenHow::Clean);
    assert_eq!(read_all(&log, 10_000), all[..size * 20]);
    assert_eq!(log.truncate_to(Offset(0)).unwrap(), Offset(0));
    assert_eq!((log.size_bytes(), log.segment_count()), (0, 1));
}

#[test]
fn a_log_started_elsewhere_is_empty_there() {
    let (fs, mut log) = fresh(small());
    for _ in 0..20 {
        append(&mut log, 3, 4);
    }
    for offset in [500, 500, 0, 20] {
        log.truncate_fully_and_start_at(Offset(offset)).unwrap();
        assert_eq!(
            (log.log_start(), log.log_end()),
            (Offset(offset), Offset(offset))
        );
        assert_eq!((log.latest_epoch(), log.size_bytes()), (None, 0));
        assert_eq!(append(&mut log, 2, 5).first_offset, Offset(offset));
    }
    log.sync().unwrap();
    drop(log);
    let (log, _) = open(&fs, small(), OpenHow::Recover { from: Offset(0) });
    assert_eq!((log.log_start(), log.log_end()), (Offset(20), Offset(22)));
}

#[test]
fn truncation_below_the_start_begins_the_log_anew_there() {
    let (_, mut log) = fresh(small());
    append(&mut log, 10, 1);
    log.advance_log_start(Offset(5)).unwrap();
    assert_eq!(log.truncate_to(Offset(3)).unwrap(), Offset(3));
    assert_eq!((log.log_start(), log.log_end()), (Offset(3), Offset(3)));
}

#[test]
fn old_segments_go_by_age_but_never_past_the_high_watermark() {
    let (_, mut log) = fresh(LogConfig {
        retention_ms: Some(20),
        ..small()
    });
    for _ in 0..30 {
        append(&mut log, 3, 1);
    }
    let segments = log.segment_count();
    // Timestamps are offsets: 0 to 89.
    assert_eq!(
        log.delete_old_segments(TimestampMs(70), Offset(0)).unwrap(),
        0
    );
    let removed = log
        .delete_old_segments(TimestampMs(70), Offset(90))
        .unwrap();
    assert!(
        removed > 0 && removed < segments - 1,
        "{removed} of {segments}"
    );
    let expired = log.log_start().0 - 1;
    assert!(expired < 50, "{expired}");
    assert!(log.read(log.log_start(), 1_000, Offset(90), true).is_ok());
    assert_eq!(log.epoch_entries(), [(LeaderEpoch(1), log.log_start())]);
    // At last the active one expires too, and rolls first.
    log.delete_old_segments(TimestampMs(10_000), Offset(90))
        .unwrap();
    assert_eq!((log.log_start(), log.log_end()), (Offset(90), Offset(90)));
    assert_eq!((log.segment_count(), log.size_bytes()), (1, 0));
    assert_eq!(
        log.delete_old_segments(TimestampMs(10_000), Offset(90))
            .unwrap(),
        0
    );
}

#[test]
fn old_segments_go_by_size_and_by_the_logs_start() {
    let (fs, mut log) = fresh(LogConfig {
        retention_bytes: Some(2_000),
        ..small()
    });
    for _ in 0..60 {
        append(&mut log, 3, 1);
    }
    log.delete_old_segments(NOW, Offset(180)).unwrap();
    assert!(
        (2_000..3_000).contains(&log.size_bytes()),
        "{}",
        log.size_bytes()
    );
    log.set_config(small());
    let segments = log.segment_count();
    log.advance_log_start(Offset(log.log_end().0 - 1)).unwrap();
    assert_eq!(
        log.delete_old_segments(NOW, Offset(180)).unwrap(),
        segments - 1
    );
    assert_eq!(log.log_start(), Offset(179));
    log.close().unwrap();
    let (log, _) = open(&fs, small(), OpenHow::Clean);
    assert!(log.log_start() <= Offset(179));
    assert_eq!(log.log_end(), Offset(180));
}

#[test]
fn a_cut_that_a_crash_left_unsynced_is_synced_with_what_follows_it() {
    for seed in 0..40 {
        let (fs, mut log) = fresh(small());
        fs.sync_dir(Path::new("/")).unwrap();
        for _ in 0..3 {
            append(&mut log, 2, 1);
        }
        log.sync().unwrap();
        log.truncate_to(Offset(4)).unwrap();
        log.roll().unwrap();
        drop(log);
        fs.crash_process();
        let mut log = open(&fs, small(), OpenHow::Recover { from: Offset(4) }).0;
        append(&mut log, 1, 2);
        log.sync().unwrap();
        let expected = read_all(&log, 10_000);
        drop(log);
        fs.lose_power(&mut fastrand::Rng::with_seed(seed));
        let log = open(&fs, small(), OpenHow::Recover { from: Offset(5) }).0;
        assert_eq!(read_all(&log, 10_000), expected, "seed {seed}");
    }
}
