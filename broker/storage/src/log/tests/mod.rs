mod appending;
mod crashes;
mod damage;
mod mending;
mod model;
mod opening;
mod producers;
mod reading;
mod retaining;

use std::path::Path;

use bytes::Bytes;
use kintsugi_types::{LeaderEpoch, Offset, TimestampMs};
use kintsugi_wire::batch::{BatchHeader, split};
use kintsugi_wire::records::{Record, build};

use super::*;
use crate::fs::MemoryFileSystem;

pub(super) const DIRECTORY: &str = "/data/topic-0";
pub(super) const NOW: TimestampMs = TimestampMs(1_000_000);

pub(super) fn small() -> LogConfig {
    LogConfig {
        segment_bytes: 1_000,
        index_interval_bytes: 200,
        tail_cache_bytes: 0,
        retention_ms: None,
        ..LogConfig::default()
    }
}

pub(super) fn context(fs: &MemoryFileSystem) -> LogContext<MemoryFileSystem> {
    let limits = LogLimits {
        open_files_max: 4,
        tail_cache_bytes_max: 2_000,
    };
    LogContext::new(fs.clone(), limits)
}

pub(super) fn open(
    fs: &MemoryFileSystem,
    config: LogConfig,
    how: OpenHow,
) -> (Log<MemoryFileSystem>, RecoveryReport) {
    Log::open(&context(fs), Path::new(DIRECTORY), config, how).unwrap()
}

pub(super) fn fresh(config: LogConfig) -> (MemoryFileSystem, Log<MemoryFileSystem>) {
    let fs = MemoryFileSystem::new(1);
    let log = open(&fs, config, OpenHow::Clean).0;
    (fs, log)
}

/// A batch of `count` records as a producer sends it, with values of `size` bytes.
pub(super) fn produced(count: usize, size: usize, timestamp: i64) -> Vec<u8> {
    let record = |number| Record {
        timestamp: TimestampMs(timestamp + number),
        value: Some(Bytes::from(vec![b'v'; size])),
        ..Record::default()
    };
    let records: Vec<Record> = (0..count as i64).map(record).collect();
    build(&records).unwrap().to_vec()
}

pub(super) fn append(log: &mut Log<MemoryFileSystem>, count: usize, epoch: i32) -> Appended {
    let timestamp = log.log_end().0;
    let mut batch = produced(count, 20, timestamp);
    log.append_as_leader(&mut batch, LeaderEpoch(epoch), NOW)
        .unwrap()
}

/// All batches, by reads of at most `max_bytes`.
pub(super) fn read_all(log: &Log<MemoryFileSystem>, max_bytes: usize) -> Vec<u8> {
    let (mut all, mut next) = (Vec::new(), log.log_start());
    while next < log.log_end() {
        let read = log.read(next, max_bytes, log.log_end(), true).unwrap();
        assert!(read.next_offset > next, "nothing at {next}");
        all.extend_from_slice(&read.bytes);
        next = read.next_offset;
    }
    all
}

pub(super) fn headers(bytes: &[u8]) -> Vec<BatchHeader> {
    split(Bytes::copy_from_slice(bytes))
        .map(|item| item.unwrap().0)
        .collect()
}
