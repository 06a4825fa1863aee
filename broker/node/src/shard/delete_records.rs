//! DeleteRecords: the start of a log moves up, here and on every live replica.
//!
//! A leader moves its own at once; followers learn of it by their fetch, and tell by the next one
//! that they did the same. The answer waits for the live ones.

use std::collections::BTreeMap;
use std::time::Duration;

use kintsugi_storage::FileSystem;
use kintsugi_types::{ErrorCode, LeaderEpoch, Offset, PartitionId, Time};

use super::Shard;
use crate::message::shard::{Command, DeletedRecords, Token};

/// The most requests that wait at once; more are answered as timed out, though the leader has
/// deleted.
const WAITING_MAX: usize = 1_000;

/// One partition of a request: the offset to reach, or what went wrong.
type Part = (PartitionId, Result<Offset, ErrorCode>);

/// Requests that wait for followers.
#[derive(Debug, Default)]
pub(super) struct WaitingDeletes {
    waiting: BTreeMap<Token, (Vec<Part>, Time)>,
}

impl WaitingDeletes {
    pub fn next_wake(&self) -> Time {
        let deadlines = self.waiting.values().map(|(_, deadline)| *deadline);
        deadlines.min().unwrap_or(Time::NEVER)
    }

    pub fn cancel(&mut self, token: Token) {
        self.waiting.remove(&token);
    }
}

impl<F: FileSystem> Shard<F> {
    pub(super) fn delete_records(
        &mut self,
        now: Time,
        token: Token,
        before: &[(PartitionId, Offset)],
        wait_ms: u32,
    ) {
        let parts = before
            .iter()
            .map(|(id, offset)| (*id, self.delete_before(now, *id, *offset)));
        let parts = parts.collect();
        let is_full = self.deletes.waiting.len() >= WAITING_MAX;
        let wait = Duration::from_millis(wait_ms.into()).min(self.config.limits.produce_wait_max);
        let deadline = if is_full { now } else { now + wait };
        // Looked at at the end of this event, and answered then if nobody has to be waited for.
        self.deletes.waiting.insert(token, (parts, deadline));
    }

    /// Deletes on this leader; gives the log's start from now on.
    fn delete_before(
        &mut self,
        now: Time,
        id: PartitionId,
        offset: Offset,
    ) -> Result<Offset, ErrorCode> {
        let led = self.led(now, id, LeaderEpoch::UNKNOWN)?;
        let high_watermark = led.replica.high_watermark();
        let start = match offset {
            Offset(-1) => high_watermark,
            offset => offset,
        };
        if start < Offset::ZERO || start > high_watermark {
            return Err(ErrorCode::OffsetOutOfRange);
        }
        let partition = self.partitions.get_mut(&id);
        let partition = partition.ok_or(ErrorCode::NotLeaderOrFollower)?;
        self.watch.add(id, partition);
        let result = partition.log.advance_log_start(start);
        let log_start = partition.log.log_start();
        partition.replica.log_start_moved(log_start);
        if let Err(error) = result {
            let code = error.error_code();
            self.note_storage(id, Some(error));
            return Err(code);
        }
        self.wake_watchers(id);
        Ok(start)
    }

    /// Answers the requests that every live replica has followed, and those whose time is over.
    pub(super) fn answer_deletes(&mut self, now: Time, out: &mut Vec<Command>) {
        if self.deletes.waiting.is_empty() {
            return;
        }
        let mut answers = Vec::new();
        for (token, (parts, deadline)) in &self.deletes.waiting {
            let outcomes = parts.iter().map(|part| self.deleted(now, part));
            let outcomes: Vec<(bool, DeletedRecords)> = outcomes.collect();
            if now >= *deadline || outcomes.iter().all(|(is_over, _)| *is_over) {
                let results = outcomes.into_iter().map(|(_, result)| result).collect();
                answers.push((*token, results));
            }
        }
        for (token, results) in answers {
            self.deletes.waiting.remove(&token);
            out.push(Command::AnswerDeleteRecords { token, results });
        }
    }

    /// Whether a part is decided, and what is told of it by now.
    fn deleted(&self, now: Time, (id, wanted): &Part) -> (bool, DeletedRecords) {
        let result = |error, low_watermark| DeletedRecords {
            partition: *id,
            error,
            low_watermark,
        };
        let failed = |error| (true, result(error, Offset(-1)));
        let wanted = match wanted {
            Ok(wanted) => *wanted,
            Err(error) => return failed(*error),
        };
        let Ok(partition) = self.led(now, *id, LeaderEpoch::UNKNOWN) else {
            return failed(ErrorCode::NotLeaderOrFollower);
        };
        let low = self.low_watermark(*id, partition.log.log_start());
        if low >= wanted {
            (true, result(ErrorCode::None, low))
        } else {
            (false, result(ErrorCode::RequestTimedOut, Offset(-1)))
        }
    }

    /// The least start of the logs of this leader and of every other live replica.
    fn low_watermark(&self, id: PartitionId, own: Offset) -> Offset {
        let Some(state) = self.image.partition(id) else {
            return own;
        };
        let others = state.replicas.iter().copied();
        let others = others.filter(|broker| *broker != self.config.broker);
        let live = others.filter(|broker| self.image.is_unfenced(*broker));
        let starts = live.map(|broker| self.sessions.log_start(broker, id));
        starts.fold(own, |least, start| least.min(start.unwrap_or(Offset(-1))))
    }
}
