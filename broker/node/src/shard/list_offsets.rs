//! ListOffsets.

use kintsugi_storage::{FileSystem, LogError};
use kintsugi_types::{ErrorCode, LeaderEpoch, Offset, Time, TimestampMs};
use kintsugi_wire::records;

use super::Shard;
use super::partition::{Partition, epoch_end, last_epoch};
use crate::message::shard::{Command, OffsetAnswer, OffsetQuery, Token};

const LATEST: TimestampMs = TimestampMs(-1);
const EARLIEST: TimestampMs = TimestampMs(-2);
/// The record with the largest timestamp (KIP-734).
const MAX_TIMESTAMP: TimestampMs = TimestampMs(-3);
/// The first record on local disks (KIP-405): there are no others.
const EARLIEST_LOCAL: TimestampMs = TimestampMs(-4);
/// The last record in remote storage (KIP-1005): there is none.
const LATEST_TIERED: TimestampMs = TimestampMs(-5);

/// An offset, its timestamp and its epoch.
type Found = (Offset, TimestampMs, LeaderEpoch);

impl<F: FileSystem> Shard<F> {
    pub(super) fn list_offsets(
        &mut self,
        now: Time,
        token: Token,
        positions: &[OffsetQuery],
        out: &mut Vec<Command>,
    ) {
        let (mut results, mut failures) = (Vec::with_capacity(positions.len()), Vec::new());
        for query in positions {
            let found = self.find_offset(now, query);
            let found = found.map_err(|failure| match failure {
                Failure::Refused(error) => error,
                Failure::Log(error) => {
                    let code = error.error_code();
                    failures.push((query.partition, error));
                    code
                }
            });
            results.push(answer(query, found));
        }
        self.note_failures(failures);
        out.push(Command::AnswerListOffsets { token, results });
    }

    fn find_offset(&self, now: Time, query: &OffsetQuery) -> Result<Option<Found>, Failure> {
        let partition = self.led(now, query.partition, query.leader_epoch)?;
        match query.timestamp {
            EARLIEST | EARLIEST_LOCAL => {
                let first_epoch = partition.log.epoch_entries().first();
                let epoch = first_epoch.map_or(LeaderEpoch::UNKNOWN, |(epoch, _)| *epoch);
                Ok(Some((partition.log.log_start(), TimestampMs(-1), epoch)))
            }
            _ if partition.replica.is_end_unknown() => Err(ErrorCode::OffsetNotAvailable.into()),
            LATEST => {
                let end = partition.replica.high_watermark();
                let epoch = partition.replica.leader_epoch();
                Ok(Some((end, TimestampMs(-1), epoch)))
            }
            LATEST_TIERED => Ok(None),
            MAX_TIMESTAMP => match partition.log.max_timestamp() {
                Some(largest) => first_at_or_after(partition, largest),
                None => Ok(None),
            },
            TimestampMs(time) if time >= 0 => first_at_or_after(partition, query.timestamp),
            _ => Err(ErrorCode::UnsupportedVersion.into()),
        }
    }
}

/// Why an offset cannot be told.
enum Failure {
    Refused(ErrorCode),
    Log(LogError),
}

impl From<ErrorCode> for Failure {
    fn from(error: ErrorCode) -> Self {
        Self::Refused(error)
    }
}

/// The first committed record at or after a time. In a compressed batch the record is not looked
/// for: the batch's first one is given, which is not after it.
fn first_at_or_after<F: FileSystem>(
    partition: &Partition<F>,
    time: TimestampMs,
) -> Result<Option<Found>, Failure> {
    let high_watermark = partition.replica.high_watermark();
    let found = partition.log.offset_for_timestamp(time, high_watermark);
    let Some(found) = found.map_err(Failure::Log)? else {
        return Ok(None);
    };
    let epoch = kintsugi_wire::batch::BatchHeader::parse(&found.batch);
    let epoch = epoch.map_or_else(|_| last_epoch(&partition.log), |header| header.leader_epoch);
    debug_assert!(epoch_end(&partition.log, epoch).is_some());
    let exact = records::read(&found.batch).ok().and_then(|records| {
        let mut records = records.filter_map(Result::ok);
        records.find(|at| at.record.timestamp >= time)
    });
    Ok(Some(exact.map_or(
        (found.offset, found.max_timestamp, epoch),
        |at| (at.offset, at.record.timestamp, epoch),
    )))
}

fn answer(query: &OffsetQuery, found: Result<Option<Found>, ErrorCode>) -> OffsetAnswer {
    let error = found.err().unwrap_or(ErrorCode::None);
    let none = (Offset(-1), TimestampMs(-1), LeaderEpoch::UNKNOWN);
    let (offset, timestamp, leader_epoch) = found.ok().flatten().unwrap_or(none);
    OffsetAnswer {
        partition: query.partition,
        error,
        offset,
        timestamp,
        leader_epoch,
    }
}
