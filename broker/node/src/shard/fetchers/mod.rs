//! Fetching from leaders: one session with each (leader, shard of it, class), one request in flight.

mod apply;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use kintsugi_types::{BrokerId, PartitionId, Time};

use super::config::Timings;
use crate::message::replication::FetchClass;

/// A leader, which of its shards, and which session with it.
pub(super) type FetcherKey = (BrokerId, u16, FetchClass);

/// A request in flight.
#[derive(Clone, Copy, Debug)]
struct InFlight {
    session: u64,
    sequence: u64,
    until: Time,
}

/// A session with one leader's shard.
#[derive(Debug)]
struct Fetcher {
    session: u64,
    /// Zero: the next request begins a session.
    next_sequence: u64,
    partitions: BTreeSet<PartitionId>,
    /// Partitions whose position the leader does not know.
    changed: BTreeSet<PartitionId>,
    forgotten: BTreeSet<PartitionId>,
    /// Partitions that the leader would not serve; told again at these times.
    delayed: BTreeMap<PartitionId, Time>,
    in_flight: Option<InFlight>,
    send_at: Time,
    backoff: Duration,
}

/// All fetchers of this shard.
#[derive(Debug)]
pub(super) struct Fetchers {
    fetchers: BTreeMap<FetcherKey, Fetcher>,
    /// From whom each partition is fetched.
    sources: BTreeMap<PartitionId, FetcherKey>,
    /// Partitions that change to another session with the same leader once its request has come
    /// back; until then they are fetched where they were.
    joining: BTreeMap<PartitionId, FetcherKey>,
    timings: Timings,
    rng: fastrand::Rng,
}

impl Fetchers {
    pub fn new(timings: Timings, seed: u64) -> Self {
        Self {
            fetchers: BTreeMap::new(),
            sources: BTreeMap::new(),
            joining: BTreeMap::new(),
            timings,
            rng: fastrand::Rng::with_seed(seed),
        }
    }

    /// From where a partition is fetched, or will be once that session takes it in.
    pub fn source(&self, partition: PartitionId) -> Option<FetcherKey> {
        let joining = self.joining.get(&partition);
        joining.or_else(|| self.sources.get(&partition)).copied()
    }

    /// The partition belongs in another session, for the same leadership. If that one's request is
    /// in flight, which a leader may hold for `replica.fetch.wait.max.ms`, the partition stays
    /// where it is fetched now: what is appended meanwhile would wait for nothing else.
    pub fn change(&mut self, now: Time, partition: PartitionId, source: Option<FetcherKey>) {
        let present = self.sources.get(&partition).copied();
        let shares_leader = |key: FetcherKey| present.is_some_and(|p| (p.0, p.1) == (key.0, key.1));
        let is_busy = |key: FetcherKey| {
            let fetcher = self.fetchers.get(&key);
            fetcher.is_some_and(|fetcher| fetcher.in_flight.is_some())
        };
        match source.filter(|key| present != source && shares_leader(*key) && is_busy(*key)) {
            Some(key) => {
                self.joining.insert(partition, key);
            }
            None => self.assign(now, partition, source),
        }
    }

    /// A session has no request in flight any more: it takes in what was to join it.
    fn take_in(&mut self, now: Time, key: FetcherKey) {
        let joining = self.joining.iter().filter(|(_, target)| **target == key);
        let joining: Vec<PartitionId> = joining.map(|(partition, _)| *partition).collect();
        for partition in joining {
            self.assign(now, partition, Some(key));
        }
    }

    /// From now on a partition is fetched from here, or from nobody. A new position is told with
    /// the next request.
    pub fn assign(&mut self, now: Time, partition: PartitionId, source: Option<FetcherKey>) {
        self.joining.remove(&partition);
        let before = self.sources.remove(&partition);
        if before != source
            && let Some(fetcher) = before.and_then(|key| self.fetchers.get_mut(&key))
        {
            fetcher.partitions.remove(&partition);
            fetcher.changed.remove(&partition);
            fetcher.delayed.remove(&partition);
            fetcher.forgotten.insert(partition);
        }
        if let Some(key) = source {
            self.sources.insert(partition, key);
            let backoff = self.timings.backoff_min;
            let fetcher = self.fetchers.entry(key).or_insert_with(|| Fetcher {
                session: 0,
                next_sequence: 0,
                partitions: BTreeSet::new(),
                changed: BTreeSet::new(),
                forgotten: BTreeSet::new(),
                delayed: BTreeMap::new(),
                in_flight: None,
                send_at: now,
                backoff,
            });
            fetcher.partitions.insert(partition);
            fetcher.changed.insert(partition);
            fetcher.forgotten.remove(&partition);
            // A back-off was about other partitions' luck; a new leadership is tried at once.
            fetcher.send_at = fetcher.send_at.min(now);
            fetcher.delayed.remove(&partition);
        }
    }

    /// The leader has to hear of this partition's position again.
    pub fn tell_again(&mut self, partition: PartitionId) {
        let key = self.sources.get(&partition);
        if let Some(fetcher) = key.and_then(|key| self.fetchers.get_mut(key)) {
            fetcher.changed.insert(partition);
        }
    }

    /// A leader has a new incarnation: its sessions begin anew, at once.
    pub fn reset(&mut self, now: Time, leader: BrokerId) {
        let keys = (leader, 0, FetchClass::MIN)..=(leader, u16::MAX, FetchClass::MAX);
        for (_, fetcher) in self.fetchers.range_mut(keys) {
            fetcher.in_flight = None;
            fetcher.next_sequence = 0;
            fetcher.send_at = now;
            fetcher.backoff = self.timings.backoff_min;
        }
        let joining = self.joining.values().copied();
        let joined: BTreeSet<FetcherKey> = joining.filter(|key| key.0 == leader).collect();
        for key in joined {
            self.take_in(now, key);
        }
    }

    /// A request failed: the session begins anew, after a while.
    pub fn failed(&mut self, now: Time, key: FetcherKey) {
        let backoff_max = self.timings.backoff_max;
        if let Some(fetcher) = self.fetchers.get_mut(&key)
            && fetcher.in_flight.take().is_some()
        {
            fetcher.next_sequence = 0;
            let send_at = now + fetcher.backoff;
            fetcher.backoff = (fetcher.backoff * 2).min(backoff_max);
            // That a partition joins is no reason to ask a failed leader sooner.
            self.take_in(now, key);
            if let Some(fetcher) = self.fetchers.get_mut(&key) {
                fetcher.send_at = send_at;
            }
        }
    }

    /// Gives up requests that were not answered in time, and tells positions again that a leader
    /// would not take.
    pub fn wake(&mut self, now: Time) {
        let mut overdue = Vec::new();
        for (key, fetcher) in &mut self.fetchers {
            if fetcher
                .in_flight
                .is_some_and(|request| now >= request.until)
            {
                overdue.push(*key);
            }
            let changed = &mut fetcher.changed;
            fetcher.delayed.retain(|partition, at| {
                let is_due = now >= *at;
                if is_due {
                    changed.insert(*partition);
                }
                !is_due
            });
        }
        for key in overdue {
            self.failed(now, key);
        }
        // One whose last partition went elsewhere ends when its request has come back.
        self.fetchers
            .retain(|_, fetcher| fetcher.in_flight.is_some() || !fetcher.partitions.is_empty());
    }

    pub fn next_wake(&self) -> Time {
        let wakes = self.fetchers.values().map(|fetcher| {
            let request = match fetcher.in_flight {
                Some(request) => request.until,
                None if fetcher.partitions.is_empty() => Time::NEVER,
                None => fetcher.send_at,
            };
            let delayed = fetcher.delayed.values().min();
            request.min(delayed.copied().unwrap_or(Time::NEVER))
        });
        wakes.min().unwrap_or(Time::NEVER)
    }
}
