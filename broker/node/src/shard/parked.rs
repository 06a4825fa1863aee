//! Batches for partitions that are to be led here and whose logs are being made.
//!
//! A client that has created a topic writes to it at once, and one more wait for the disk is less
//! than an error and its back-off. Each partition's batches are appended in the order in which they
//! came, as soon as its log is there; those of a partition that is not to be led here any more are
//! refused. They wait at most for their produce's time, count to its limits, and their bytes to what
//! the connections may hold.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use kintsugi_replica::Ticket;
use kintsugi_storage::FileSystem;
use kintsugi_types::{ErrorCode, LeaderEpoch, PartitionId, Time, TimestampMs};

use super::Shard;
use crate::message::shard::Acks;

/// A batch that waits for its partition's log.
#[derive(Debug)]
pub(super) struct ParkedBatch {
    pub ticket: Ticket,
    pub acks: Acks,
    pub batch: Bytes,
}

/// The batches that wait; no partition has an empty queue.
#[derive(Debug, Default)]
pub(super) struct Parked(BTreeMap<PartitionId, VecDeque<ParkedBatch>>);

impl Parked {
    pub fn push(&mut self, id: PartitionId, batch: ParkedBatch) {
        self.0.entry(id).or_default().push_back(batch);
    }

    /// One of them waits no more.
    pub fn remove(&mut self, id: PartitionId, ticket: Ticket) {
        if let Some(queue) = self.0.get_mut(&id) {
            queue.retain(|parked| parked.ticket != ticket);
            if queue.is_empty() {
                self.0.remove(&id);
            }
        }
    }
}

impl<F: FileSystem> Shard<F> {
    /// Whether a batch for this partition has to wait for its log.
    pub(super) fn is_to_be_led(&self, now: Time, id: PartitionId) -> bool {
        // Nearly always nothing is awaited, so that is looked at first.
        let is_awaited = self.making.is_wanted(id) || self.nameless.contains(&id);
        is_awaited
            && self.is_serving(now)
            && (self.image.partition(id)).is_some_and(|s| s.leader == Some(self.config.broker))
    }

    /// Appends what waited for a log that is there now.
    pub(super) fn append_parked(&mut self, now: Time, wall: TimestampMs, id: PartitionId) {
        if !self.partitions.contains_key(&id) {
            self.fail_unawaited(now);
            return;
        }
        for parked in self.parked.0.remove(&id).unwrap_or_default() {
            let ParkedBatch {
                ticket,
                acks,
                batch,
            } = parked;
            let needs_all = acks == Acks::All;
            self.count(id, |traffic| traffic.produce_requests += 1);
            match self.append(now, wall, id, batch, needs_all) {
                Ok(placed) => {
                    let log_start = self.log_start(id);
                    self.produces.place(ticket, placed, log_start);
                    let waits = self.has_to_wait(id, acks, placed);
                    let waiting = waits.then_some(ticket);
                    self.await_placed(now, id, placed, waiting, needs_all);
                    if !waits {
                        self.todo.decided.push((ticket, ErrorCode::None));
                    }
                }
                Err(error) => self.todo.decided.push((ticket, error)),
            }
        }
    }

    /// Refuses what waits for partitions that are not to be led here any more.
    pub(super) fn fail_unawaited(&mut self, now: Time) {
        let waiting: Vec<_> = self.parked.0.keys().copied().collect();
        for id in waiting {
            if !self.is_to_be_led(now, id) {
                let error = self.led(now, id, LeaderEpoch::UNKNOWN).err();
                self.refuse(id, error.unwrap_or(ErrorCode::NotLeaderOrFollower));
            }
        }
    }

    /// Refuses everything that waits: the lease is over, or leaderships are handed over.
    pub(super) fn fail_parked(&mut self) {
        while let Some(id) = self.parked.0.keys().next().copied() {
            self.refuse(id, ErrorCode::NotLeaderOrFollower);
        }
    }

    fn refuse(&mut self, id: PartitionId, error: ErrorCode) {
        let refused = self.parked.0.remove(&id).unwrap_or_default();
        let decided = refused.into_iter().map(|parked| (parked.ticket, error));
        self.todo.decided.extend(decided);
    }
}
