//! Followers' fetch sessions, on the leader's side (KIP-227).
//!
//! A session remembers each partition's position, and which partitions have something to say.
//! Only those are looked at when a fetch is answered.

mod serve;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use kintsugi_metadata::Image;
use kintsugi_types::{BrokerEpoch, BrokerId, Offset, PartitionId, Time};

use crate::message::replication::{FetchClass, FetchPosition};
use crate::message::shard::Token;

/// A follower, which of its shards, and which session of it.
pub(super) type SessionKey = (BrokerId, u16, FetchClass);

/// A follower's position, and what it was told last.
#[derive(Clone, Copy, Debug)]
struct Position {
    fetch: FetchPosition,
    told_high_watermark: Offset,
    told_log_start: Offset,
}

/// A fetch that is held.
#[derive(Clone, Copy, Debug)]
struct Held {
    token: Token,
    until: Time,
    max_bytes: usize,
    /// Nothing is sent before this: the leader's rate is used up.
    throttled_until: Time,
}

impl Held {
    /// When this fetch has to be looked at again, whatever happens until then.
    fn next_look(&self) -> Time {
        match self.throttled_until {
            Time::ZERO => self.until,
            throttled_until => self.until.min(throttled_until),
        }
    }
}

#[derive(Debug)]
struct Session {
    id: u64,
    sequence: u64,
    broker_epoch: BrokerEpoch,
    positions: BTreeMap<PartitionId, Position>,
    /// Partitions that have something to say.
    ready: BTreeSet<PartitionId>,
    /// Where the next answer begins to look, so that under the byte limit all get their turn.
    cursor: Option<PartitionId>,
    held: Option<Held>,
    /// Partitions newly led here that the follower has not asked for yet.
    expected: BTreeSet<PartitionId>,
    expected_until: Time,
}

impl Session {
    fn new(id: u64, broker_epoch: BrokerEpoch) -> Self {
        Self {
            id,
            sequence: 0,
            broker_epoch,
            positions: BTreeMap::new(),
            ready: BTreeSet::new(),
            cursor: None,
            held: None,
            expected: BTreeSet::new(),
            expected_until: Time::ZERO,
        }
    }

    /// The partitions that have something to say, beginning after the cursor.
    fn ready_in_turn(&self) -> Vec<PartitionId> {
        let Some(cursor) = self.cursor else {
            return self.ready.iter().copied().collect();
        };
        let after = (Bound::Excluded(cursor), Bound::Unbounded);
        let later = self.ready.range(after);
        later.chain(self.ready.range(..=cursor)).copied().collect()
    }
}

/// All sessions of this shard.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    sessions: BTreeMap<SessionKey, Session>,
}

impl Sessions {
    /// Notes that a partition has something to say; true if a held fetch may now be answered.
    pub fn mark_ready(&mut self, key: SessionKey, partition: PartitionId) -> bool {
        let session = self.sessions.get_mut(&key);
        session.is_some_and(|session| {
            session.ready.insert(partition);
            session.held.is_some()
        })
    }

    /// A follower of this partition, newly led here, will soon ask for it: its held fetch is
    /// answered at once, so that its next request can.
    pub fn expect(&mut self, key: SessionKey, partition: PartitionId, until: Time) {
        if let Some(session) = self.sessions.get_mut(&key) {
            session.expected.insert(partition);
            session.expected_until = until;
            if let Some(held) = &mut session.held {
                held.until = Time::ZERO;
            }
        }
    }

    /// The sessions that have a position in this partition.
    pub fn with_position(&self, partition: PartitionId) -> BTreeSet<SessionKey> {
        let sessions = self.sessions.iter();
        let with = sessions.filter(|(_, session)| session.positions.contains_key(&partition));
        with.map(|(key, _)| *key).collect()
    }

    /// Where a follower's log of this partition starts, by its last fetch.
    pub fn log_start(&self, follower: BrokerId, partition: PartitionId) -> Option<Offset> {
        let sessions = self.sessions.iter().filter(|(key, _)| key.0 == follower);
        let positions = sessions.filter_map(|(_, session)| session.positions.get(&partition));
        positions.map(|position| position.fetch.log_start).max()
    }

    /// The sessions of followers' incarnations that were replaced.
    pub fn outlived(&self, image: &Image) -> Vec<SessionKey> {
        let is_outlived = |key: &SessionKey, session: &Session| {
            let broker = image.brokers.get(&key.0);
            broker.is_some_and(|broker| broker.epoch > session.broker_epoch)
        };
        let sessions = self.sessions.iter();
        let outlived = sessions.filter(|(key, session)| is_outlived(key, session));
        outlived.map(|(key, _)| *key).collect()
    }

    /// The connection of a held fetch is gone.
    pub fn cancel(&mut self, token: Token) {
        for session in self.sessions.values_mut() {
            session.held = session.held.filter(|held| held.token != token);
        }
    }

    pub fn overdue(&self, now: Time) -> Vec<SessionKey> {
        let is_due = |session: &Session| session.held.is_some_and(|held| now >= held.next_look());
        let due = self.sessions.iter().filter(|(_, session)| is_due(session));
        due.map(|(key, _)| *key).collect()
    }

    pub fn next_wake(&self) -> Time {
        let held = self.sessions.values().filter_map(|session| session.held);
        held.map(|held| held.next_look())
            .min()
            .unwrap_or(Time::NEVER)
    }
}
