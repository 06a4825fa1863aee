//! Mending: a batch that the disk has changed is asked of the other replicas, leader and followers
//! alike, and written over (KIP-966 and KIP-101 know of no such thing: Kafka's replica goes offline).
//!
//! Nothing that is committed is cut off, and nobody steps down for it: of two replicas that are damaged
//! in different places each is what the other is mended from. While no replica that lives has an intact copy, what
//! is readable is served and the rest is answered KAFKA_STORAGE_ERROR; it is asked for again and again.

use std::collections::BTreeMap;

use kintsugi_storage::{Damage, FileSystem, LogError, Mended};
use kintsugi_types::{BrokerId, ErrorCode, PartitionId, Time};

use super::Shard;
use super::fetchers::FetcherKey;
use super::partition::last_epoch;
use crate::message::replication::{
    FetchClass, FetchPosition, FetchRequest, FetchResponse, FetchedPartition,
};
use crate::message::shard::{Command, Mending, MendingStep, Token};

/// The first damaged place of one log that is known.
#[derive(Debug)]
struct Mend {
    damage: Damage,
    /// How many replicas were asked without success since it was found.
    tries: usize,
    ask_at: Time,
    /// Whether every replica that lives was asked in vain.
    is_hopeless: bool,
}

/// A replica was asked.
#[derive(Clone, Copy, Debug)]
struct Asked {
    partition: PartitionId,
    session: u64,
    until: Time,
}

/// Damaged places that were found, one a log: the next is found when that one is mended.
#[derive(Debug, Default)]
pub(super) struct Mends {
    mends: BTreeMap<PartitionId, Mend>,
    asked: BTreeMap<FetcherKey, Asked>,
    last_session: u64,
    /// What is to be told.
    steps: Vec<Mending>,
}

impl Mends {
    pub fn next_wake(&self) -> Time {
        let answers = self.asked.values().map(|asked| asked.until);
        let is_idle = |id: &PartitionId| !self.asked.values().any(|asked| asked.partition == *id);
        let asks = self.mends.iter().filter(|(id, _)| is_idle(id));
        let asks = asks.map(|(_, mend)| mend.ask_at);
        answers.chain(asks).min().unwrap_or(Time::NEVER)
    }

    pub fn forget(&mut self, id: PartitionId) {
        self.mends.remove(&id);
    }

    /// Whether a damaged place of this log is about to be mended, as far as is known.
    pub fn is_hopeful(&self, id: PartitionId) -> bool {
        self.mends.get(&id).is_some_and(|mend| !mend.is_hopeless)
    }

    /// Whether a damaged place of this log is known.
    pub fn is_damaged(&self, id: PartitionId) -> bool {
        self.mends.contains_key(&id)
    }
}

impl<F: FileSystem> Shard<F> {
    /// A log failed to give something: if that is because of what its files hold, it is mended.
    pub(super) fn note_damage(&mut self, id: PartitionId, error: &LogError) {
        let Some(partition) = self.partitions.get(&id) else {
            return;
        };
        if self.mends.mends.contains_key(&id) {
            return;
        }
        let Some(damage) = partition.log.damage(error) else {
            return;
        };
        self.counts.batches_damaged += 1;
        self.mends.steps.push(Mending {
            partition: id,
            topic: partition.name.clone(),
            offset: damage.offset(),
            step: MendingStep::Found {
                cause: error.to_string(),
            },
        });
        let mend = Mend {
            damage,
            tries: 0,
            ask_at: Time::ZERO,
            is_hopeless: false,
        };
        self.mends.mends.insert(id, mend);
    }

    /// Asks for what is damaged, and tells what became of it.
    pub(super) fn mend(&mut self, now: Time, out: &mut Vec<Command>) {
        let overdue = self.mends.asked.iter();
        let overdue = overdue.filter(|(_, asked)| now >= asked.until);
        for key in overdue.map(|(key, _)| *key).collect::<Vec<_>>() {
            self.mend_failed(now, key);
        }
        self.tell_steps(out);
        let wanted = self.mends.mends.iter().filter(|(_, m)| now >= m.ask_at);
        for id in wanted.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.ask_for(now, id, out);
        }
        self.tell_steps(out);
    }

    fn tell_steps(&mut self, out: &mut Vec<Command>) {
        out.extend(self.mends.steps.drain(..).map(Command::Mending));
    }

    /// The live replicas that may have an intact copy, the leader first.
    fn peers(&self, id: PartitionId) -> Vec<BrokerId> {
        let Some(state) = self.image.partition(id) else {
            return Vec::new();
        };
        let is_peer =
            |broker: &BrokerId| *broker != self.config.broker && self.image.is_unfenced(*broker);
        let leader = state.leader.into_iter();
        let others = state.replicas.iter().copied();
        let others = others.filter(|broker| Some(*broker) != state.leader);
        leader.chain(others).filter(is_peer).collect()
    }

    fn ask_for(&mut self, now: Time, id: PartitionId, out: &mut Vec<Command>) {
        if self.mends.asked.values().any(|asked| asked.partition == id) {
            return;
        }
        let peers = self.peers(id);
        let tries = self.mends.mends.get(&id).map_or(0, |mend| mend.tries);
        let peer = tries.checked_rem(peers.len()).map(|number| peers[number]);
        let shard = peer.map_or(0, |peer| id.shard_of(self.shards_of(peer)));
        let (Some(mend), Some(partition)) =
            (self.mends.mends.get_mut(&id), self.partitions.get(&id))
        else {
            return;
        };
        let Some(peer) = peer else {
            mend.ask_at = now + self.config.timings.backoff_max;
            self.give_up_for_now(id);
            return;
        };
        let offset = mend.damage.offset();
        let key = (peer, shard, FetchClass::Mending);
        // One question at a time on a connection: the next when that is answered.
        let Some(endpoint) = self.image.brokers.get(&peer) else {
            return;
        };
        if self.mends.asked.contains_key(&key) {
            mend.ask_at = now + self.config.timings.backoff_min;
            return;
        }
        self.mends.last_session += 1;
        let session = self.mends.last_session;
        let until = now + self.config.timings.replica_timeout;
        self.mends.asked.insert(
            key,
            Asked {
                partition: id,
                session,
                until,
            },
        );
        let max_bytes = self.config.limits.catch_up_bytes_max;
        out.push(Command::ReplicaFetch {
            leader: peer,
            endpoint: endpoint.registration.replication_endpoint.clone(),
            request: FetchRequest {
                follower: self.config.broker,
                broker_epoch: self.broker_epoch,
                follower_shard: self.config.shard,
                leader_shard: shard,
                class: FetchClass::Mending,
                session,
                sequence: 0,
                changed: vec![FetchPosition {
                    partition: id,
                    leader_epoch: partition.replica.leader_epoch(),
                    fetch_offset: offset,
                    last_fetched_epoch: last_epoch(&partition.log),
                    counted_end: offset,
                    log_start: partition.log.log_start(),
                }],
                forgotten: Vec::new(),
                max_bytes: u32::try_from(max_bytes).unwrap_or(u32::MAX),
                max_wait_ms: 0,
            },
        });
    }

    /// A replica answered.
    pub(super) fn mend_answered(&mut self, now: Time, key: FetcherKey, response: FetchResponse) {
        let asked = self.mends.asked.get(&key).copied();
        let Some(asked) = asked.filter(|asked| asked.session == response.session) else {
            return;
        };
        let id = asked.partition;
        let mut given = response.partitions.into_iter();
        let given = given.find(|given| given.partition == id && given.error.is_none());
        let (Some(given), Some(mend), Some(partition)) = (
            given,
            self.mends.mends.get_mut(&id),
            self.partitions.get_mut(&id),
        ) else {
            self.mend_failed(now, key);
            return;
        };
        match partition.log.mend(mend.damage, &given.batches) {
            Ok(mended) => {
                self.mends.asked.remove(&key);
                self.counts.batches_mended += u64::from(mended == Mended::Whole);
                if let Mended::More(damage) = mended {
                    mend.damage = damage;
                    return;
                }
                self.mends.steps.push(Mending {
                    partition: id,
                    topic: partition.name.clone(),
                    offset: mend.damage.offset(),
                    step: MendingStep::Mended { from: key.0 },
                });
                self.mends.mends.remove(&id);
                self.want_sync(id);
                self.wake_watchers(id);
            }
            Err(error) => {
                self.note_poison(id, &error);
                self.mend_failed(now, key);
            }
        }
    }

    /// A replica did not answer, or has no intact copy: the next is asked, and after the last one
    /// the first again, after a while.
    pub(super) fn mend_failed(&mut self, now: Time, key: FetcherKey) {
        let Some(asked) = self.mends.asked.remove(&key) else {
            return;
        };
        let id = asked.partition;
        let peers = self.peers(id).len().max(1);
        let Some(mend) = self.mends.mends.get_mut(&id) else {
            return;
        };
        mend.tries += 1;
        if mend.tries % peers == 0 {
            mend.ask_at = now + self.config.timings.backoff_max;
            self.give_up_for_now(id);
            self.step_aside(id);
        }
    }

    /// A leader that cannot give what it has not committed would hold its followers up for good. They
    /// hold all that is committed: one of them leads on, and here the log is cut to that one's.
    fn step_aside(&mut self, id: PartitionId) {
        let (Some(mend), Some(partition)) = (self.mends.mends.get(&id), self.partitions.get(&id))
        else {
            return;
        };
        if mend.damage.offset() >= partition.replica.high_watermark() {
            self.with_replica(id, |replica, brokers, commands| {
                replica.resign(brokers, commands);
            });
        }
    }

    /// Whoever waits for a damaged batch is told that it cannot be read now.
    fn give_up_for_now(&mut self, id: PartitionId) {
        let (Some(mend), Some(partition)) =
            (self.mends.mends.get_mut(&id), self.partitions.get(&id))
        else {
            return;
        };
        if !std::mem::replace(&mut mend.is_hopeless, true) {
            self.mends.steps.push(Mending {
                partition: id,
                topic: partition.name.clone(),
                offset: mend.damage.offset(),
                step: MendingStep::NoCopy,
            });
            self.wake_watchers(id);
        }
    }

    /// Another replica asks for what is damaged there. Any replica answers, leader or not, with what
    /// it has: the asking one knows by offset and epoch whether that is what stood in its log.
    pub(super) fn serve_mending(
        &mut self,
        token: Token,
        request: &FetchRequest,
        out: &mut Vec<Command>,
    ) {
        let max_bytes = usize::try_from(request.max_bytes).unwrap_or(usize::MAX);
        let max_bytes = max_bytes.min(self.config.limits.catch_up_bytes_max);
        let given = request.changed.first();
        let given = given.map(|position| self.give(position, max_bytes));
        out.push(Command::AnswerReplicaFetch {
            token,
            response: FetchResponse {
                class: request.class,
                session: request.session,
                sequence: request.sequence,
                error: ErrorCode::None,
                partitions: given.into_iter().collect(),
            },
        });
    }

    fn give(&mut self, position: &FetchPosition, max_bytes: usize) -> FetchedPartition {
        let id = position.partition;
        let mut given = FetchedPartition::with_error(id, ErrorCode::UnknownTopicId);
        let Some(partition) = self.partitions.get(&id) else {
            return given;
        };
        given.leader_epoch = partition.replica.leader_epoch();
        given.high_watermark = partition.replica.high_watermark();
        given.log_start = partition.log.log_start();
        let end = partition.log.log_end();
        let read = partition
            .log
            .read(position.fetch_offset, max_bytes, end, true);
        match read {
            Ok(read) => {
                given.error = ErrorCode::None;
                given.batches = read.bytes;
            }
            Err(error) => {
                given.error = error.error_code();
                self.note_storage(id, Some(error));
            }
        }
        given
    }
}
