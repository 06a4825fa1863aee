//! Bytes on the disk that are not what was written: never a panic, never wrong records.

use proptest::prelude::*;

use super::*;
use crate::fs::{File, FileSystem, OpenMode};

fn filled() -> (MemoryFileSystem, Vec<u8>) {
    let (fs, mut log) = fresh(small());
    for number in 0..30 {
        append(&mut log, 1 + number % 3, number as i32 / 7);
    }
    let all = read_all(&log, 10_000);
    log.close().unwrap();
    (fs, all)
}

fn damage(fs: &MemoryFileSystem, suffix: &str, place: (usize, u64), bytes: &[u8]) {
    let mut names = fs.read_dir(Path::new(DIRECTORY)).unwrap();
    names.retain(|name| name.ends_with(suffix));
    let path = Path::new(DIRECTORY).join(&names[place.0 % names.len()]);
    let file = fs.open(&path, OpenMode::Write).unwrap();
    let position = place.1 % file.size_bytes().unwrap().max(1);
    file.write_at(bytes, position).unwrap();
}

proptest! {
    #[test]
    fn damaged_batches_are_cut_off_by_recovery_and_never_given_as_others(
        places in proptest::collection::vec((0..9_usize, 0..1_000_u64), 1..3),
        bytes in proptest::collection::vec(any::<u8>(), 1..20),
        clean in any::<bool>(),
    ) {
        let (fs, all) = filled();
        for place in places {
            damage(&fs, ".log", place, &bytes);
        }
        if clean {
            // What was closed in order is not verified: damage may be found late, as an error.
            let log = open(&fs, small(), OpenHow::Clean).0;
            for offset in (log.log_start().0..log.log_end().0).take(100) {
                let _ = log.read(Offset(offset), 500, log.log_end(), true);
                let _ = log.offset_for_timestamp(TimestampMs(offset), log.log_end());
            }
        } else {
            // The epoch lies outside the CRC: only its order is checked.
            let log = open(&fs, small(), OpenHow::Recover { from: Offset(0) }).0;
            let left = read_all(&log, 10_000);
            for (header, original) in headers(&left).iter().zip(headers(&all)) {
                prop_assert_eq!(header.crc, original.crc);
                prop_assert_eq!(header.base_offset, original.base_offset);
            }
        }
    }

    #[test]
    fn damaged_indexes_change_nothing_that_is_read(
        places in proptest::collection::vec((0..9_usize, 0..1_000_u64), 1..4),
        bytes in proptest::collection::vec(any::<u8>(), 1..20),
        is_time in any::<bool>(),
    ) {
        let (fs, all) = filled();
        for place in places {
            damage(&fs, if is_time { ".timeindex" } else { ".index" }, place, &bytes);
        }
        let (log, report) = open(&fs, small(), OpenHow::Clean);
        prop_assert_eq!(report.cut_bytes, 0);
        prop_assert_eq!(&read_all(&log, 300), &all);
        for header in headers(&all) {
            let read = log.read(header.last_offset(), 1, log.log_end(), true).unwrap();
            prop_assert_eq!(headers(&read.bytes)[0], header);
        }
        let mut epochs: Vec<_> = headers(&all).iter().map(|h| h.leader_epoch).collect();
        epochs.dedup();
        let known: Vec<_> = log.epoch_entries().iter().map(|entry| entry.0).collect();
        prop_assert_eq!(known, epochs);
    }

    #[test]
    fn arbitrary_bytes_in_every_file_never_panic(
        contents in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..300), 3),
        clean in any::<bool>(),
    ) {
        let fs = MemoryFileSystem::new(1);
        fs.create_dir_all(Path::new(DIRECTORY)).unwrap();
        for (suffix, content) in ["log", "index", "timeindex"].iter().zip(&contents) {
            let path = Path::new(DIRECTORY).join(format!("{:020}.{suffix}", 7));
            fs.open(&path, OpenMode::Create).unwrap().write_at(content, 0).unwrap();
        }
        let how = if clean { OpenHow::Clean } else { OpenHow::Recover { from: Offset(0) } };
        let mut log = open(&fs, small(), how).0;
        prop_assert_eq!(log.log_start(), Offset(7));
        append(&mut log, 2, i32::MAX);
        let read = log.read(log.log_start(), 1_000, log.log_end(), true).unwrap();
        prop_assert!(!read.bytes.is_empty());
    }
}
