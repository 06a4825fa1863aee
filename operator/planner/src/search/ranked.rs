//! Candidates tried in the order of what they are worth, which changes with each that moves.

use super::Search;
use super::gather::{BATCH, Candidate, worth};
use super::pool::Pool;
use crate::dims::Vector;

/// How candidates of one broker are tried.
pub(super) struct Trial {
    /// What the broker has too much or too little of.
    pub(super) amount: fn(&Search<'_>, u16) -> Vector,
    /// How many moves one attempt may take.
    pub(super) moves: usize,
    /// Rankings in a row that moved nothing before the broker is left as it is.
    pub(super) patience: usize,
}

impl Search<'_> {
    /// Brokers with some of the amount, the furthest out first.
    pub(super) fn furthest(&self, amount: impl Fn(&Self, u16) -> Vector) -> Vec<u16> {
        let brokers = 0..self.state.sums.len() as u16;
        let mut found: Vec<(f64, u16)> = brokers
            .filter(|broker| amount(self, *broker).iter().any(|amount| *amount > 0.0))
            .map(|broker| (self.distress_of(broker), broker))
            .collect();
        found.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        found.into_iter().map(|(_, broker)| broker).collect()
    }

    /// Attempts candidates until nothing is left of the amount. `attempt` says whether it moved
    /// something.
    pub(super) fn try_ranked(
        &mut self,
        broker: u16,
        candidates: Vec<Candidate>,
        trial: &Trial,
        mut attempt: impl FnMut(&mut Self, &Candidate) -> bool,
    ) {
        let mut pool = Pool::new(candidates);
        let mut fruitless = 0;
        while fruitless < trial.patience && !pool.is_empty() && self.may_do(trial.moves) {
            let amount = (trial.amount)(self, broker);
            if amount.iter().all(|amount| *amount <= 0.0) {
                return;
            }
            let prices = self.prices(broker, &amount);
            let best = self.rank_pool(&mut pool, &prices, &amount);
            let (mut moved, mut tried) = (0, 0);
            for place in 0..best {
                let candidate = pool.get(place);
                let amount = (trial.amount)(self, broker);
                let is_worth_it = worth(&candidate.vector, &prices, &amount) > 0.0;
                if moved == BATCH || !self.may_do(trial.moves) || !is_worth_it {
                    break;
                }
                tried += 1;
                moved += usize::from(attempt(self, candidate));
            }
            if tried == 0 {
                return;
            }
            pool.drop_first(tried);
            fruitless = if moved == 0 { fruitless + 1 } else { 0 };
        }
    }
}
