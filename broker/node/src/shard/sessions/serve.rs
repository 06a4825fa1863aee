//! Answering followers' fetches.

use std::time::Duration;

use kintsugi_replica::{FollowerFetch, PositionCheck, check_position};
use kintsugi_storage::FileSystem;
use kintsugi_types::bug::{Bug, is_on};
use kintsugi_types::{ErrorCode, Offset, PartitionId, Time};

use super::{Held, Position, Session, SessionKey};
use crate::message::replication::{
    FetchClass, FetchPosition, FetchRequest, FetchResponse, FetchedPartition,
};
use crate::message::shard::{Command, Token};
use crate::shard::Shard;
use crate::shard::partition::{Partition, epoch_end};
use crate::shard::sources::at_most_a_second;

impl<F: FileSystem> Shard<F> {
    pub(in crate::shard) fn replica_fetch(
        &mut self,
        now: Time,
        token: Token,
        request: FetchRequest,
        out: &mut Vec<Command>,
    ) {
        if request.class == FetchClass::Mending {
            self.serve_mending(token, &request, out);
            return;
        }
        let key = (request.follower, request.follower_shard, request.class);
        if let Err(error) = self.enter_session(key, &request, out) {
            out.push(Command::AnswerReplicaFetch {
                token,
                response: FetchResponse {
                    class: request.class,
                    session: request.session,
                    sequence: request.sequence,
                    error,
                    partitions: Vec::new(),
                },
            });
            return;
        }
        for partition in &request.forgotten {
            self.forget_position(key, *partition);
        }
        for position in &request.changed {
            self.take_position(now, key, *position);
        }
        let limits = &self.config.limits;
        let timings = &self.config.timings;
        let max_bytes = usize::try_from(request.max_bytes).unwrap_or(usize::MAX);
        let max_bytes = max_bytes.min(match request.class {
            FetchClass::InSync => limits.replica_bytes_max,
            _ => limits.replica_bytes_max.min(limits.catch_up_bytes_max),
        });
        let wait = Duration::from_millis(request.max_wait_ms.into()).min(timings.replica_wait);
        let expecting_wait = timings.expecting_wait;
        if let Some(session) = self.sessions.sessions.get_mut(&key) {
            if now >= session.expected_until {
                session.expected.clear();
            }
            let is_expecting = !session.expected.is_empty();
            let wait = if is_expecting {
                wait.min(expecting_wait)
            } else {
                wait
            };
            session.held = Some(Held {
                token,
                until: now + wait,
                max_bytes,
                throttled_until: Time::ZERO,
            });
        }
        self.todo.sessions.insert(key);
    }

    /// Begins a session, or goes on with it.
    fn enter_session(
        &mut self,
        key: SessionKey,
        request: &FetchRequest,
        out: &mut Vec<Command>,
    ) -> Result<(), ErrorCode> {
        let registered = self.image.brokers.get(&request.follower);
        if registered.is_some_and(|broker| broker.epoch > request.broker_epoch) {
            return Err(ErrorCode::StaleBrokerEpoch);
        }
        if request.leader_shard != self.config.shard {
            return Err(ErrorCode::InvalidRequest);
        }
        if request.sequence == 0 {
            self.end_session(key, out);
            if self.sessions.sessions.len() >= self.config.limits.sessions_max {
                return Err(ErrorCode::FetchSessionIdNotFound);
            }
            let session = Session::new(request.session, request.broker_epoch);
            self.sessions.sessions.insert(key, session);
            return Ok(());
        }
        let session = self.sessions.sessions.get_mut(&key);
        let session = session.filter(|session| session.id == request.session);
        let session = session.ok_or(ErrorCode::FetchSessionIdNotFound)?;
        if request.sequence != session.sequence + 1 {
            return Err(ErrorCode::InvalidFetchSessionEpoch);
        }
        session.sequence = request.sequence;
        session.broker_epoch = request.broker_epoch;
        Ok(())
    }

    pub(in crate::shard) fn end_session(&mut self, key: SessionKey, out: &mut Vec<Command>) {
        let Some(session) = self.sessions.sessions.remove(&key) else {
            return;
        };
        for id in session.positions.keys() {
            if let Some(partition) = self.partitions.get_mut(id) {
                partition.sessions.remove(&key);
            }
        }
        if let Some(held) = session.held {
            let error = ErrorCode::FetchSessionIdNotFound;
            out.push(answer(held.token, key, &session, error, Vec::new()));
        }
    }

    fn forget_position(&mut self, key: SessionKey, id: PartitionId) {
        if let Some(session) = self.sessions.sessions.get_mut(&key) {
            session.positions.remove(&id);
            session.ready.remove(&id);
        }
        if let Some(partition) = self.partitions.get_mut(&id) {
            partition.sessions.remove(&key);
        }
    }

    fn take_position(&mut self, now: Time, key: SessionKey, fetch: FetchPosition) {
        let id = fetch.partition;
        let position = Position {
            fetch,
            told_high_watermark: Offset(-1),
            told_log_start: Offset(-1),
        };
        let partitions_max = self.config.limits.session_partitions_max;
        if let Some(session) = self.sessions.sessions.get_mut(&key) {
            if session.positions.len() >= partitions_max && !session.positions.contains_key(&id) {
                return;
            }
            // What was told in another epoch was told by another leader, or before a truncation.
            let told = session.positions.get(&id).copied();
            let told = told.filter(|told| told.fetch.leader_epoch == fetch.leader_epoch);
            let told = told.unwrap_or(position);
            session.positions.insert(id, Position { fetch, ..told });
            session.ready.insert(id);
        }
        if let Some(partition) = self.partitions.get_mut(&id) {
            partition.sessions.insert(key);
        }
        self.count_position(now, key, id);
    }

    /// Lets a position count for the partition's replica, if it is one in this leader's epoch and
    /// of the same log. Called again when the leader's epoch catches up with the follower's: while
    /// an epoch lasts, a follower's log only changes by what its leader sends.
    pub(in crate::shard) fn count_position(&mut self, now: Time, key: SessionKey, id: PartitionId) {
        let Some(session) = self.sessions.sessions.get_mut(&key) else {
            return;
        };
        let (Some(position), Some(partition)) =
            (session.positions.get(&id), self.partitions.get(&id))
        else {
            return;
        };
        let fetch = position.fetch;
        let is_current = fetch.leader_epoch == partition.replica.leader_epoch()
            || is_on(Bug::StaleLeaderEpochAccepted);
        if !partition.replica.is_leader() || !is_current {
            return;
        }
        session.expected.remove(&id);
        if fetch.counted_end < fetch.fetch_offset {
            // It is syncing: a fetch that is held would keep it from saying when it is done.
            session.expected.insert(id);
            session.expected_until = now + self.config.timings.expecting_for;
        }
        if check(partition, &fetch) != PositionCheck::Matches {
            return;
        }
        let fetch = FollowerFetch {
            follower: key.0,
            broker_epoch: session.broker_epoch,
            end: fetch.fetch_offset.min(fetch.counted_end),
        };
        self.with_replica(id, |replica, brokers, commands| {
            replica.fetched(now, fetch, brokers, commands);
        });
    }

    /// Answers a held fetch if there is something to say, or if its time is over.
    pub(in crate::shard) fn serve_held(
        &mut self,
        now: Time,
        key: SessionKey,
        out: &mut Vec<Command>,
    ) {
        let Some(mut session) = self.sessions.sessions.remove(&key) else {
            return;
        };
        if let Some(held) = session.held {
            let rate = self.leader_rate(key.2);
            let free_at = rate.map_or(now, |_| self.config.throttles.leader.free_at(now));
            let partitions = match rate {
                Some(_) if free_at > now => Vec::new(),
                rate => self.gather(&mut session, at_most_a_second(held.max_bytes, rate)),
            };
            if let Some(rate) = rate {
                let bytes = partitions.iter().map(|p| p.batches.len()).sum();
                self.config.throttles.leader.record(now, rate, bytes);
            }
            if !partitions.is_empty() || now >= held.until {
                session.held = None;
                self.count_replicated(&partitions);
                out.push(answer(
                    held.token,
                    key,
                    &session,
                    ErrorCode::None,
                    partitions,
                ));
            } else if let Some(held) = &mut session.held {
                held.throttled_until = if free_at > now { free_at } else { Time::ZERO };
            }
        }
        self.sessions.sessions.insert(key, session);
    }

    fn gather(&mut self, session: &mut Session, max_bytes: usize) -> Vec<FetchedPartition> {
        let mut gathered = Vec::new();
        let mut left = max_bytes;
        let mut has_batches = false;
        for id in session.ready_in_turn() {
            if left == 0 {
                break;
            }
            session.cursor = Some(id);
            session.ready.remove(&id);
            let Some(position) = session.positions.get_mut(&id) else {
                continue;
            };
            let max_bytes = left.min(self.config.limits.replica_partition_bytes_max);
            let Some(fetched) = self.gather_one(position, max_bytes, !has_batches) else {
                continue;
            };
            if fetched.error.is_none() && fetched.diverging.is_none() {
                let is_news = !fetched.batches.is_empty()
                    || fetched.high_watermark != position.told_high_watermark
                    || fetched.log_start != position.told_log_start;
                let has_more = self.partitions.get(&id).is_some_and(|partition| {
                    fetched.batches.is_empty()
                        && position.fetch.fetch_offset < partition.log.log_end()
                });
                if has_more {
                    session.ready.insert(id);
                }
                if !is_news {
                    continue;
                }
                position.told_high_watermark = fetched.high_watermark;
                position.told_log_start = fetched.log_start;
            }
            has_batches |= !fetched.batches.is_empty();
            left = left.saturating_sub(fetched.batches.len());
            gathered.push(fetched);
        }
        gathered
    }

    /// What there is to say of one partition; `None` if the follower knows a newer epoch, which
    /// this broker will hear of.
    fn gather_one(
        &mut self,
        position: &Position,
        max_bytes: usize,
        is_first: bool,
    ) -> Option<FetchedPartition> {
        let fetch = &position.fetch;
        let id = fetch.partition;
        let mut fetched = FetchedPartition::with_error(id, ErrorCode::None);
        let Some(partition) = self.partitions.get(&id) else {
            // A partition that this broker has not heard of yet is answered when it has.
            self.image.partition(id)?;
            fetched.error = ErrorCode::UnknownTopicId;
            return Some(fetched);
        };
        let own_epoch = partition.replica.leader_epoch();
        fetched.leader_epoch = own_epoch;
        let compares = !is_on(Bug::StaleLeaderEpochAccepted);
        if compares && fetch.leader_epoch > own_epoch {
            return None;
        }
        if compares && fetch.leader_epoch < own_epoch {
            fetched.error = ErrorCode::FencedLeaderEpoch;
            return Some(fetched);
        }
        if !partition.replica.is_leader() {
            fetched.error = ErrorCode::NotLeaderOrFollower;
            return Some(fetched);
        }
        fetched.high_watermark = partition.replica.high_watermark();
        fetched.log_start = partition.log.log_start();
        match check(partition, fetch) {
            PositionCheck::BeforeLogStart => fetched.error = ErrorCode::OffsetOutOfRange,
            PositionCheck::Diverges(end) => fetched.diverging = Some((end.epoch, end.end)),
            PositionCheck::Matches => {
                let end = partition.log.log_end();
                match partition
                    .log
                    .read(fetch.fetch_offset, max_bytes, end, is_first)
                {
                    Ok(read) => fetched.batches = read.bytes,
                    Err(error) => {
                        fetched.error = error.error_code();
                        self.note_storage(id, Some(error));
                    }
                }
            }
        }
        Some(fetched)
    }
}

fn check<F: FileSystem>(partition: &Partition<F>, fetch: &FetchPosition) -> PositionCheck {
    check_position(
        fetch.fetch_offset,
        fetch.last_fetched_epoch,
        epoch_end(&partition.log, fetch.last_fetched_epoch),
        partition.log.log_start(),
        partition.log.log_end(),
    )
}

fn answer(
    token: Token,
    key: SessionKey,
    session: &Session,
    error: ErrorCode,
    partitions: Vec<FetchedPartition>,
) -> Command {
    Command::AnswerReplicaFetch {
        token,
        response: FetchResponse {
            class: key.2,
            session: session.id,
            sequence: session.sequence,
            error,
            partitions,
        },
    }
}
