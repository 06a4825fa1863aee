//! Sending fetches, and applying what leaders answer.

use kintsugi_replica::{EpochEnd, RoleName, truncation_offset};
use kintsugi_storage::{FileSystem, LogError};
use kintsugi_types::bug::{Bug, is_on};
use kintsugi_types::{BrokerId, ErrorCode, Offset, PartitionId, Time, TimestampMs};

use super::{Fetcher, FetcherKey, InFlight};
use crate::message::replication::{
    FetchClass, FetchPosition, FetchRequest, FetchResponse, FetchedPartition,
};
use crate::message::shard::Command;
use crate::shard::Shard;
use crate::shard::partition::{Partition, epoch_end, last_epoch};
use crate::shard::sources::at_most_a_second;

/// What came of one partition of an answer.
enum Outcome {
    /// Its position changed: the leader has to hear of it.
    Moved,
    /// Nothing new but what needs no answer.
    Still,
    /// It cannot be served now; try again later.
    Delay,
}

impl<F: FileSystem> Shard<F> {
    /// Sends every fetch that may be sent.
    pub(in crate::shard) fn send_fetches(&mut self, now: Time, out: &mut Vec<Command>) {
        let timings = self.config.timings;
        let limits = &self.config.limits;
        let rates = self.throttle_rates();
        for (key, fetcher) in &mut self.fetchers.fetchers {
            let is_due = fetcher.in_flight.is_none() && now >= fetcher.send_at;
            if !is_due || fetcher.partitions.is_empty() {
                continue;
            }
            let class = key.2;
            if class.is_limited_by_follower() && rates.follower.is_some() {
                let free_at = self.config.throttles.follower.free_at(now);
                if free_at > now {
                    fetcher.send_at = free_at;
                    continue;
                }
            }
            let max_bytes = match class {
                FetchClass::InSync => limits.replica_bytes_max,
                _ => limits.replica_bytes_max.min(limits.catch_up_bytes_max),
            };
            let rate = rates.follower.filter(|_| class.is_limited_by_follower());
            let max_bytes = at_most_a_second(max_bytes, rate);
            let Some(leader) = self.image.brokers.get(&key.0) else {
                fetcher.send_at = now + timings.backoff_max;
                continue;
            };
            if fetcher.next_sequence == 0 {
                fetcher.session = self.fetchers.rng.u64(..);
                fetcher.changed.clone_from(&fetcher.partitions);
                fetcher.forgotten.clear();
            }
            let changed = std::mem::take(&mut fetcher.changed);
            let positions = changed.iter().filter_map(|id| {
                let partition = self.partitions.get(id)?;
                Some(position(*id, partition))
            });
            let request = FetchRequest {
                follower: self.config.broker,
                broker_epoch: self.broker_epoch,
                follower_shard: self.config.shard,
                leader_shard: key.1,
                class,
                session: fetcher.session,
                sequence: fetcher.next_sequence,
                changed: positions.collect(),
                forgotten: std::mem::take(&mut fetcher.forgotten).into_iter().collect(),
                max_bytes: u32::try_from(max_bytes).unwrap_or(u32::MAX),
                max_wait_ms: u32::try_from(timings.replica_wait.as_millis()).unwrap_or(u32::MAX),
            };
            fetcher.in_flight = Some(InFlight {
                session: request.session,
                sequence: request.sequence,
                until: now + timings.replica_wait + timings.replica_timeout,
            });
            fetcher.next_sequence += 1;
            out.push(Command::ReplicaFetch {
                leader: key.0,
                endpoint: leader.registration.replication_endpoint.clone(),
                request,
            });
        }
    }

    /// A fetch could not be sent, or its connection broke.
    pub(in crate::shard) fn fetch_failed(&mut self, now: Time, key: FetcherKey) {
        if key.2 == FetchClass::Mending {
            self.mend_failed(now, key);
        } else {
            self.fetchers.failed(now, key);
        }
    }

    pub(in crate::shard) fn replica_fetched(
        &mut self,
        now: Time,
        wall: TimestampMs,
        key: FetcherKey,
        response: FetchResponse,
    ) {
        if key.2 == FetchClass::Mending {
            self.mend_answered(now, key, response);
            return;
        }
        let Some(fetcher) = self.fetchers.fetchers.get_mut(&key) else {
            return;
        };
        let is_expected = |request: &InFlight| {
            request.session == response.session && request.sequence == response.sequence
        };
        if !fetcher.in_flight.as_ref().is_some_and(is_expected) {
            return;
        }
        if !response.error.is_none() {
            self.fetchers.failed(now, key);
            return;
        }
        fetcher.in_flight = None;
        fetcher.send_at = now;
        fetcher.backoff = self.config.timings.backoff_min;
        self.fetchers.take_in(now, key);
        if let Some(rate) = self.throttle_rates().follower
            && key.2.is_limited_by_follower()
        {
            let bytes = response.partitions.iter().map(|p| p.batches.len()).sum();
            self.config.throttles.follower.record(now, rate, bytes);
        }
        for fetched in response.partitions {
            let id = fetched.partition;
            if self.fetchers.sources.get(&id) != Some(&key) {
                continue;
            }
            let outcome = self.apply_fetched(wall, key.0, fetched);
            let retry_at = now + self.config.timings.backoff_max;
            if let Some(fetcher) = self.fetchers.fetchers.get_mut(&key) {
                note_outcome(fetcher, id, &outcome, retry_at);
            }
        }
    }

    fn apply_fetched(
        &mut self,
        wall: TimestampMs,
        leader: BrokerId,
        fetched: FetchedPartition,
    ) -> Outcome {
        let id = fetched.partition;
        let Some(partition) = self.partitions.get_mut(&id) else {
            return Outcome::Still;
        };
        self.watch.add(id, partition);
        let follows = partition.replica.role() == RoleName::Follower(leader);
        let is_current = fetched.leader_epoch == partition.replica.leader_epoch()
            || is_on(Bug::StaleLeaderEpochAccepted);
        if !follows || !is_current {
            // It is about another epoch; the position for the present one is told anew.
            return Outcome::Delay;
        }
        match fetched.error {
            ErrorCode::None => {}
            ErrorCode::OffsetOutOfRange if partition.log.log_end() < fetched.log_start => {
                return self.start_at(id, fetched.log_start);
            }
            _ => return Outcome::Delay,
        }
        if let Some((epoch, end)) = fetched.diverging {
            return self.truncate(id, EpochEnd { epoch, end });
        }
        let end_before = partition.log.log_end();
        let start_before = partition.log.log_start();
        let mut result = Ok(());
        if !fetched.batches.is_empty() {
            let appended = partition.log.append_as_follower(&fetched.batches, wall);
            result = appended.map(|_| ());
            if result.is_ok() {
                partition.traffic.replication_bytes_in += fetched.batches.len() as u64;
            }
        }
        if result.is_ok() {
            result = advance_log_start(partition, fetched.log_start);
        }
        if let Err(error) = result {
            return self.storage_failed(id, error);
        }
        let end = partition.log.log_end();
        // The leader of deleted records waits to hear that they are deleted here too.
        let is_still = end == end_before && partition.log.log_start() == start_before;
        self.want_sync(id);
        self.with_replica(id, |replica, _, commands| {
            replica.followed(fetched.high_watermark, end, commands);
        });
        if is_still {
            Outcome::Still
        } else {
            Outcome::Moved
        }
    }

    /// The leader's log begins after this one ends: all that is here is gone there.
    fn start_at(&mut self, id: PartitionId, log_start: Offset) -> Outcome {
        let Some(partition) = self.partitions.get_mut(&id) else {
            return Outcome::Still;
        };
        if let Err(error) = partition.log.truncate_fully_and_start_at(log_start) {
            return self.storage_failed(id, error);
        }
        partition.replica.log_start_moved(log_start);
        Outcome::Moved
    }

    fn truncate(&mut self, id: PartitionId, leader: EpochEnd) -> Outcome {
        let Some(partition) = self.partitions.get_mut(&id) else {
            return Outcome::Still;
        };
        let own = epoch_end(&partition.log, leader.epoch);
        let cut = truncation_offset(
            leader,
            own,
            partition.log.log_start(),
            partition.log.log_end(),
        );
        let end_before = partition.log.log_end();
        match partition.log.truncate_to(cut) {
            // Asking again at once would go round in circles.
            Ok(end) if end == end_before => Outcome::Delay,
            Ok(end) => {
                partition.replica.truncated(end);
                Outcome::Moved
            }
            Err(error) => self.storage_failed(id, error),
        }
    }

    fn storage_failed(&mut self, id: PartitionId, error: LogError) -> Outcome {
        self.note_storage(id, Some(error));
        Outcome::Delay
    }
}

/// The leader's log begins later than this one. Here the active segment ends, or it would keep what
/// came before until it is full.
fn advance_log_start<F: FileSystem>(
    partition: &mut Partition<F>,
    leaders: Offset,
) -> Result<(), LogError> {
    let log_start = leaders.min(partition.log.log_end());
    if log_start > partition.log.log_start() {
        partition.log.advance_log_start(log_start)?;
        if partition.log.active_base() < log_start {
            partition.log.roll()?;
        }
    }
    partition.replica.log_start_moved(partition.log.log_start());
    Ok(())
}

fn note_outcome(fetcher: &mut Fetcher, id: PartitionId, outcome: &Outcome, retry_at: Time) {
    match outcome {
        Outcome::Moved => {
            fetcher.changed.insert(id);
        }
        // A position that is to be told anyway needs no second time.
        Outcome::Delay if !fetcher.changed.contains(&id) => {
            fetcher.delayed.insert(id, retry_at);
        }
        Outcome::Delay | Outcome::Still => {}
    }
}

fn position<F: FileSystem>(id: PartitionId, partition: &Partition<F>) -> FetchPosition {
    FetchPosition {
        partition: id,
        leader_epoch: partition.replica.leader_epoch(),
        fetch_offset: partition.log.log_end(),
        last_fetched_epoch: last_epoch(&partition.log),
        counted_end: partition.log.counted_end(),
        log_start: partition.log.log_start(),
    }
}
