//! Produce: append as it came, then wait for whom the producer waits for.
//!
//! A batch that an idempotent producer sends again (KIP-98) is not appended twice: it waits for what
//! its first copy waits for, and is answered with the offset of that.

use std::collections::{BTreeMap, BTreeSet};

use bytes::{Bytes, BytesMut};
use kintsugi_replica::Ticket;
use kintsugi_storage::{FileSystem, ProducerCheck};
use kintsugi_types::{ErrorCode, LeaderEpoch, Offset, PartitionId, Time, TimestampMs};

use kintsugi_wire::batch::BatchHeader;

use super::Shard;
use super::parked::ParkedBatch;
use crate::message::shard::{Acks, Command, Produce, Produced, Token};

/// A produce that has partitions which are not decided yet.
#[derive(Debug)]
struct Waiting {
    results: Vec<Produced>,
    /// Those not decided, by their place in `results`.
    undecided: BTreeMap<Ticket, usize>,
    deadline: Time,
}

/// Where a produced batch is in the log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Placed {
    base_offset: Offset,
    /// The offset after its last record.
    end: Offset,
    /// It was there before.
    is_duplicate: bool,
}

/// Produces that wait for in-sync replicas.
#[derive(Debug, Default)]
pub(super) struct WaitingProduces {
    waiting: BTreeMap<Token, Waiting>,
    tickets: BTreeMap<Ticket, Token>,
    deadlines: BTreeSet<(Time, Token)>,
    last_ticket: u64,
}

impl WaitingProduces {
    pub fn draw_ticket(&mut self) -> Ticket {
        self.last_ticket += 1;
        Ticket(self.last_ticket)
    }

    fn insert(&mut self, token: Token, waiting: Waiting) {
        let tickets = waiting.undecided.keys();
        self.tickets.extend(tickets.map(|ticket| (*ticket, token)));
        self.deadlines.insert((waiting.deadline, token));
        self.waiting.insert(token, waiting);
    }

    /// One partition of a produce is decided; the last one answers it.
    pub fn decide(&mut self, ticket: Ticket, error: ErrorCode, out: &mut Vec<Command>) {
        let Some(token) = self.tickets.remove(&ticket) else {
            return;
        };
        let Some(waiting) = self.waiting.get_mut(&token) else {
            return;
        };
        let place = waiting.undecided.remove(&ticket);
        if let Some(result) = place.and_then(|place| waiting.results.get_mut(place)) {
            result.error = error;
            if !error.is_none() {
                result.base_offset = Offset(-1);
            }
        }
        if waiting.undecided.is_empty()
            && let Some(waiting) = self.waiting.remove(&token)
        {
            self.deadlines.remove(&(waiting.deadline, token));
            let results = waiting.results;
            out.push(Command::AnswerProduce { token, results });
        }
    }

    /// One partition of a produce that waited for its log is in it.
    pub fn place(&mut self, ticket: Ticket, placed: Placed, log_start: Offset) {
        let token = self.tickets.get(&ticket);
        let Some(waiting) = token.and_then(|token| self.waiting.get_mut(token)) else {
            return;
        };
        let place = waiting.undecided.get(&ticket);
        if let Some(result) = place.and_then(|place| waiting.results.get_mut(*place)) {
            result.base_offset = placed.base_offset;
            result.log_start = log_start;
        }
    }

    /// Forgets a produce whose client has gone; gives what waits for it in replicas.
    pub fn cancel(&mut self, token: Token) -> Vec<(Ticket, PartitionId)> {
        let Some(waiting) = self.waiting.remove(&token) else {
            return Vec::new();
        };
        self.deadlines.remove(&(waiting.deadline, token));
        let places = waiting.undecided.iter();
        let tickets = places.map(|(ticket, place)| (*ticket, waiting.results[*place].partition));
        let tickets: Vec<_> = tickets.collect();
        for (ticket, _) in &tickets {
            self.tickets.remove(ticket);
        }
        tickets
    }

    /// What waits in replicas and has waited for long enough.
    fn overdue(&self, now: Time) -> Vec<(Ticket, PartitionId)> {
        let tokens = self.deadlines.iter().take_while(|(at, _)| now >= *at);
        let waiting = tokens.filter_map(|(_, token)| self.waiting.get(token));
        waiting
            .flat_map(|waiting| {
                let places = waiting.undecided.iter();
                places.map(|(ticket, place)| (*ticket, waiting.results[*place].partition))
            })
            .collect()
    }

    pub fn next_wake(&self) -> Time {
        self.deadlines.first().map_or(Time::NEVER, |(at, _)| *at)
    }
}

impl<F: FileSystem> Shard<F> {
    pub(super) fn produce(
        &mut self,
        now: Time,
        wall: TimestampMs,
        produce: Produce,
        out: &mut Vec<Command>,
    ) {
        let Produce {
            token,
            acks,
            timeout_ms,
            batches,
        } = produce;
        let needs_all = acks == Acks::All;
        let is_full = self.produces.waiting.len() >= self.config.limits.waiting_produces_max;
        let mut results = Vec::with_capacity(batches.len());
        let mut undecided = BTreeMap::new();
        let mut placed = Vec::new();
        for (place, (partition, batch)) in batches.into_iter().enumerate() {
            self.count(partition, |traffic| traffic.produce_requests += 1);
            let is_to_be_led = self.is_to_be_led(now, partition);
            let may_wait = needs_all || is_to_be_led || self.counts_synced_only(partition);
            let result = if is_full && may_wait {
                Err(ErrorCode::ThrottlingQuotaExceeded)
            } else if is_to_be_led {
                let ticket = self.produces.draw_ticket();
                undecided.insert(ticket, place);
                results.push(self.produced(partition, Ok(Offset(-1))));
                let parked = ParkedBatch {
                    ticket,
                    acks,
                    batch,
                };
                self.parked.push(partition, parked);
                continue;
            } else {
                self.append(now, wall, partition, batch, needs_all)
            };
            if let Ok(place_in_log) = result {
                let waits = self.has_to_wait(partition, acks, place_in_log);
                let ticket = waits.then(|| self.produces.draw_ticket());
                undecided.extend(ticket.map(|ticket| (ticket, place)));
                placed.push((partition, place_in_log, ticket));
            }
            let base_offset = result.map(|placed| placed.base_offset);
            results.push(self.produced(partition, base_offset));
        }
        if undecided.is_empty() {
            out.push(Command::AnswerProduce { token, results });
        } else {
            let wait = std::time::Duration::from_millis(timeout_ms.into());
            let deadline = now + wait.min(self.config.limits.produce_wait_max);
            let waiting = Waiting {
                results,
                undecided,
                deadline,
            };
            self.produces.insert(token, waiting);
        }
        for (partition, placed, ticket) in placed {
            self.await_placed(now, partition, placed, ticket, needs_all);
        }
    }

    /// Whether a batch that is in the log is answered only later.
    pub(super) fn has_to_wait(&self, id: PartitionId, acks: Acks, placed: Placed) -> bool {
        match acks {
            Acks::All => true,
            Acks::Leader => self.is_unsynced(id, placed.end),
            Acks::None => false,
        }
    }

    /// Has a batch that is in the log wait for the in-sync replicas, or for the leader's own sync.
    pub(super) fn await_placed(
        &mut self,
        now: Time,
        id: PartitionId,
        placed: Placed,
        ticket: Option<Ticket>,
        needs_all: bool,
    ) {
        if !placed.is_duplicate {
            let ticket = ticket.filter(|_| needs_all);
            self.count_append(now, id, placed.end, ticket);
        } else if let Some(ticket) = ticket.filter(|_| needs_all) {
            self.with_replica(id, |replica, _, commands| {
                replica.await_offset(placed.end, ticket, commands);
            });
        }
        if let Some(ticket) = ticket.filter(|_| !needs_all)
            && let Some(partition) = self.partitions.get_mut(&id)
        {
            partition.sync_waits.insert(placed.end, ticket);
        }
    }

    /// Something was appended up to `end`: it counts now, or once it is synced. `ticket` waits until
    /// the high watermark is there.
    pub(super) fn count_append(
        &mut self,
        now: Time,
        id: PartitionId,
        end: Offset,
        ticket: Option<Ticket>,
    ) {
        self.wake_watchers(id);
        self.want_sync(id);
        let counts_later = self.is_unsynced(id, end);
        self.with_replica(id, |replica, brokers, commands| match ticket {
            Some(ticket) if counts_later => replica.await_offset(end, ticket, commands),
            None if counts_later => {}
            ticket => replica.appended(now, end, ticket, brokers, commands),
        });
    }

    /// Appends one batch as the leader, unless its producer has sent it before.
    pub(super) fn append(
        &mut self,
        now: Time,
        wall: TimestampMs,
        id: PartitionId,
        batch: Bytes,
        needs_all: bool,
    ) -> Result<Placed, ErrorCode> {
        self.led(now, id, LeaderEpoch::UNKNOWN)?
            .replica
            .check_produce(needs_all)?;
        let partition = self.partitions.get_mut(&id);
        let partition = partition.ok_or(ErrorCode::NotLeaderOrFollower)?;
        let header = BatchHeader::parse(&batch).map_err(|error| error.error_code())?;
        let checked = partition.log.check_producer(&header);
        if let ProducerCheck::Duplicate(first) = checked.map_err(|error| error.error_code())? {
            return Ok(Placed {
                base_offset: first.first_offset,
                end: first.last_offset.plus(1),
                is_duplicate: true,
            });
        }
        let epoch = partition.replica.leader_epoch();
        // The network buffer is stamped in place where nobody else holds it.
        let mut batch = batch
            .try_into_mut()
            .unwrap_or_else(|held| BytesMut::from(&held[..]));
        match partition.log.append_as_leader(&mut batch, epoch, wall) {
            Ok(appended) => {
                partition.traffic.bytes_in += appended.size_bytes as u64;
                partition.traffic.messages_in += u64::try_from(header.record_count).unwrap_or(0);
                Ok(Placed {
                    base_offset: appended.first_offset,
                    end: appended.last_offset.plus(1),
                    is_duplicate: false,
                })
            }
            Err(error) => {
                let code = error.error_code();
                self.note_storage(id, Some(error));
                Err(code)
            }
        }
    }

    /// One partition's part of a produce waits no more.
    pub(super) fn cancel_ticket(&mut self, id: PartitionId, ticket: Ticket) {
        self.parked.remove(id, ticket);
        if let Some(partition) = self.partitions.get_mut(&id) {
            partition.sync_waits.remove(ticket);
        }
        self.with_replica(id, |replica, _, _| replica.cancel(ticket));
    }

    fn produced(&self, id: PartitionId, result: Result<Offset, ErrorCode>) -> Produced {
        let error = result.err().unwrap_or(ErrorCode::None);
        Produced {
            partition: id,
            error,
            base_offset: result.unwrap_or(Offset(-1)),
            log_append_time: TimestampMs(-1),
            log_start: self.log_start(id),
            current_leader: self.hint(id, error),
        }
    }

    pub(super) fn log_start(&self, id: PartitionId) -> Offset {
        self.partitions
            .get(&id)
            .map_or(Offset(-1), |p| p.log.log_start())
    }

    /// Ends the wait of produces whose time is over.
    pub(super) fn time_out_produces(&mut self, now: Time, out: &mut Vec<Command>) {
        for (ticket, partition) in self.produces.overdue(now) {
            self.cancel_ticket(partition, ticket);
            self.produces
                .decide(ticket, ErrorCode::RequestTimedOut, out);
        }
    }
}
