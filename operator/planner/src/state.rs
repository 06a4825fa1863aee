//! A placement in the making: what a plan has changed so far, over a model that it leaves alone.
//!
//! Arrays as long as the partitions start as zero pages, so that only what is touched costs.

use std::hint::black_box;

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
    /// Place in `changed` plus one, for each partition; 0 where nothing has changed.
    changed_at: Vec<u32>,
    pub changed: Vec<(u32, Seat)>,
    arrivals: Vec<Vec<u32>>,
    topic_delta: Vec<i32>,
}

impl<'m> State<'m> {
    pub fn new(model: &'m Model, states: Vec<BrokerState>) -> State<'m> {
        State {
            model,
            states,
            sums: model.sums.clone(),
            changed_at: vec![0; model.rows.len()],
            changed: Vec::new(),
            arrivals: vec![Vec::new(); model.brokers.len()],
            topic_delta: vec![0; model.topic_replicas.len()],
        }
    }

    #[inline]
    pub fn row(&self, partition: u32) -> &'m Row {
        &self.model.rows[partition as usize]
    }

    /// What has changed, with the rows read some at a time.
    pub fn changes(&self) -> impl Iterator<Item = &(u32, Seat)> {
        self.changed.chunks(WARMED).flat_map(|some| {
            self.warm(some.iter().map(|(partition, _)| *partition));
            some
        })
    }

    /// Reads at most [`WARMED`] rows that are needed next. Each is a miss of the cache, and misses
    /// wait for each other unless there is little between them.
    #[inline]
    pub fn warm(&self, partitions: impl Iterator<Item = u32>) {
        for partition in partitions.take(WARMED) {
            black_box(self.changed_at[partition as usize]);
            black_box(self.row(partition).topic);
        }
    }

    #[inline]
    pub fn seat(&self, partition: u32) -> Seat {
        match self.changed_at[partition as usize] {
            0 => self.row(partition).seat,
            place => self.changed[place as usize - 1].1,
        }
    }

    /// Partitions that have a replica on a broker now.
    pub fn members(&self, broker: u16) -> impl Iterator<Item = u32> {
        let at = usize::from(broker);
        let all = self.model.members[at].iter().chain(&self.arrivals[at]);
        all.copied().filter(move |partition| {
            self.changed_at[*partition as usize] == 0
                || self.seat(*partition).place_of(broker).is_some()
        })
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
            .filter(move |partition| {
                self.changed_at[*partition as usize] == 0
                    || self.seat(*partition).place_of(broker).is_some()
            })
    }

    pub fn replica_count(&self, broker: u16) -> usize {
        self.sums[usize::from(broker)][dims::REPLICAS] as usize
    }

    pub fn topic_count(&self, topic: u32, broker: u16) -> i64 {
        let pair = self.model.pair(topic, broker);
        i64::from(self.model.topic_replicas[pair]) + i64::from(self.topic_delta[pair])
    }

    fn seat_mut(&mut self, partition: u32) -> &mut Seat {
        let place = &mut self.changed_at[partition as usize];
        if *place == 0 {
            self.changed
                .push((partition, self.model.rows[partition as usize].seat));
            *place = self.changed.len() as u32;
        }
        &mut self.changed[*place as usize - 1].1
    }

    /// Moves a replica, with the leadership if it leads.
    pub fn move_replica(&mut self, partition: u32, from: u16, to: u16) {
        let untouched = self.changed_at[partition as usize] == 0;
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
        self.topic_delta[self.model.pair(row.topic, from)] -= 1;
        self.topic_delta[self.model.pair(row.topic, to)] += 1;
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
        for (partition, seat) in &mut self.changed {
            let before = &self.model.rows[*partition as usize].seat;
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

    /// Replicas that a changed partition has on brokers where it had none.
    pub fn moved_replicas(&self, partition: u32, seat: &Seat) -> usize {
        let before = &self.row(partition).seat;
        seat.replicas()
            .iter()
            .filter(|broker| before.place_of(**broker).is_none())
            .count()
    }

    /// Replicas and leaderships that the changes so far move.
    pub fn moves(&self) -> usize {
        let moved = |(partition, seat): &(u32, Seat)| {
            let leader = self.row(*partition).seat.leader_broker();
            self.moved_replicas(*partition, seat) + usize::from(leader != seat.leader_broker())
        };
        self.changes().map(moved).sum()
    }

    /// Bytes that the changes so far copy.
    pub fn bytes(&self) -> f64 {
        let copied = |(partition, seat): &(u32, Seat)| {
            self.moved_replicas(*partition, seat) as f64 * self.row(*partition).bytes()
        };
        self.changes().map(copied).sum()
    }
}
