//! The search: layer by layer, moves that help the layer and harm none above it.
//!
//! Guarantees: a move is made only if no sum of a broker leaves its band, or gets further out of
//! it, for this layer and all above. Assumes a scope that was checked. Never reads a clock: its
//! work is bounded by counts.

mod anneal;
mod chain;
mod cover;
mod destination;
mod gather;
mod leaders;
mod min_leaders;
mod offline;
mod pool;
mod pull;
mod push;
mod racks;
mod ranked;
mod refine;
mod relieve;
mod topics;
mod trim;

use crate::bands::{self, Bands};
use crate::dims::{DIMS, Vector, ZERO};
use crate::profile::{Goal, Profile};
use crate::state::State;

pub(crate) use anneal::Heat;
pub(crate) use offline::Leaving;

/// Passes over one layer.
const ROUNDS: usize = 6;
/// Times that a plan is refined.
const REFINEMENTS: usize = 8;

/// How a search weighs what it could do.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Variant {
    pub seed: u64,
    /// What a move costs beside its bytes, in mean replicas: more of it makes fewer, larger moves.
    pub move_price: f64,
    /// Whether to look for smaller replicas in place of those that were moved.
    pub refine: bool,
    /// With which heat random steps begin, once the layers have run; none: no such steps.
    pub heat: Option<Heat>,
    /// By how much scores are blurred, so that another seed tries other moves.
    pub blur: f64,
}

/// What may be touched.
#[derive(Debug, Clone)]
pub(crate) struct Permissions {
    /// A replica may come to the broker.
    pub takes: Vec<bool>,
    /// A leadership may come to it.
    pub leads: Vec<bool>,
    /// Something may leave it.
    pub gives: Vec<bool>,
    /// Replicas may move at all, other than those that must.
    pub replicas: bool,
    /// Anything may move other than what must.
    pub balancing: bool,
}

/// See the module.
pub(crate) struct Search<'m> {
    pub state: State<'m>,
    pub permissions: Permissions,
    pub swaps: usize,
    pub chains: usize,
    profile: Profile,
    variant: Variant,
    random: fastrand::Rng,
    moves_left: usize,
    /// Bands of this layer and all above.
    allowed: Bands,
    /// Bands of this layer.
    focus: Bands,
    /// The sums that the layer's bands limit.
    limited: Vec<usize>,
    /// Bands of the whole profile: where a choice is free, it is made for the layers to come.
    wished: Bands,
    /// One over the most that the profile wishes.
    scale: Vec<Vector>,
    /// How full each broker is: the sum of the sixteenth powers of its sums over their limits.
    fullness: Vec<f64>,
    takers: Vec<u16>,
    rotation: usize,
    mean_bytes: f64,
    racks_bind: bool,
    min_leaders_bind: bool,
    topics_bind: bool,
    topic_bands: Vec<(i64, i64)>,
    asking: min_leaders::Asking,
}

impl<'m> Search<'m> {
    pub fn new(
        state: State<'m>,
        profile: &Profile,
        permissions: Permissions,
        variant: Variant,
        moves: usize,
    ) -> Search<'m> {
        let brokers = state.model.brokers.len();
        let mut wished = Bands::open(brokers);
        for goal in profile.layers().iter().flatten() {
            wished.narrow(*goal, profile.thresholds(), &state);
        }
        let takers = (0..brokers as u16).filter(|at| permissions.takes[usize::from(*at)]);
        let mean_bytes = {
            let disk: f64 = state.sums.iter().map(|sums| sums[0]).sum();
            let replicas: f64 = state.sums.iter().map(|sums| sums[4]).sum();
            (disk / replicas.max(1.0)).max(1.0)
        };
        let takers_count = bands::takers(&state);
        let topic_bands = if profile.has(Goal::TopicReplicaDistribution) {
            let topics = state.model.topics.iter();
            topics
                .map(|topic| bands::topic_band(topic.replicas, profile.thresholds(), takers_count))
                .collect()
        } else {
            Vec::new()
        };
        let scale = wished.high.iter().map(inverse).collect();
        let mut search = Search {
            takers: takers.collect(),
            permissions,
            swaps: 0,
            chains: 0,
            profile: profile.clone(),
            variant,
            random: fastrand::Rng::with_seed(variant.seed),
            moves_left: moves,
            allowed: Bands::open(brokers),
            focus: Bands::open(brokers),
            limited: Vec::new(),
            wished,
            scale,
            fullness: vec![0.0; brokers],
            rotation: 0,
            mean_bytes,
            racks_bind: false,
            min_leaders_bind: false,
            topics_bind: false,
            topic_bands,
            asking: min_leaders::Asking::new(&state, profile.has(Goal::MinTopicLeadersPerBroker)),
            state,
        };
        for at in 0..brokers {
            search.measure(at);
        }
        search
    }

    /// Works through the layers.
    pub fn run(&mut self, leaving: &Leaving) {
        for layer in &self.profile.layers().to_vec() {
            self.run_layer(layer, leaving);
        }
        // Last, when all that must not be broken binds.
        self.relieve(&leaving.disks);
        if let Some(heat) = self.variant.heat
            && self.permissions.balancing
            && self.permissions.replicas
        {
            self.anneal(heat);
        }
        self.finish();
    }

    /// Works on one layer. What binds from here on is this layer and all that ran before it.
    pub fn run_layer(&mut self, layer: &[Goal], leaving: &Leaving) {
        self.focus = Bands::open(self.state.model.brokers.len());
        for goal in layer {
            self.allowed
                .narrow(*goal, self.profile.thresholds(), &self.state);
            self.focus
                .narrow(*goal, self.profile.thresholds(), &self.state);
        }
        let limited = self.focus.limited();
        self.limited = (0..DIMS).filter(|dim| limited[*dim]).collect();
        for goal in layer {
            match goal {
                Goal::OfflineReplicas => self.evacuate(leaving),
                Goal::RackAware => self.spread_over_racks(),
                Goal::MinTopicLeadersPerBroker => self.give_each_a_leader(),
                Goal::TopicReplicaDistribution => self.even_topics(),
                _ => {}
            }
        }
        if self.permissions.balancing && !self.limited.is_empty() {
            self.balance();
        }
    }

    /// Takes back what all layers together can do without.
    pub fn finish(&mut self) {
        if !self.permissions.balancing {
            return;
        }
        self.trim();
        if self.variant.refine && self.permissions.replicas {
            for _ in 0..REFINEMENTS {
                if !self.refine() {
                    return;
                }
                self.trim();
            }
        }
    }

    fn balance(&mut self) {
        let mut distress = self.distress();
        for _ in 0..ROUNDS {
            if distress == 0.0 || !self.may_do(1) {
                return;
            }
            self.balance_leaders();
            if self.permissions.replicas {
                self.push_replicas();
                self.pull_replicas();
                if self.distress() > 0.0 {
                    self.exchange();
                }
            }
            let now = self.distress();
            if now > distress * (1.0 - 1e-3) {
                return;
            }
            distress = now;
        }
    }

    /// How far a broker is out of the layer's bands, in shares of them.
    fn distress_of(&self, broker: u16) -> f64 {
        self.distress_at(broker, &self.state.sums[usize::from(broker)])
    }

    fn distress_at(&self, broker: u16, sums: &Vector) -> f64 {
        self.distress_of_sums(broker, |dim| sums[dim])
    }

    /// Only the sums that the layer limits can be out of its bands: often one of eight.
    #[inline]
    fn distress_of_sums(&self, broker: u16, sums: impl Fn(usize) -> f64) -> f64 {
        let at = usize::from(broker);
        let (low, high) = (&self.focus.low[at], &self.focus.high[at]);
        let mut distress = 0.0;
        for dim in self.limited.iter().copied() {
            let sum = sums(dim);
            if sum > high[dim] {
                distress += (sum - high[dim]) / high[dim].max(f64::MIN_POSITIVE);
            } else if sum < low[dim] {
                distress += (low[dim] - sum) / low[dim].max(f64::MIN_POSITIVE);
            }
        }
        distress
    }

    fn distress(&self) -> f64 {
        (0..self.state.sums.len() as u16)
            .map(|broker| self.distress_of(broker))
            .sum()
    }

    fn measure(&mut self, at: usize) {
        self.fullness[at] = fullness(&self.state.sums[at], &self.scale[at]);
    }

    /// Whether the limit leaves room for so many. A replica that leads counts twice, as its
    /// leadership moves too, and whoever does not look must leave room for both.
    fn may_do(&self, moves: usize) -> bool {
        self.moves_left >= moves
    }

    fn do_move(&mut self, partition: u32, from: u16, to: u16) {
        let leads = self.state.seat(partition).leader_broker() == Some(from);
        if leads {
            self.asking
                .shift(self.state.row(partition).topic, Some(from), to);
        }
        self.state.move_replica(partition, from, to);
        self.measure(usize::from(from));
        self.measure(usize::from(to));
        self.moves_left = self.moves_left.saturating_sub(1 + usize::from(leads));
    }

    fn do_lead(&mut self, partition: u32, from: Option<u16>, to: u16) {
        self.asking.shift(self.state.row(partition).topic, from, to);
        self.state.move_leadership(partition, to);
        for broker in from.into_iter().chain([to]) {
            self.measure(usize::from(broker));
        }
        self.moves_left = self.moves_left.saturating_sub(1);
    }
}

fn inverse(high: &Vector) -> Vector {
    let mut scale = ZERO;
    for (scale, high) in scale.iter_mut().zip(high) {
        if high.is_finite() && *high > 0.0 {
            *scale = 1.0 / high;
        }
    }
    scale
}

/// Soft maximum: the sum of sixteenth powers is as cheap as four products and tells 1.1 times a
/// limit from 1.0 times it by a factor of 4.6.
#[inline]
fn fullness(sums: &Vector, scale: &Vector) -> f64 {
    let mut total = 0.0;
    for dim in 0..DIMS {
        let share = sums[dim] * scale[dim];
        let two = share * share;
        let four = two * two;
        let eight = four * four;
        total += eight * eight;
    }
    total
}
