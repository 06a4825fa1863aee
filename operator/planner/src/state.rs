//! A placement in the making: what a plan has changed so far, over a model that it leaves alone.

use std::hint::black_box;

use crate::changes::{Change, Changes};
use crate::dims::{self, Vector};
use crate::input::BrokerState;
use crate::model::{Model, Row, Seat};

/// Rows that are read at once before they are worked on.
pub(crate) const WARMED: usize = 16;

/// See the module.
#[derive(Debug, Clone)]
pub(crate) struct State<'m> {
    pub model: &'m Model,
    /// States of the brokers, with what the scope says of them.
    pub states: Vec<BrokerState>,
    pub sums: Vec<Vector>,
    changes: Changes,
    arrivals: Vec<Vec<u32>>,
    /// By how many each topic has more replicas on each broker; empty until somebody asks.
    topic_delta: Vec<i32>,
}

impl<'m> State<'m> {
    pub fn new(model: &'m Model, states: Vec<BrokerState>) -> State<'m> {
        State {
            model,
            states,
            sums: model.sums.clone(),
            changes: Changes::new(model.rows.len()),
            arrivals: vec![Vec::new(); model.brokers.len()],
            topic_delta: Vec::new(),
        }
    }

    #[inline]
    pub fn row(&self, partition: u32) -> &'m Row {
        &self.model.rows[partition as usize]
    }

    /// What has changed, in the order in which it first did.
    pub fn changed(&self) -> &[Change] {
        self.changes.as_slice()
    }

    /// Makes room for so many changes more.
    pub fn expect_changes(&mut self, more: usize) {
        self.changes.reserve(more);
        let each = more / self.arrivals.len().max(1);
        for arrivals in &mut self.arrivals {
            arrivals.reserve(each + each / 8);
        }
    }

    /// Reads at most [`WARMED`] rows that are needed next. Each is a miss of the cache, and misses
    /// wait for each other unless there is little between them.
    #[inline]
    pub fn warm(&self, partitions: impl Iterator<Item = u32>) {
        for partition in partitions.take(WARMED) {
            black_box(self.row(partition).topic);
        }
    }

    #[inline]
    pub fn seat(&self, partition: u32) -> Seat {
        match self.changes.get(partition) {
            None => self.row(partition).seat,
            Some(seat) => *seat,
        }
    }

    /// Partitions that have a replica on a broker now.
    pub fn members(&self, broker: u16) -> impl Iterator<Item = u32> {
        let at = usize::from(broker);
        let all = self.model.members[at].iter().chain(&self.arrivals[at]);
        all.copied()
            .filter(move |partition| self.still_has(broker, *partition))
    }

    /// As [`State::members`], about `count` of them, spread over all from a place on.
    pub fn sample(&self, broker: u16, count: usize, offset: usize) -> impl Iterator<Item = u32> {
        let at = usize::from(broker);
        let (base, come) = (&self.model.members[at], &self.arrivals[at]);
        let total = base.len() + come.len();
        let step = (total / count.max(1)).max(1);
        let first = if total == 0 { 0 } else { offset % step };
        (first..total)
            .step_by(step)
            .map(move |place| base.get(place).or_else(|| come.get(place - base.len())))
            .filter_map(|partition| partition.copied())
            .filter(move |partition| self.still_has(broker, *partition))
    }

    /// Whether a broker still has a replica of a partition that it had, or got.
    #[inline]
    fn still_has(&self, broker: u16, partition: u32) -> bool {
        let changed = self.changes.get(partition);
        changed.is_none_or(|seat| seat.place_of(broker).is_some())
    }

    pub fn replica_count(&self, broker: u16) -> usize {
        self.sums[usize::from(broker)][dims::REPLICAS] as usize
    }

    /// Counts replicas of topics from here on, for [`State::topic_count`].
    pub fn count_topics(&mut self) {
        self.topic_delta = vec![0; self.model.topic_replicas.len()];
        for change in self.changes.as_slice() {
            for (seat, by) in [(&change.row.seat, -1), (&change.seat, 1)] {
                for broker in seat.replicas() {
                    self.topic_delta[self.model.pair(change.row.topic, *broker)] += by;
                }
            }
        }
    }

    pub fn topic_count(&self, topic: u32, broker: u16) -> i64 {
        let pair = self.model.pair(topic, broker);
        i64::from(self.model.topic_replicas[pair]) + i64::from(self.topic_delta[pair])
    }

    fn seat_mut(&mut self, partition: u32) -> &mut Seat {
        let row = &self.model.rows[partition as usize];
        self.changes.get_mut_or(partition, row)
    }

    /// Moves a replica, with the leadership if it leads.
    pub fn move_replica(&mut self, partition: u32, from: u16, to: u16) {
        let untouched = !self.changes.contains(partition);
        let seat = self.seat_mut(partition);
        let Some(place) = seat.place_of(from) else {
            return;
        };
        seat.brokers[place] = to;
        let leads = place == usize::from(seat.leader);
        let row = self.row(partition);
        let vector = row.replica(leads);
        dims::add(&mut self.sums[usize::from(from)], &vector, -1.0);
        dims::add(&mut self.sums[usize::from(to)], &vector, 1.0);
        if !self.topic_delta.is_empty() {
            self.topic_delta[self.model.pair(row.topic, from)] -= 1;
            self.topic_delta[self.model.pair(row.topic, to)] += 1;
        }
        let was_there = row.seat.place_of(to).is_some();
        let arrivals = &mut self.arrivals[usize::from(to)];
        if !was_there && (untouched || !arrivals.contains(&partition)) {
            arrivals.push(partition);
        }
    }

    /// Moves a leadership to a broker that has a replica.
    pub fn move_leadership(&mut self, partition: u32, to: u16) {
        let seat = self.seat_mut(partition);
        let from = seat.leader_broker();
        let Some(place) = seat.place_of(to) else {
            return;
        };
        seat.leader = place as u8;
        let vector = self.row(partition).leadership();
        if let Some(from) = from {
            dims::add(&mut self.sums[usize::from(from)], &vector, -1.0);
        }
        dims::add(&mut self.sums[usize::from(to)], &vector, 1.0);
    }

    /// Gives replicas that came back, perhaps by another's way, their place in the preferred order.
    pub fn restore_order(&mut self) {
        for (before, seat) in self.changes.seats_mut() {
            let (old, leader) = (*seat, seat.leader_broker());
            let mut new = old.replicas().iter().copied();
            let mut new = std::iter::from_fn(|| new.find(|at| before.place_of(*at).is_none()));
            for (place, home) in before.replicas().iter().copied().enumerate() {
                let stays = old.place_of(home).is_some();
                if let Some(broker) = if stays { Some(home) } else { new.next() } {
                    seat.brokers[place] = broker;
                }
            }
            if let Some(place) = leader.and_then(|leader| seat.place_of(leader)) {
                seat.leader = place as u8;
            }
        }
    }

    /// Replicas and leaderships that the changes so far move.
    pub fn moves(&self) -> usize {
        let changed = self.changed().iter();
        changed
            .map(|change| change.moved_replicas() + usize::from(change.moves_leadership()))
            .sum()
    }

    /// Bytes that the changes so far copy.
    pub fn bytes(&self) -> f64 {
        self.changed().iter().map(Change::bytes).sum()
    }
}
