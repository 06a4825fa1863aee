use super::*;
use crate::fs::{File, FileSystem, OpenMode};

fn filled() -> (MemoryFileSystem, Vec<u8>) {
    let (fs, mut log) = fresh(small());
    for number in 0..30 {
        append(&mut log, 1 + number % 3, 2 + number as i32 / 7 * 2);
    }
    let all = read_all(&log, 10_000);
    log.close().unwrap();
    (fs, all)
}

fn last_segment(fs: &MemoryFileSystem, suffix: &str) -> std::path::PathBuf {
    let names = fs.read_dir(Path::new(DIRECTORY)).unwrap();
    let name = names.iter().rfind(|name| name.ends_with(suffix)).unwrap();
    Path::new(DIRECTORY).join(name)
}

#[test]
fn a_log_opened_again_has_the_same_batches_epochs_and_sizes() {
    let (fs, all) = filled();
    let (clean, report) = open(&fs, small(), OpenHow::Clean);
    assert_eq!((report.verified_bytes, report.cut_bytes), (0, 0));
    assert_eq!(clean.recovery_point(), clean.log_end());
    let (recovered, report) = open(&fs, small(), OpenHow::Recover { from: Offset(0) });
    assert_eq!(report.verified_bytes, all.len() as u64);
    assert_eq!((report.cut_bytes, report.cause), (0, None));
    for log in [&clean, &recovered] {
        assert_eq!(read_all(log, 10_000), all);
        assert_eq!(log.size_bytes(), all.len() as u64);
        let mut expected: Vec<(LeaderEpoch, Offset)> = Vec::new();
        for header in headers(&all) {
            if expected
                .last()
                .is_none_or(|last| last.0 != header.leader_epoch)
            {
                expected.push((header.leader_epoch, header.base_offset));
            }
        }
        assert_eq!(log.epoch_entries(), expected);
    }
}

#[test]
fn recovery_verifies_from_the_recovery_point_and_always_the_last_segment() {
    let (fs, all) = filled();
    let (log, report) = open(
        &fs,
        small(),
        OpenHow::Recover {
            from: Offset(10_000),
        },
    );
    assert!(report.verified_bytes > 0 && report.verified_bytes < all.len() as u64 / 2);
    assert_eq!(log.recovery_point(), log.log_end());
    assert_eq!(report.log_end, log.log_end());
}

#[test]
fn a_last_batch_torn_at_any_byte_is_cut_off() {
    let (fs, all) = filled();
    let path = last_segment(&fs, ".log");
    let whole = fs.read_to_vec(&path, 10_000).unwrap();
    let last = *headers(&all).last().unwrap();
    let start = whole.len() - last.size_bytes();
    for cut in start..whole.len() {
        for zeros in [false, true] {
            let mut torn = whole[..cut].to_vec();
            if zeros {
                torn.resize(whole.len() + 100, 0);
            }
            if torn.starts_with(&whole) {
                // The batch ends with a zero: nothing of it is missing.
                continue;
            }
            let file = fs.open(&path, OpenMode::Write).unwrap();
            file.set_len(0).unwrap();
            file.write_at(&torn, 0).unwrap();
            for how in [OpenHow::Recover { from: Offset(0) }, OpenHow::Clean] {
                let (mut log, report) = open(&fs, small(), how);
                assert_eq!(
                    log.log_end(),
                    last.base_offset,
                    "cut {cut} zeros {zeros} {how:?}"
                );
                assert_eq!(read_all(&log, 10_000), all[..all.len() - last.size_bytes()]);
                if matches!(how, OpenHow::Recover { .. }) {
                    assert_eq!(report.cut_bytes, (torn.len() - start) as u64);
                    assert_eq!(report.cause.is_some(), report.cut_bytes > 0);
                    append(&mut log, 1, 100);
                    log.truncate_to(last.base_offset).unwrap();
                }
            }
        }
    }
}

#[test]
fn a_flipped_bit_cuts_the_log_there_and_removes_what_lies_behind() {
    let (fs, all) = filled();
    let names = fs.read_dir(Path::new(DIRECTORY)).unwrap();
    let second = names.iter().filter(|n| n.ends_with(".log")).nth(1).unwrap();
    let path = Path::new(DIRECTORY).join(second);
    let file = fs.open(&path, OpenMode::Write).unwrap();
    let mut byte = [0];
    let position = 300;
    file.read_full_at(&mut byte, position).unwrap();
    file.write_at(&[byte[0] ^ 1], position).unwrap();
    let (log, report) = open(&fs, small(), OpenHow::Recover { from: Offset(0) });
    assert_eq!(log.segment_count(), 2);
    assert!(report.removed_segments > 0);
    let left = read_all(&log, 10_000);
    assert_eq!(left, all[..left.len()]);
    assert_eq!(report.cut_bytes, (all.len() - left.len()) as u64);
    assert!(report.cause.unwrap().contains(second.as_str()));
}

#[test]
fn a_recovery_from_the_recovery_point_still_finds_a_torn_tail() {
    let (fs, mut log) = fresh(small());
    for _ in 0..30 {
        append(&mut log, 2, 1);
    }
    log.sync().unwrap();
    let from = log.recovery_point();
    append(&mut log, 2, 1);
    let kept = read_all(&log, 10_000);
    append(&mut log, 2, 1);
    drop(log);
    let path = last_segment(&fs, ".log");
    let file = fs.open(&path, OpenMode::Write).unwrap();
    file.set_len(file.size_bytes().unwrap() - 1).unwrap();
    let (log, report) = open(&fs, small(), OpenHow::Recover { from });
    assert!(report.verified_bytes > 0 && report.verified_bytes < kept.len() as u64 / 2);
    assert_eq!((report.cut_bytes > 0, report.is_damaged), (true, false));
    assert_eq!(read_all(&log, 10_000), kept);
}

#[test]
fn a_recovery_writes_nothing_where_a_killed_process_left_everything_right() {
    let (fs, mut log) = fresh(small());
    for number in 0..30 {
        append(&mut log, 1 + number % 3, 1);
    }
    let all = read_all(&log, 10_000);
    drop(log);
    fs.crash_process();
    let before = fs.mutations();
    let (log, report) = open(&fs, small(), OpenHow::Recover { from: Offset(0) });
    assert_eq!(report.verified_bytes, all.len() as u64);
    // Snapshots of producers are not synced, and so not believed.
    let removed = log.segment_count() as u64 - 1;
    assert_eq!(fs.mutations(), before + removed);
    assert_eq!(read_all(&log, 100), all);
}

#[test]
fn recovered_indexes_are_those_that_were_written_with_the_batches() {
    for suffix in [".index", ".timeindex"] {
        for damage in 0..4 {
            let (fs, mut log) = fresh(LogConfig {
                segment_bytes: 100_000,
                ..small()
            });
            for number in 0..60 {
                append(&mut log, 1 + number % 3, 1);
            }
            let config = log.config().clone();
            drop(log);
            let path = last_segment(&fs, suffix);
            let right = fs.read_to_vec(&path, 10_000).unwrap();
            assert!(right.len() > 100, "{suffix}");
            let file = fs.open(&path, OpenMode::Write).unwrap();
            match damage {
                0 => fs.remove_file(&path).unwrap(),
                1 => file.set_len(50).unwrap(),
                2 => file.write_at(&[0xff; 24], 40).unwrap(),
                _ => file.write_at(&[0xff; 24], right.len() as u64).unwrap(),
            }
            open(&fs, config, OpenHow::Recover { from: Offset(0) });
            let found = fs.read_to_vec(&path, 10_000).unwrap();
            assert_eq!(found, right, "{suffix} damage {damage}");
        }
    }
}

#[test]
fn indexes_that_are_missing_or_wrong_are_rebuilt() {
    for suffix in [".index", ".timeindex"] {
        for damage in 0..3 {
            let (fs, all) = filled();
            let path = last_segment(&fs, suffix);
            match damage {
                0 => fs.remove_file(&path).unwrap(),
                1 => {
                    let file = fs.open(&path, OpenMode::Write).unwrap();
                    file.write_at(&[0xff; 24], 0).unwrap();
                    file.set_len(24).unwrap();
                }
                _ => fs.open(&path, OpenMode::Write).unwrap().set_len(5).unwrap(),
            }
            let (log, report) = open(&fs, small(), OpenHow::Clean);
            assert_eq!(report.cut_bytes, 0);
            assert_eq!(read_all(&log, 100), all, "{suffix} damage {damage}");
            let last = headers(&all).last().unwrap().max_timestamp;
            let found = log
                .offset_for_timestamp(last, Offset(1_000))
                .unwrap()
                .unwrap();
            assert_eq!(found.max_timestamp, last, "{suffix} damage {damage}");
        }
    }
}

#[test]
fn a_segment_that_does_not_follow_is_removed() {
    let (fs, all) = filled();
    let (mut log, _) = open(&fs, small(), OpenHow::Clean);
    let stale_path = last_segment(&fs, ".log");
    let stale = fs.read_to_vec(&stale_path, 10_000).unwrap();
    let end = headers(&stale)[0].base_offset;
    // The tail is written anew by a later leader, but the old segment comes back with the power.
    log.truncate_to(Offset(end.0 - 1)).unwrap();
    let missing = end.since(log.log_end());
    append(&mut log, usize::try_from(missing).unwrap(), 50);
    let expected = read_all(&log, 10_000);
    assert_eq!(log.log_end(), end);
    drop(log);
    for how in [OpenHow::Clean, OpenHow::Recover { from: Offset(0) }] {
        let file = fs.open(&stale_path, OpenMode::Create).unwrap();
        file.write_at(&stale, 0).unwrap();
        let (log, report) = open(&fs, small(), how);
        assert_eq!(report.cut_bytes, stale.len() as u64, "{how:?}");
        assert!(report.cause.is_some(), "{how:?}");
        assert_eq!(read_all(&log, 10_000), expected, "{how:?}");
    }
    assert!(all.len() > expected.len());
}

#[test]
fn epochs_are_found_without_reading_every_batch() {
    use crate::fs::memory::FaultPlan;
    let config = LogConfig {
        segment_bytes: 1 << 20,
        ..small()
    };
    let (fs, mut log) = fresh(config.clone());
    for number in 0..2_000 {
        append(&mut log, 1, if number < 700 { 3 } else { 9 });
    }
    let expected = log.epoch_entries().to_vec();
    assert_eq!(
        expected,
        [(LeaderEpoch(3), Offset(0)), (LeaderEpoch(9), Offset(700))]
    );
    log.close().unwrap();
    fs.set_faults(FaultPlan {
        read_error_after: Some(120),
        ..FaultPlan::default()
    });
    assert_eq!(
        open(&fs, config, OpenHow::Clean).0.epoch_entries(),
        expected
    );
}

#[test]
fn an_epoch_file_is_written_for_kafkas_tools() {
    let (fs, _) = filled();
    let path = Path::new(DIRECTORY).join("leader-epoch-checkpoint");
    let text = String::from_utf8(fs.read_to_vec(&path, 1_000).unwrap()).unwrap();
    let entries = crate::checkpoint::parse_leader_epochs(&text).unwrap();
    assert_eq!(
        entries,
        open(&fs, small(), OpenHow::Clean).0.epoch_entries()
    );
}

#[test]
fn a_batch_larger_than_the_window_is_verified_too() {
    let config = LogConfig {
        segment_bytes: 4 << 20,
        ..small()
    };
    let (fs, mut log) = fresh(config.clone());
    append(&mut log, 1, 1);
    let mut large = produced(1, 900_000, 1);
    log.append_as_leader(&mut large, LeaderEpoch(1), NOW)
        .unwrap();
    append(&mut log, 1, 1);
    let all = read_all(&log, 10_000);
    drop(log);
    let how = OpenHow::Recover { from: Offset(0) };
    let (log, report) = open(&fs, config.clone(), how);
    assert_eq!(report.verified_bytes, all.len() as u64);
    assert_eq!(read_all(&log, 10_000), all);
    let path = last_segment(&fs, ".log");
    fs.open(&path, OpenMode::Write)
        .unwrap()
        .write_at(b"x", 600_000)
        .unwrap();
    let (log, report) = open(&fs, config, how);
    assert_eq!(log.log_end(), Offset(1));
    assert!(report.cause.unwrap().contains("CRC"));
}

#[test]
fn a_log_may_move_between_threads() {
    fn assert_send<T: Send>() {}
    assert_send::<Log<crate::fs::RealFileSystem>>();
    assert_send::<Log<MemoryFileSystem>>();
    assert_send::<SyncJob<MemoryFileSystem>>();
    assert_send::<crate::Journal<MemoryFileSystem>>();
}

#[test]
fn the_real_file_system_holds_logs_too() {
    let temporary = tempfile::tempdir().unwrap();
    let directory = temporary.path().join("topic-0");
    let open_real = |how| {
        let context = LogContext::new(crate::fs::RealFileSystem, LogLimits::default());
        Log::open(&context, &directory, small(), how).unwrap().0
    };
    let mut log = open_real(OpenHow::Clean);
    let mut all = Vec::new();
    for number in 0..40 {
        let mut batch = produced(2, 30, number);
        let epoch = LeaderEpoch(i32::try_from(number / 15).unwrap());
        log.append_as_leader(&mut batch, epoch, NOW).unwrap();
        all.extend_from_slice(&batch);
    }
    let cut = all.len() / 4 * 3;
    assert_eq!(log.truncate_to(Offset(61)).unwrap(), Offset(60));
    log.sync().unwrap();
    drop(log);
    for how in [OpenHow::Recover { from: Offset(0) }, OpenHow::Clean] {
        let log = open_real(how);
        let (mut read, mut next) = (Vec::new(), Offset(0));
        while next < log.log_end() {
            let result = log.read(next, 500, Offset(100), true).unwrap();
            read.extend_from_slice(&result.bytes);
            next = result.next_offset;
        }
        assert_eq!(read, all[..cut]);
        assert_eq!(log.latest_epoch(), Some(LeaderEpoch(1)));
        log.close().unwrap();
    }
}

#[test]
fn a_log_that_was_closed_is_opened_without_reading_it() {
    use crate::fs::memory::FaultPlan;
    let (fs, mut log) = fresh(small());
    for number in 0..30 {
        append(&mut log, 2, number / 9);
    }
    log.advance_log_start(Offset(5)).unwrap();
    let summary = log.close().unwrap();
    let all = read_all(&open(&fs, small(), OpenHow::Clean).0, 10_000);
    fs.set_faults(FaultPlan {
        read_error_after: Some(0),
        ..FaultPlan::default()
    });
    let directory = Path::new(DIRECTORY);
    let known = Log::open_closed(&context(&fs), directory, small(), &summary);
    let mut known = known.unwrap().unwrap();
    fs.set_faults(FaultPlan::default());
    assert_eq!(
        (known.log_start(), known.log_end()),
        (Offset(5), Offset(60))
    );
    assert!(all.ends_with(&read_all(&known, 10_000)));
    assert_eq!(append(&mut known, 1, 50).first_offset, Offset(60));
    // It is good for one opening.
    let again = Log::open_closed(&context(&fs), directory, small(), &summary);
    assert!(again.unwrap().is_none());
}

#[test]
fn a_log_that_nothing_happened_to_is_closed_without_a_write() {
    let (fs, mut log) = fresh(small());
    for number in 0..30 {
        append(&mut log, 2, number / 9);
    }
    let summary = log.close().unwrap();
    let before = fs.mutations();
    let directory = Path::new(DIRECTORY);
    let known = Log::open_closed(&context(&fs), directory, small(), &summary);
    assert_eq!(known.unwrap().unwrap().close().unwrap(), summary);
    assert_eq!(fs.mutations(), before);
}
