//! How long things take, what gets lost, and who is cut off from whom.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::place::Node;

/// The shortest that a delivery takes.
const LATENCY_MIN: Duration = Duration::from_micros(40);

/// How a network behaves in one run; drawn from the seed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Weather {
    /// The longest that a usual delivery takes.
    pub(crate) latency_max: Duration,
    /// One in so many datagrams is lost; 0: none.
    pub(crate) loss_one_in: u32,
    /// One in so many datagrams comes twice; 0: none.
    pub(crate) duplicate_one_in: u32,
    /// One in so many deliveries takes long; 0: none.
    pub(crate) slow_one_in: u32,
    /// One in so many answers of a dial-back is a lie; 0: none.
    pub(crate) lie_one_in: u32,
}

impl Weather {
    /// A network without faults.
    pub(crate) const CALM: Self = Self {
        latency_max: Duration::from_micros(400),
        loss_one_in: 0,
        duplicate_one_in: 0,
        slow_one_in: 0,
        lie_one_in: 0,
    };

    pub(crate) fn draw(rng: &mut fastrand::Rng) -> Self {
        let mut one_in = |choices: &[u32]| choices[rng.usize(..choices.len())];
        Self {
            // In one zone, over several, and over a crowded network.
            latency_max: Duration::from_micros(u64::from(one_in(&[400, 2_000, 20_000]))),
            loss_one_in: one_in(&[0, 100, 20, 8]),
            duplicate_one_in: one_in(&[0, 50, 10]),
            slow_one_in: one_in(&[0, 200, 50, 20]),
            lie_one_in: one_in(&[0, 10, 4, 2]),
        }
    }
}

/// The network between all machines.
#[derive(Debug)]
pub(crate) struct Network {
    pub(crate) weather: Weather,
    /// Cut ways, each with how many faults cut it.
    cuts: BTreeMap<(Node, Node), u32>,
}

impl Network {
    pub(crate) const fn new(weather: Weather) -> Self {
        Self {
            weather,
            cuts: BTreeMap::new(),
        }
    }

    pub(crate) fn is_cut(&self, from: Node, to: Node) -> bool {
        self.cuts.contains_key(&(from, to))
    }

    pub(crate) fn is_any_cut(&self) -> bool {
        !self.cuts.is_empty()
    }

    pub(crate) fn cut(&mut self, from: Node, to: Node) {
        *self.cuts.entry((from, to)).or_default() += 1;
    }

    /// Takes one cut back; true if the way is open now.
    pub(crate) fn heal(&mut self, from: Node, to: Node) -> bool {
        if let Some(count) = self.cuts.get_mut(&(from, to)) {
            *count -= 1;
            if *count > 0 {
                return false;
            }
            self.cuts.remove(&(from, to));
        }
        true
    }

    /// How long a delivery takes.
    pub(crate) fn delay(&self, rng: &mut fastrand::Rng) -> Duration {
        let usual = LATENCY_MIN + (self.weather.latency_max - LATENCY_MIN).mul_f64(rng.f64());
        if hits(rng, self.weather.slow_one_in) {
            return usual + Duration::from_micros(rng.u64(1_000..150_000));
        }
        usual
    }
}

/// True once in so many draws; never for 0.
pub(crate) fn hits(rng: &mut fastrand::Rng, one_in: u32) -> bool {
    one_in > 0 && rng.u32(..one_in) == 0
}

impl Network {
    /// Takes all cuts back; gives the ways that were cut.
    pub(crate) fn heal_all(&mut self) -> Vec<(Node, Node)> {
        std::mem::take(&mut self.cuts).into_keys().collect()
    }
}
