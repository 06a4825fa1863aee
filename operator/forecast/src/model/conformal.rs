//! How often errors of a size happened: a histogram of scores that forgets.

use serde::{Deserialize, Serialize};

/// Bins of the histogram.
const BINS: usize = 256;
/// Scores lie between so many typical errors; what lies outside counts in the first or last bin.
/// Above is farther than below: there lie the violations.
const LOWEST: f64 = -6.0;
const HIGHEST: f64 = 26.0;
const WIDTH: f64 = (HIGHEST - LOWEST) / BINS as f64;
/// Weight, in minutes, of the Laplace distribution that stands in before errors were seen, and
/// that keeps the far tail above zero.
const PRIOR_MINUTES: f64 = 60.0;
/// How much one minute's score counts more than the minute's before: a half-life of two weeks.
const GROWTH: f64 = 1.0 + 1.0 / 29_000.0;
/// New scores until the tails are summed anew.
const SCORES_PER_REFRESH: u32 = 30;
/// The weight of a score at which all are scaled back.
const RESCALE_AT: f64 = 1e12;

/// The errors of one horizon, each divided by the typical error of its time.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Scores {
    bins: Vec<f32>,
    tails: Vec<f32>,
    weight: f64,
    since_refresh: u32,
}

impl Default for Scores {
    fn default() -> Self {
        let mut bins = vec![0.0; BINS];
        for (index, bin) in bins.iter_mut().enumerate() {
            let score = LOWEST + (index as f64 + 0.5) * WIDTH;
            *bin = (PRIOR_MINUTES * 0.5 * (-score.abs()).exp() * WIDTH) as f32;
        }
        let mut scores = Scores {
            bins,
            tails: vec![0.0; BINS],
            weight: 1.0,
            since_refresh: 0,
        };
        scores.refresh();
        scores
    }
}

impl Scores {
    /// Counts one score: an error divided by what was typical for its time.
    pub fn add(&mut self, score: f64) {
        self.bins[Self::bin(score)] += self.weight as f32;
        self.weight *= GROWTH;
        if self.weight > RESCALE_AT {
            for bin in &mut self.bins {
                *bin /= self.weight as f32;
            }
            self.weight = 1.0;
        }
        self.since_refresh += 1;
        if self.since_refresh >= SCORES_PER_REFRESH {
            self.refresh();
        }
    }

    /// The share of scores above `score`, 0 to 1.
    pub fn tail(&self, score: f64) -> f64 {
        let position = ((score - LOWEST) / WIDTH).clamp(0.0, BINS as f64);
        let index = (position as usize).min(BINS - 1);
        let above = self.tails.get(index + 1).copied().unwrap_or(0.0);
        let within = self.tails[index] - above;
        let share = 1.0 - (position - index as f64);
        f64::from(above) + f64::from(within) * share
    }

    /// The score that a share `1 - tail` of all scores stayed under.
    pub fn quantile(&self, tail: f64) -> f64 {
        let after = (self.tails).partition_point(|&above| f64::from(above) > tail);
        let Some(before) = after.checked_sub(1) else {
            return LOWEST;
        };
        let from = f64::from(self.tails[before]);
        let to = f64::from(self.tails.get(after).copied().unwrap_or(0.0));
        let share = ((from - tail) / (from - to)).clamp(0.0, 1.0);
        LOWEST + (before as f64 + share) * WIDTH
    }

    /// Whether restored scores have the size that this code relies on, and finite numbers.
    pub fn is_sound(&self) -> bool {
        self.bins.len() == BINS
            && self.tails.len() == BINS
            && self.weight.is_finite()
            && self.weight >= 1.0
            && (self.bins.iter().chain(&self.tails)).all(|&bin| bin.is_finite() && bin >= 0.0)
    }

    fn refresh(&mut self) {
        self.since_refresh = 0;
        let total: f64 = self.bins.iter().copied().map(f64::from).sum();
        let mut above = 0.0;
        for (tail, bin) in self.tails.iter_mut().zip(&self.bins).rev() {
            above += f64::from(*bin);
            *tail = (above / total.max(f64::MIN_POSITIVE)) as f32;
        }
    }

    fn bin(score: f64) -> usize {
        let position = (score - LOWEST) / WIDTH;
        (position.max(0.0) as usize).min(BINS - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_leaves_the_share_above_it_that_was_asked() {
        let mut scores = Scores::default();
        for step in 0..20_000_u32 {
            scores.add(f64::from(step * 7_919 % 2_000) / 1_000.0 - 1.0);
        }
        for tail in [0.5, 0.1, 0.01] {
            let quantile = scores.quantile(tail);
            let expected = 1.0 - 2.0 * tail;
            assert!((quantile - expected).abs() < 0.1, "{tail}: {quantile}");
            assert!((scores.tail(quantile) - tail).abs() < 0.05);
        }
    }

    #[test]
    fn scores_outside_the_histogram_count_at_its_ends() {
        let mut scores = Scores::default();
        for _ in 0..1_000 {
            scores.add(1e9);
        }
        assert!(scores.tail(HIGHEST - 0.2) > 0.9);
        assert!(scores.is_sound());
    }
}
