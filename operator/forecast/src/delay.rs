//! How long scaling really takes, measured.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

/// Durations that are kept, the newest.
const KEPT: usize = 32;
/// Of the kept durations, the part that the planned one is not below.
const QUANTILE: f64 = 0.8;
/// No scaling is planned to take longer than the path reaches: four hours.
const MAX_MS: i64 = 4 * 3_600_000;

/// Which way a change goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Direction {
    /// From the decision until the new brokers carry their share.
    Up,
    /// From the decision until the drained brokers are gone.
    Down,
}

/// The last durations of one direction, around a prior.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Delays {
    prior_ms: i64,
    seen_ms: VecDeque<i64>,
}

impl Delays {
    /// Plans with `prior_ms` until one was measured.
    pub fn new(prior_ms: i64) -> Self {
        Delays {
            prior_ms,
            seen_ms: VecDeque::new(),
        }
    }

    /// Takes in a measured duration.
    pub fn observe(&mut self, duration_ms: i64) {
        if self.seen_ms.len() == KEPT {
            self.seen_ms.pop_front();
        }
        self.seen_ms.push_back(duration_ms.clamp(0, MAX_MS));
    }

    /// The duration to plan with: four of five of the last ones were not longer.
    pub fn planned_ms(&self) -> i64 {
        if self.seen_ms.is_empty() {
            return self.prior_ms.clamp(0, MAX_MS);
        }
        let count = self.seen_ms.len().min(KEPT);
        let mut sorted = [0; KEPT];
        for (slot, seen_ms) in sorted.iter_mut().zip(&self.seen_ms) {
            *slot = *seen_ms;
        }
        let sorted = &mut sorted[..count];
        sorted.sort_unstable();
        let index = ((count as f64 * QUANTILE).ceil() as usize).clamp(1, count) - 1;
        sorted[index]
    }

    /// Whether restored durations are as many and as long as this code relies on.
    pub fn is_sound(&self) -> bool {
        self.seen_ms.len() <= KEPT
            && self
                .seen_ms
                .iter()
                .chain([&self.prior_ms])
                .all(|ms| (0..=MAX_MS).contains(ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plan_follows_what_was_measured_and_not_one_outlier() {
        let mut delays = Delays::new(300_000);
        assert_eq!(delays.planned_ms(), 300_000);
        for duration_ms in [40_000, 45_000, 50_000, 55_000, 900_000] {
            delays.observe(duration_ms);
        }
        assert_eq!(delays.planned_ms(), 55_000);
    }
}
