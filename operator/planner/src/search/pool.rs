//! The best of many candidates, ranked again and again without looking at the others.
//!
//! Prices fall with each move, and scores with prices. As a score is linear in prices, none that
//! is outside of the pool can score more than the least of the pool did when it was chosen, times
//! the price that has kept most of its height. Where the pool has better ones, they are the best
//! of all.

use crate::dims::{DIMS, Vector, ZERO};

use super::Search;
use super::gather::{BATCH, Candidate};

/// Candidates that are ranked anew after each batch; all are when these have become too few.
const POOL: usize = 2048;

/// Candidates of one broker, those first that are still to be tried and best.
pub(super) struct Pool {
    candidates: Vec<Candidate>,
    /// Those before were tried.
    first: usize,
    /// Those from here on are outside of the pool.
    end: usize,
    /// What no candidate outside scored more than, at these prices.
    outside: f64,
    prices: Vector,
}

impl Pool {
    pub fn new(candidates: Vec<Candidate>) -> Pool {
        Pool {
            candidates,
            first: 0,
            end: 0,
            outside: f64::INFINITY,
            prices: ZERO,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.first == self.candidates.len()
    }

    /// The candidate at a place of those that are left.
    pub fn get(&self, place: usize) -> &Candidate {
        &self.candidates[self.first + place]
    }

    /// The first so many were tried.
    pub fn drop_first(&mut self, tried: usize) {
        self.first += tried;
    }

    /// What a candidate outside can score at most at these prices.
    fn most_outside(&self, prices: &Vector) -> f64 {
        if self.end == self.candidates.len() {
            return f64::NEG_INFINITY;
        }
        let kept = (0..DIMS)
            .filter(|dim| prices[*dim] > 0.0)
            .map(|dim| prices[dim] / self.prices[dim])
            .fold(0.0, f64::max);
        self.outside * kept
    }
}

impl Search<'_> {
    /// Sorts the best that are left to the front and returns how many.
    pub(super) fn rank_pool(
        &mut self,
        pool: &mut Pool,
        prices: &Vector,
        amounts: &Vector,
    ) -> usize {
        if pool.end > pool.first {
            let left = &mut pool.candidates[pool.first..pool.end];
            let best = self.rank(left, prices, amounts);
            let most = pool.most_outside(prices);
            let left = &pool.candidates[pool.first..pool.first + best];
            let better = left.partition_point(|candidate| candidate.score >= most);
            if better >= BATCH || pool.end == pool.candidates.len() {
                return better;
            }
        }
        self.choose_pool(pool, prices, amounts);
        self.rank(&mut pool.candidates[pool.first..pool.end], prices, amounts)
    }

    /// Scores all that are left and takes the best.
    fn choose_pool(&mut self, pool: &mut Pool, prices: &Vector, amounts: &Vector) {
        pool.end = pool.candidates.len();
        let left = &mut pool.candidates[pool.first..];
        // Blurred scores say nothing of those to come; clusters that ask for them are small.
        if left.len() <= POOL || self.variant.blur > 0.0 {
            return;
        }
        self.score(left, prices, amounts);
        let mut scores: Vec<f64> = left.iter().map(|candidate| candidate.score).collect();
        let (_, least, _) = scores.select_nth_unstable_by(POOL - 1, |a, b| b.total_cmp(a));
        let least = *least;
        let mut chosen = 0;
        for at in 0..left.len() {
            if chosen < POOL && left[at].score >= least {
                left.swap(chosen, at);
                chosen += 1;
            }
        }
        pool.end = pool.first + chosen;
        pool.outside = least;
        pool.prices = *prices;
    }
}
