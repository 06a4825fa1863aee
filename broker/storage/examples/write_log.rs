//! Writes a partition's log, so that Apache Kafka's tools can be run on it (`dump-log.sh`).
//!
//! Usage: `write_log <directory>`. The directory is made; it must not hold a log.

use std::error::Error;
use std::path::PathBuf;

use bytes::Bytes;
use kintsugi_storage::{Log, LogConfig, LogContext, LogLimits, OpenHow, RealFileSystem};
use kintsugi_types::{LeaderEpoch, TimestampMs};
use kintsugi_wire::records::{Record, build};

const BATCHES: i64 = 200;
const RECORDS_A_BATCH: i64 = 3;
const FIRST_TIMESTAMP: i64 = 1_700_000_000_000;

fn main() -> Result<(), Box<dyn Error>> {
    let directory = std::env::args_os().nth(1).map(PathBuf::from);
    let directory = directory.ok_or("usage: write_log <directory>")?;
    let context = LogContext::new(RealFileSystem, LogLimits::default());
    let config = LogConfig {
        segment_bytes: 64 * 1024,
        ..LogConfig::default()
    };
    let (mut log, report) = Log::open(&context, &directory, config, OpenHow::Clean)?;
    if report.log_end.0 != 0 {
        return Err(format!("{} holds a log already", directory.display()).into());
    }
    for number in 0..BATCHES {
        let now = TimestampMs(FIRST_TIMESTAMP + number * 10);
        let record = |index| Record {
            timestamp: TimestampMs(now.0 + index),
            key: Some(Bytes::from(format!("key-{number}-{index}"))),
            value: Some(Bytes::from("v".repeat(300))),
            ..Record::default()
        };
        let records: Vec<Record> = (0..RECORDS_A_BATCH).map(record).collect();
        let epoch = LeaderEpoch(i32::try_from(number / 70)?);
        log.append_as_leader(&mut build(&records)?.to_vec(), epoch, now)?;
    }
    println!(
        "{} batches, offsets {} to {}, {} bytes in {} segments",
        BATCHES,
        log.log_start(),
        log.log_end(),
        log.size_bytes(),
        log.segment_count()
    );
    log.close()?;
    Ok(())
}
