//! Many small random changes, worse ones too at first, for small clusters: there single replicas
//! are large beside what a broker may be off, so that the order in which replicas were moved
//! decides what a plan copies, and whether it meets its goals at all.
//!
//! What counts is bytes plus a price for what is out of the bands of all layers; the price rises
//! and what may be lost at one step falls to nothing. Racks, topics and leaders that are asked for
//! are obeyed at each step. The result may be worse than what it started from: who calls compares.

use crate::bands::Bands;
use crate::dims::{DIMS, Vector, minus};
use crate::input::BrokerState;
use crate::model::Seat;

use super::Search;

/// What [`Heat`] has become at the end: a price at which no replica is worth a broker that is out of its
/// bands, and a loss that is none.
const COLD_PRICE: f64 = 100.0;
const COLD_LOSS: f64 = 1e-3;
/// Steps between two changes of these.
const STAGES: usize = 200;
/// What a leadership costs that is not where it was, in mean replicas: next to nothing.
const LEADERSHIP: f64 = 1e-3;

/// What a search starts with; each finds other plans.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Heat {
    /// A broker that is out of its bands by all that it may have costs so many times the bytes
    /// that a broker has.
    pub price: f64,
    /// What a step may lose, in mean replicas.
    pub loss: f64,
    /// Steps until it is cold.
    pub steps: usize,
}

/// One step: replicas that go from one broker to another.
#[derive(Clone, Copy)]
struct Step {
    partition: u32,
    from: u16,
    to: u16,
}

impl Search<'_> {
    /// Takes steps from a heat on until it is cold.
    pub(super) fn anneal(&mut self, heat: Heat) {
        let limited = self.allowed.limited();
        let limited: Vec<usize> = (0..DIMS).filter(|dim| limited[*dim]).collect();
        let movable: Vec<u32> = (0..self.state.model.rows.len() as u32)
            .filter(|partition| self.may_be_annealed(*partition))
            .collect();
        if movable.is_empty() || limited.is_empty() || self.takers.is_empty() {
            return;
        }
        let moves_left = self.moves_left;
        let bytes: f64 = self.mean_bytes * self.state.model.replicas() as f64;
        let of_broker = bytes / self.takers.len() as f64;
        for stage in 0..STAGES {
            let share = stage as f64 / (STAGES - 1) as f64;
            let between = |hot: f64, cold: f64| hot * (cold / hot).powf(share);
            let rules = Rules {
                limited: &limited,
                movable: &movable,
                price: between(heat.price, COLD_PRICE) * of_broker,
                loss: between(heat.loss, COLD_LOSS) * self.mean_bytes,
            };
            for _ in 0..heat.steps / STAGES {
                self.step(&rules);
            }
        }
        // Most steps were taken back: what the moves that are left come to is for who calls to count.
        self.moves_left = moves_left;
        self.state.restore_order();
    }

    fn may_be_annealed(&self, partition: u32) -> bool {
        let topic = self.state.row(partition).topic as usize;
        !self.state.model.topics[topic].excluded && self.has_source(&self.state.seat(partition))
    }

    fn step(&mut self, rules: &Rules<'_>) {
        match self.random.u8(0..8) {
            0 => self.step_lead(rules),
            1 | 2 => self.step_move(rules),
            _ => self.step_swap(rules),
        }
    }

    /// A partition: half of the time one that has changed.
    fn draw(&mut self, rules: &Rules<'_>) -> u32 {
        if self.random.bool() && !self.state.changed().is_empty() {
            let at = self.random.usize(..self.state.changed().len());
            let partition = self.state.changed()[at].partition;
            if self.may_be_annealed(partition) {
                return partition;
            }
        }
        rules.movable[self.random.usize(..rules.movable.len())]
    }

    /// A broker for a replica: where it was, if it has left, half of the time.
    fn draw_broker(&mut self, before: &Seat, seat: &Seat) -> u16 {
        if self.random.bool() {
            let home = before.replicas()[self.random.usize(..before.replicas().len())];
            if seat.place_of(home).is_none() {
                return home;
            }
        }
        self.takers[self.random.usize(..self.takers.len())]
    }

    fn step_lead(&mut self, rules: &Rules<'_>) {
        let partition = self.draw(rules);
        let seat = self.state.seat(partition);
        let to = seat.replicas()[self.random.usize(..seat.replicas().len())];
        let Some(from) = seat.leader_broker().filter(|from| *from != to) else {
            return;
        };
        let row = self.state.row(partition);
        let before = row.seat.leader_broker();
        if !self.permissions.gives[usize::from(from)]
            || !self.permissions.leads[usize::from(to)] && before != Some(to)
            || self.state.states[usize::from(to)].must_empty()
            || !self.may_unlead(row.topic, from)
        {
            return;
        }
        let away = |at: u16| f64::from(u8::from(before != Some(at)));
        let cost = (away(to) - away(from)) * LEADERSHIP * self.mean_bytes;
        let worse = self.strain(rules, from, to, &row.leadership());
        if self.accepts(rules, cost, worse) {
            self.do_lead(partition, Some(from), to);
        }
    }

    fn step_move(&mut self, rules: &Rules<'_>) {
        let partition = self.draw(rules);
        let seat = self.state.seat(partition);
        let from = seat.replicas()[self.random.usize(..seat.replicas().len())];
        let to = self.draw_broker(&self.state.row(partition).seat, &seat);
        let step = Step {
            partition,
            from,
            to,
        };
        if !self.is_possible(&step, &seat) {
            return;
        }
        let vector = self.vector_of(&step, &seat);
        let worse = self.strain(rules, from, to, &vector);
        if self.accepts(rules, self.cost(&step), worse) {
            self.do_move(partition, from, to);
        }
    }

    fn step_swap(&mut self, rules: &Rules<'_>) {
        let there = self.draw(rules);
        let seat = self.state.seat(there);
        let from = seat.replicas()[self.random.usize(..seat.replicas().len())];
        let to = self.draw_broker(&self.state.row(there).seat, &seat);
        let there = Step {
            partition: there,
            from,
            to,
        };
        if !self.is_possible(&there, &seat) {
            return;
        }
        let offset = self.random.usize(..);
        let Some(back) = self.state.sample(to, 1, offset).next() else {
            return;
        };
        let other = self.state.seat(back);
        let back = Step {
            partition: back,
            from: to,
            to: from,
        };
        if !self.may_be_annealed(back.partition) || !self.is_possible(&back, &other) {
            return;
        }
        let net = minus(
            &self.vector_of(&there, &seat),
            &self.vector_of(&back, &other),
        );
        let worse = self.strain(rules, from, to, &net);
        if self.accepts(rules, self.cost(&there) + self.cost(&back), worse) {
            self.do_move(there.partition, from, to);
            self.do_move(back.partition, to, from);
        }
    }

    fn vector_of(&self, step: &Step, seat: &Seat) -> Vector {
        let leads = seat.leader_broker() == Some(step.from);
        self.state.row(step.partition).replica(leads)
    }

    fn is_possible(&self, step: &Step, seat: &Seat) -> bool {
        let Step {
            partition,
            from,
            to,
        } = *step;
        let at = usize::from(to);
        let before = &self.state.row(partition).seat;
        let leads = seat.leader_broker() == Some(from);
        self.permissions.gives[usize::from(from)]
            && self.state.states[at] != BrokerState::Dead
            && !self.state.states[at].must_empty()
            && (self.permissions.takes[at] || before.place_of(to).is_some())
            && (!leads || self.permissions.leads[at] || before.leader_broker() == Some(to))
            && self.obeys_places(partition, seat, from, to)
    }

    /// Bytes that a move copies, less those it need not copy any more.
    fn cost(&self, step: &Step) -> f64 {
        let row = self.state.row(step.partition);
        let away = |at: u16| f64::from(u8::from(row.seat.place_of(at).is_none()));
        (away(step.to) - away(step.from)) * row.bytes()
    }

    fn accepts(&mut self, rules: &Rules<'_>, cost: f64, strain: f64) -> bool {
        let worse = cost + strain * rules.price;
        worse <= 0.0 || worse < rules.loss * self.random.f64()
    }

    /// By how much two brokers are further out of their bands when a vector goes from one to the
    /// other.
    fn strain(&self, rules: &Rules<'_>, from: u16, to: u16, vector: &Vector) -> f64 {
        let (from, to) = (usize::from(from), usize::from(to));
        let mut strain = 0.0;
        for dim in rules.limited.iter().copied() {
            let value = vector[dim];
            let (here, there) = (self.state.sums[from][dim], self.state.sums[to][dim]);
            strain += outside(&self.allowed, from, dim, here - value)
                - outside(&self.allowed, from, dim, here)
                + outside(&self.allowed, to, dim, there + value)
                - outside(&self.allowed, to, dim, there);
        }
        strain
    }
}

/// What holds for the steps of one stage.
struct Rules<'a> {
    limited: &'a [usize],
    movable: &'a [u32],
    price: f64,
    loss: f64,
}

/// How far a sum is out of its band, in shares of it.
#[inline]
fn outside(bands: &Bands, broker: usize, dim: usize, sum: f64) -> f64 {
    let (low, high) = (bands.low[broker][dim], bands.high[broker][dim]);
    if sum > high {
        (sum - high) / high.max(f64::MIN_POSITIVE)
    } else if sum < low {
        (low - sum) / low.max(f64::MIN_POSITIVE)
    } else {
        0.0
    }
}
