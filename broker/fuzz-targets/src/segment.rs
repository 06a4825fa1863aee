//! Files of a partition.

use std::path::Path;

use bytes::Bytes;
use kintsugi_storage::fs::OpenMode;
use kintsugi_storage::{
    File as _, FileSystem as _, Log, LogConfig, LogContext, LogLimits, MemoryFileSystem, OpenHow,
};
use kintsugi_types::{LeaderEpoch, Offset, TimestampMs};
use kintsugi_wire::batch::{split, verify};
use kintsugi_wire::records::{Record, build};

use crate::INPUT_BYTES_MAX;

const DIRECTORY: &str = "/data/topic-0";

/// The bytes before the content of the files.
const PREFIX_BYTES: usize = 6;

/// How many reads an opened log answers.
const READS_MAX: usize = 64;

/// The first byte says how the log is opened (bit 0: as after a clean stop), whether CRCs are put
/// right (bit 1) and where the log begins; the next says where it is cut; then come the
/// lengths of the `.index` and the `.timeindex` file, two bytes each; the rest are these and the
/// `.log` file. The log is opened, read, truncated, appended to, closed, opened and read again.
///
/// # Panics
/// When a log does not open, gives bytes that recovery should have cut off, or takes no append.
pub fn segment(input: &[u8]) {
    if input.len() > INPUT_BYTES_MAX || input.len() < PREFIX_BYTES {
        return;
    }
    let (prefix, rest) = input.split_at(PREFIX_BYTES);
    let is_clean = prefix[0] & 1 != 0;
    let base = Offset(i64::from(prefix[0] >> 2));
    let index = usize::from(u16::from_be_bytes([prefix[2], prefix[3]])).min(rest.len());
    let (index, rest) = rest.split_at(index);
    let times = usize::from(u16::from_be_bytes([prefix[4], prefix[5]])).min(rest.len());
    let (times, rest) = rest.split_at(times);
    let mut log = rest.to_vec();
    if prefix[0] & 2 != 0 {
        mend_all(&mut log);
    }
    let fs = MemoryFileSystem::new(1);
    fs.create_dir_all(Path::new(DIRECTORY))
        .expect("an empty file system");
    for (suffix, content) in [("log", &log[..]), ("index", index), ("timeindex", times)] {
        let path = Path::new(DIRECTORY).join(format!("{:020}.{suffix}", base.0));
        let file = fs.open(&path, OpenMode::Create).expect("a new file");
        file.write_at(content, 0).expect("a file without faults");
    }
    let how = match is_clean {
        true => OpenHow::Clean,
        false => OpenHow::Recover { from: Offset(0) },
    };
    let mut opened = open(&fs, how);
    look(&opened, !is_clean);
    let span = (opened.log_end().0 - opened.log_start().0).max(0);
    let cut = opened.log_start().0 + span / 256 * i64::from(prefix[1]);
    // What a clean stop left is not verified: damage in it is an error when it is found.
    let truncated = opened.truncate_to(Offset(cut));
    assert!(is_clean || truncated.is_ok(), "{truncated:?}");
    if truncated.is_ok() {
        write(&mut opened);
        look(&opened, !is_clean);
    }
    drop(opened);
    fs.crash_process();
    let recovered = open(&fs, OpenHow::Recover { from: Offset(0) });
    look(&recovered, true);
}

/// Puts the CRC of every batch right that has a length.
fn mend_all(log: &mut [u8]) {
    let mut at = 0;
    while let Some(field) = log.get(at + 8..at + 12) {
        let length = u32::from_be_bytes([field[0], field[1], field[2], field[3]]) as usize;
        let end = at.saturating_add(12).saturating_add(length).min(log.len());
        crate::batch::mend(&mut log[at..end], false, true);
        at = end;
    }
}

fn open(fs: &MemoryFileSystem, how: OpenHow) -> Log<MemoryFileSystem> {
    let limits = LogLimits {
        open_files_max: 4,
        tail_cache_bytes_max: 2_000,
    };
    let config = LogConfig {
        segment_bytes: 1_000,
        index_interval_bytes: 200,
        tail_cache_bytes: 0,
        retention_ms: None,
        producers_max: 100,
        ..LogConfig::default()
    };
    let context = LogContext::new(fs.clone(), limits);
    let opened = Log::open(&context, Path::new(DIRECTORY), config, how);
    opened.expect("any bytes in the files of a log").0
}

/// Reads all of a log, at most [`READS_MAX`] times.
fn look(log: &Log<MemoryFileSystem>, is_verified: bool) {
    assert!(log.log_start() <= log.log_end());
    let mut next = log.log_start();
    for _ in 0..READS_MAX {
        if next >= log.log_end() {
            break;
        }
        let read = match log.read(next, 2_000, log.log_end(), true) {
            Ok(read) => read,
            Err(cause) if is_verified => panic!("failed to read what was verified: {cause}"),
            Err(_) => break,
        };
        assert!(
            read.next_offset > next || !is_verified,
            "no way on from {next:?}"
        );
        for item in split(read.bytes.clone()) {
            let Ok((_, one)) = item else { break };
            assert!(
                !is_verified || verify(&one).is_ok(),
                "a damaged batch was given"
            );
        }
        if read.next_offset <= next {
            break;
        }
        next = read.next_offset;
    }
    let middle = TimestampMs(log.max_timestamp().map_or(0, |largest| largest.0 / 2));
    for target in [TimestampMs(0), middle, TimestampMs(i64::MAX)] {
        let found = log.offset_for_timestamp(target, log.log_end());
        assert!(found.is_ok() || !is_verified, "{found:?}");
    }
}

/// Appends once, unless offsets or epochs are at their end.
fn write(log: &mut Log<MemoryFileSystem>) {
    let record = Record {
        value: Some(Bytes::from_static(b"after")),
        ..Record::default()
    };
    let mut bytes = build(&[record]).expect("one record").to_vec();
    let epoch = log
        .latest_epoch()
        .unwrap_or(LeaderEpoch(0))
        .max(LeaderEpoch(0));
    let end = log.log_end();
    let appended = log.append_as_leader(&mut bytes, epoch, TimestampMs(1_000));
    if end.0 < i64::MAX - 1 {
        assert!(appended.is_ok(), "{appended:?}");
    }
}
