use super::*;
use crate::fs::{File, FileSystem, OpenMode};

#[test]
fn reads_give_whole_batches_within_their_limits() {
    for tail_cache_bytes in [0, 100_000] {
        let (_, mut log) = fresh(LogConfig {
            tail_cache_bytes,
            segment_bytes: 100_000,
            ..small()
        });
        for _ in 0..10 {
            append(&mut log, 2, 1);
        }
        let all = read_all(&log, 100_000);
        let size = all.len() / 10;
        let read = |from, max_bytes, upper, minimum_one| {
            let result = log.read(Offset(from), max_bytes, Offset(upper), minimum_one);
            let result = result.unwrap();
            (result.bytes.to_vec(), result.next_offset.0)
        };
        assert_eq!(read(0, size * 3, 20, false), (all[..size * 3].to_vec(), 6));
        assert_eq!(
            read(3, size * 2 + 1, 20, false),
            (all[size..size * 3].to_vec(), 6)
        );
        assert_eq!(read(4, size - 1, 20, false), (vec![], 4));
        assert_eq!(read(4, 0, 20, true), (all[size * 2..size * 3].to_vec(), 6));
        assert_eq!(
            read(4, 100_000, 7, true),
            (all[size * 2..size * 3].to_vec(), 6)
        );
        assert_eq!(read(6, 100_000, 7, true), (vec![], 6));
        assert_eq!(read(7, 100_000, 7, true), (vec![], 7));
        assert_eq!(read(20, 100_000, 99, true), (vec![], 20));
        assert_eq!(read(18, 100_000, 99, true), (all[size * 9..].to_vec(), 20));
    }
}

#[test]
fn an_offset_outside_the_log_is_out_of_range() {
    let (_, mut log) = fresh(small());
    append(&mut log, 5, 1);
    log.advance_log_start(Offset(2)).unwrap();
    for offset in [-1, 1, 6] {
        let error = log.read(Offset(offset), 1, Offset(9), true).unwrap_err();
        assert_eq!(
            error.error_code(),
            kintsugi_types::ErrorCode::OffsetOutOfRange
        );
    }
    // The batch that holds the log's start is given whole.
    assert_eq!(
        log.read(Offset(2), 1, Offset(9), true).unwrap().next_offset,
        Offset(5)
    );
    assert!(log.advance_log_start(Offset(6)).is_err());
}

#[test]
fn the_tail_cache_gives_what_the_files_give() {
    let (_, mut cached) = fresh(LogConfig {
        tail_cache_bytes: 1_500,
        ..small()
    });
    let (_, mut plain) = fresh(small());
    for number in 0..60 {
        for log in [&mut cached, &mut plain] {
            append(log, 1 + number % 4, 1);
        }
        if number == 40 {
            for log in [&mut cached, &mut plain] {
                log.truncate_to(Offset(70)).unwrap();
            }
        }
        assert_eq!(read_all(&cached, 250), read_all(&plain, 250));
        let end = plain.log_end().0;
        for from in end - 6..end {
            for minimum_one in [true, false] {
                let read =
                    |log: &Log<_>| log.read(Offset(from.max(0)), 90, Offset(end - 2), minimum_one);
                let (a, b) = (read(&cached).unwrap(), read(&plain).unwrap());
                assert_eq!(a, b, "from {from} minimum_one {minimum_one}");
            }
        }
    }
}

#[test]
fn live_readers_do_not_touch_files() {
    use crate::fs::memory::FaultPlan;
    let (fs, mut log) = fresh(LogConfig {
        tail_cache_bytes: 100_000,
        ..small()
    });
    append(&mut log, 3, 1);
    fs.set_faults(FaultPlan {
        read_error_after: Some(0),
        ..FaultPlan::default()
    });
    assert_eq!(
        log.read(Offset(0), 1_000, Offset(3), false)
            .unwrap()
            .next_offset,
        Offset(3)
    );
    log.drop_tail_cache();
    assert!(log.read(Offset(0), 1_000, Offset(3), false).is_err());
}

#[test]
fn the_budget_of_all_tail_caches_holds() {
    let fs = MemoryFileSystem::new(1);
    let context = context(&fs);
    let config = LogConfig {
        tail_cache_bytes: 100_000,
        ..small()
    };
    let mut logs: Vec<_> = (0..5)
        .map(|number| {
            let directory = format!("/data/topic-{number}");
            let how = OpenHow::Clean;
            Log::open(&context, Path::new(&directory), config.clone(), how)
                .unwrap()
                .0
        })
        .collect();
    for _ in 0..20 {
        for log in &mut logs {
            append(log, 3, 1);
            assert!(context.tail_budget.used_bytes() <= 2_000);
        }
    }
    drop(logs);
    assert_eq!(context.tail_budget.used_bytes(), 0);
}

#[test]
fn a_timestamp_is_found_in_the_first_batch_that_reaches_it() {
    let (fs, mut log) = fresh(small());
    // Timestamps that do not ascend: 0, 100, 50, 200, 150, ...
    let stamps: Vec<i64> = (0..60)
        .map(|n| n * 50 + if n % 2 == 1 { 50 } else { 0 })
        .collect();
    for stamp in &stamps {
        log.append_as_leader(&mut produced(1, 20, *stamp), LeaderEpoch(0), NOW)
            .unwrap();
    }
    assert!(log.segment_count() > 3);
    log.close().unwrap();
    let log = open(&fs, small(), OpenHow::Clean).0;
    for target in -10..3_100 {
        let expected = stamps.iter().position(|stamp| *stamp >= target);
        let found = log
            .offset_for_timestamp(TimestampMs(target), Offset(1_000))
            .unwrap();
        let found = found.map(|found| found.offset.0);
        assert_eq!(found, expected.map(|n| n as i64), "target {target}");
    }
    let beyond = log
        .offset_for_timestamp(TimestampMs(500), Offset(9))
        .unwrap();
    assert_eq!(beyond, None);
}

#[test]
fn a_read_on_another_thread_gives_nothing_of_what_was_cut_meanwhile() {
    let (_, mut log) = fresh(small());
    append(&mut log, 2, 1);
    append(&mut log, 2, 1);
    let begin =
        |log: &Log<MemoryFileSystem>| match log.begin_read(Offset(0), 10_000, Offset(4), true) {
            Ok(ReadStep::Job(job)) => job,
            _ => panic!("it must touch files"),
        };
    let job = begin(&log);
    append(&mut log, 2, 1);
    let done = std::thread::spawn(move || job.run().unwrap())
        .join()
        .unwrap();
    let read = log.finish_read(done);
    assert_eq!(
        (headers(&read.bytes).len(), read.next_offset),
        (2, Offset(4))
    );
    let done = begin(&log).run().unwrap();
    log.truncate_to(Offset(2)).unwrap();
    let read = log.finish_read(done);
    assert_eq!((read.bytes.len(), read.next_offset), (0, Offset(0)));
}

#[test]
fn an_idle_log_gives_its_share_of_memory_back() {
    let (_, mut log) = fresh(LogConfig {
        tail_cache_bytes: 100_000,
        ..small()
    });
    append(&mut log, 2, 1);
    log.delete_old_segments(NOW, Offset(0)).unwrap();
    assert!(log.context.tail_budget.used_bytes() > 0);
    log.delete_old_segments(NOW, Offset(0)).unwrap();
    assert_eq!(log.context.tail_budget.used_bytes(), 0);
    append(&mut log, 2, 1);
    assert_eq!(read_all(&log, 10_000).len() as u64, log.size_bytes());
}

#[test]
fn a_damaged_batch_is_never_given_to_a_reader_and_what_lies_before_it_is() {
    let config = LogConfig {
        segment_bytes: 1 << 20,
        ..small()
    };
    let (fs, mut log) = fresh(config);
    for _ in 0..10 {
        append(&mut log, 2, 1);
    }
    let all = read_all(&log, 10_000);
    let sizes: Vec<usize> = headers(&all).iter().map(|h| h.size_bytes()).collect();
    let path = Path::new(DIRECTORY).join(format!("{:020}.log", 0));
    let file = fs.open(&path, OpenMode::Write).unwrap();
    let fifth: usize = sizes[..5].iter().sum();
    // A bit of the records, of the base offset; and a file that is too short.
    for damage in 0..3 {
        match damage {
            0 => file
                .write_at(&[all[fifth + 70] ^ 4], fifth as u64 + 70)
                .unwrap(),
            1 => file
                .write_at(&[all[fifth + 7] ^ 1], fifth as u64 + 7)
                .unwrap(),
            _ => file.set_len(fifth as u64 + 40).unwrap(),
        }
        let end = log.log_end();
        let read = log.read(Offset(0), 10_000, end, true).unwrap();
        assert_eq!(read.bytes, all[..fifth], "damage {damage}");
        let error = log.read(read.next_offset, 10_000, end, true).unwrap_err();
        assert_eq!(
            error.error_code(),
            kintsugi_types::ErrorCode::KafkaStorageError
        );
        if damage < 2 {
            file.write_at(&all, 0).unwrap();
        }
    }
}
