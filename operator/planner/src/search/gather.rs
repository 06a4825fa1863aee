//! What could leave a broker, laid side by side: each partition is looked at once a pass.

use crate::dims::{DIMS, Vector};

use crate::state::WARMED;

use super::Search;

/// Candidates that a ranking sorts.
pub(super) const TOP: usize = 256;
/// Moves after which candidates are ranked anew: by then prices have changed.
pub(super) const BATCH: usize = 32;
/// Brokers with more replicas than this, and little to give, are sampled.
const SAMPLED_FROM: usize = 4096;
/// How many of its replicas are looked at then.
const SAMPLE: usize = 1024;
/// A broker this share over its limit has little to give.
const LITTLE: f64 = 0.01;

/// A replica or a leadership that could move.
#[derive(Debug, Clone, Copy)]
pub(super) struct Candidate {
    pub partition: u32,
    pub bytes: f64,
    pub vector: Vector,
    pub score: f64,
}

/// What moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Replica,
    Leadership,
}

impl Search<'_> {
    /// What could leave a broker; only a sample of it where that should do.
    pub(super) fn gather(&mut self, from: u16, kind: Kind, little: bool) -> Vec<Candidate> {
        let total = self.state.replica_count(from);
        let offset = self.random.usize(..);
        if little && total > SAMPLED_FROM {
            self.collect(from, kind, self.state.sample(from, SAMPLE, offset), SAMPLE)
        } else {
            self.collect(from, kind, self.state.members(from), total)
        }
    }

    /// All replicas of a broker that could leave it.
    pub(super) fn collect_all(&self, from: u16) -> Vec<Candidate> {
        self.collect(
            from,
            Kind::Replica,
            self.state.members(from),
            self.state.replica_count(from),
        )
    }

    pub(super) fn gather_sample(&mut self, from: u16, count: usize) -> Vec<Candidate> {
        let offset = self.random.usize(..);
        self.collect(
            from,
            Kind::Replica,
            self.state.sample(from, count, offset),
            count,
        )
    }

    fn collect(
        &self,
        from: u16,
        kind: Kind,
        mut partitions: impl Iterator<Item = u32>,
        room: usize,
    ) -> Vec<Candidate> {
        let mut candidates = Vec::with_capacity(room);
        let mut some = Vec::with_capacity(WARMED);
        loop {
            some.clear();
            some.extend(partitions.by_ref().take(WARMED));
            if some.is_empty() {
                return candidates;
            }
            self.state.warm(some.iter().copied());
            let found = some
                .iter()
                .filter_map(|partition| self.candidate(from, kind, *partition));
            candidates.extend(found);
        }
    }

    fn candidate(&self, from: u16, kind: Kind, partition: u32) -> Option<Candidate> {
        let leads = self.state.seat(partition).leader_broker() == Some(from);
        if kind == Kind::Leadership && !leads || !self.is_movable(partition, from) {
            return None;
        }
        let row = self.state.row(partition);
        let (vector, bytes) = match kind {
            Kind::Replica => (row.replica(leads), row.bytes()),
            Kind::Leadership => (row.leadership(), 0.0),
        };
        Some(Candidate {
            partition,
            bytes,
            vector,
            score: 0.0,
        })
    }

    /// What a broker has too much of, in the layer's bands.
    pub(super) fn excess(&self, broker: u16) -> Vector {
        let (sums, high) = self.sums_and(broker, &self.focus.high);
        std::array::from_fn(|dim| (sums[dim] - high[dim]).max(0.0))
    }

    /// What a broker has too little of.
    pub(super) fn deficit(&self, broker: u16) -> Vector {
        let (sums, low) = self.sums_and(broker, &self.focus.low);
        std::array::from_fn(|dim| (low[dim] - sums[dim]).max(0.0))
    }

    fn sums_and<'a>(&'a self, broker: u16, of: &'a [Vector]) -> (&'a Vector, &'a Vector) {
        (
            &self.state.sums[usize::from(broker)],
            &of[usize::from(broker)],
        )
    }

    /// Whether a broker has little to give, beside what it has.
    pub(super) fn is_little(&self, broker: u16, excess: &Vector) -> bool {
        let sums = &self.state.sums[usize::from(broker)];
        (0..DIMS).all(|dim| excess[dim] <= LITTLE * sums[dim])
    }

    /// What a unit of each sum is worth to a broker that has too much, or too little, of it: the
    /// slope of its fullness.
    pub(super) fn prices(&self, broker: u16, amounts: &Vector) -> Vector {
        let at = usize::from(broker);
        std::array::from_fn(|dim| {
            if amounts[dim] <= 0.0 {
                return 0.0;
            }
            let limit = if self.focus.high[at][dim].is_finite() {
                self.focus.high[at][dim]
            } else {
                self.focus.low[at][dim]
            };
            let limit = limit.max(f64::MIN_POSITIVE);
            (1.0 + amounts[dim] / limit).min(8.0).powi(15) / limit
        })
    }

    /// Scores candidates: what they are worth for what they cost.
    pub(super) fn score(&self, candidates: &mut [Candidate], prices: &Vector, amounts: &Vector) {
        let price = self.variant.move_price * self.mean_bytes;
        for candidate in candidates {
            candidate.score = worth(&candidate.vector, prices, amounts) / (candidate.bytes + price);
        }
    }

    /// Sorts the best candidates to the front and returns how many; `amounts` is what is to be
    /// moved, so that no candidate is worth more than what is left of it.
    pub(super) fn rank(
        &mut self,
        candidates: &mut [Candidate],
        prices: &Vector,
        amounts: &Vector,
    ) -> usize {
        self.score(candidates, prices, amounts);
        if self.variant.blur > 0.0 {
            for candidate in candidates.iter_mut() {
                candidate.score *= 1.0 + self.variant.blur * (self.random.f64() - 0.5);
            }
        }
        let best = candidates.len().min(TOP);
        if best == 0 {
            return 0;
        }
        let order = |a: &Candidate, b: &Candidate| {
            b.score
                .total_cmp(&a.score)
                .then(a.partition.cmp(&b.partition))
        };
        candidates.select_nth_unstable_by(best - 1, order);
        candidates[..best].sort_unstable_by(order);
        best
    }
}

/// What a vector is worth where at most `amounts` of it help.
#[inline]
pub(super) fn worth(vector: &Vector, prices: &Vector, amounts: &Vector) -> f64 {
    let mut worth = 0.0;
    for dim in 0..DIMS {
        worth += prices[dim] * vector[dim].min(amounts[dim]);
    }
    worth
}
