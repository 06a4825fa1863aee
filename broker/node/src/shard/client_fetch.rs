//! Clients' fetches: read below the high watermark, or wait until there is something.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use kintsugi_storage::{FileSystem, LogError};
use kintsugi_types::bug::{Bug, is_on};
use kintsugi_types::{ErrorCode, Offset, PartitionId, Time};

use super::Shard;
use crate::message::shard::{ClientPosition, Command, Fetch, Fetched, Token};

/// One that is held.
#[derive(Debug)]
struct Held {
    fetch: Fetch,
    since: Time,
    deadline: Time,
}

/// Clients' fetches that are held until there is enough, or their time is over.
#[derive(Debug, Default)]
pub(super) struct HeldFetches {
    held: BTreeMap<Token, Held>,
    deadlines: BTreeSet<(Time, Token)>,
}

impl HeldFetches {
    pub fn tokens(&self) -> Vec<Token> {
        self.held.keys().copied().collect()
    }

    pub fn next_wake(&self) -> Time {
        self.deadlines.first().map_or(Time::NEVER, |(at, _)| *at)
    }

    fn remove(&mut self, token: Token) -> Option<Held> {
        let held = self.held.remove(&token)?;
        self.deadlines.remove(&(held.deadline, token));
        Some(held)
    }

    pub fn overdue(&self, now: Time) -> Vec<Token> {
        let due = self.deadlines.iter().take_while(|(at, _)| now >= *at);
        due.map(|(_, token)| *token).collect()
    }
}

impl<F: FileSystem> Shard<F> {
    pub(super) fn client_fetch(&mut self, now: Time, fetch: Fetch, out: &mut Vec<Command>) {
        let token = fetch.token;
        self.count_fetch_request(&fetch);
        let mut failures = Vec::new();
        let results = self.read_all(now, &fetch, &mut failures);
        self.note_failures(failures);
        let may_hold = fetch.max_wait_ms > 0
            && !fetch.positions.is_empty()
            && self.fetches.held.len() < self.config.limits.held_fetches_max;
        if self.is_enough(&fetch, &results) || !may_hold {
            self.count_fetched(&results);
            out.push(Command::AnswerFetch {
                token,
                results,
                held: Duration::ZERO,
            });
            return;
        }
        for position in &fetch.positions {
            if let Some(partition) = self.partitions.get_mut(&position.partition) {
                partition.fetches.insert(token);
            }
        }
        let wait = Duration::from_millis(fetch.max_wait_ms.into());
        let deadline = now + wait.min(self.config.limits.fetch_wait_max);
        self.fetches.deadlines.insert((deadline, token));
        let held = Held {
            fetch,
            since: now,
            deadline,
        };
        self.fetches.held.insert(token, held);
    }

    /// Something changed in a partition of a held fetch: answers it if that is enough.
    pub(super) fn look_again(&mut self, now: Time, token: Token, out: &mut Vec<Command>) {
        let Some(held) = self.fetches.held.get(&token) else {
            return;
        };
        let (since, deadline) = (held.since, held.deadline);
        let mut failures = Vec::new();
        let results = self.read_all(now, &held.fetch, &mut failures);
        self.note_failures(failures);
        let held = self.fetches.held.get(&token);
        let is_enough = |held: &Held| now >= deadline || self.is_enough(&held.fetch, &results);
        if held.is_some_and(is_enough) {
            self.forget_fetch(token);
            self.count_fetched(&results);
            out.push(Command::AnswerFetch {
                token,
                results,
                held: now.since(since),
            });
        }
    }

    pub(super) fn forget_fetch(&mut self, token: Token) {
        let Some(held) = self.fetches.remove(token) else {
            return;
        };
        for position in &held.fetch.positions {
            if let Some(partition) = self.partitions.get_mut(&position.partition) {
                partition.fetches.remove(&token);
            }
        }
    }

    /// Reads the partitions in the order of the request, which the client rotates (KIP-74).
    fn read_all(
        &self,
        now: Time,
        fetch: &Fetch,
        failures: &mut Vec<(PartitionId, LogError)>,
    ) -> Vec<Fetched> {
        let max_bytes = usize::try_from(fetch.max_bytes).unwrap_or(usize::MAX);
        let mut left = max_bytes.min(self.config.limits.fetch_bytes_max);
        let mut is_first = true;
        let mut results = Vec::with_capacity(fetch.positions.len());
        for position in &fetch.positions {
            let (fetched, failure) = self.read(now, position, left, is_first);
            failures.extend(failure.map(|error| (position.partition, error)));
            left = left.saturating_sub(fetched.batches.len());
            is_first &= fetched.batches.is_empty();
            results.push(fetched);
        }
        results
    }

    fn read(
        &self,
        now: Time,
        position: &ClientPosition,
        left: usize,
        is_first: bool,
    ) -> (Fetched, Option<LogError>) {
        let id = position.partition;
        let mut fetched = Fetched {
            partition: id,
            error: ErrorCode::None,
            high_watermark: Offset(-1),
            log_start: self.log_start(id),
            batches: Bytes::new(),
            current_leader: None,
        };
        let partition = match self.led(now, id, position.leader_epoch) {
            Ok(partition) => partition,
            Err(error) => {
                fetched.error = error;
                fetched.current_leader = self.hint(id, error);
                return (fetched, None);
            }
        };
        let high_watermark = if is_on(Bug::ReadAboveHighWatermark) {
            partition.log.log_end()
        } else {
            partition.replica.high_watermark()
        };
        fetched.high_watermark = high_watermark;
        let max_bytes = usize::try_from(position.max_bytes).unwrap_or(usize::MAX);
        let max_bytes = max_bytes.min(left);
        let read = partition
            .log
            .read(position.offset, max_bytes, high_watermark, is_first);
        match read {
            Ok(read) => fetched.batches = read.bytes,
            // What an earlier leader had committed may lie above what this one knows of, so an
            // offset past the end proves nothing yet (KIP-207).
            Err(error) if error.error_code() == ErrorCode::OffsetOutOfRange => {
                let is_past_end = position.offset > partition.log.log_end();
                fetched.error = if is_past_end && partition.replica.is_end_unknown() {
                    ErrorCode::OffsetNotAvailable
                } else {
                    ErrorCode::OffsetOutOfRange
                };
            }
            Err(error) => {
                fetched.error = error.error_code();
                return (fetched, Some(error));
            }
        }
        (fetched, None)
    }

    pub(super) fn note_failures(&mut self, failures: Vec<(PartitionId, LogError)>) {
        for (id, error) in failures {
            self.note_storage(id, Some(error));
        }
    }

    /// Whether a fetch is to be answered now. One that met a damaged batch waits while that is being
    /// mended, which takes milliseconds.
    fn is_enough(&self, fetch: &Fetch, results: &[Fetched]) -> bool {
        let bytes: usize = results.iter().map(|fetched| fetched.batches.len()).sum();
        let min_bytes = usize::try_from(fetch.min_bytes).unwrap_or(usize::MAX);
        let is_error = |fetched: &Fetched| match fetched.error {
            ErrorCode::None => false,
            ErrorCode::KafkaStorageError => !self.mends.is_hopeful(fetched.partition),
            _ => true,
        };
        bytes >= min_bytes || results.iter().any(is_error)
    }
}
