//! How much useful work one broker can do, learned while it works.
//!
//! The processor's use is a straight line of the work that was done (Daedalus, arXiv 2403.02093;
//! DS2, OSDI 2018: scale by true rates): some of it at rest, and so much for each byte. Where the
//! line reaches all of the processor, there is the capacity. The line is kept near a prior until
//! enough was seen, and forgets, so that another mix of clients shows within a day.

use serde::{Deserialize, Serialize};

/// The part of a processor that an idle broker is taken to use before any was seen.
const IDLE_PRIOR: f64 = 0.02;
/// Weight of the prior at rest, in samples.
const IDLE_SAMPLES: f64 = 20.0;
/// Weight of the prior at its full capacity, in samples. What was seen lies far below that point,
/// which therefore pulls at the line like many samples there: one is enough.
const FULL_SAMPLES: f64 = 1.0;
/// How much of what was learned is left after a sample: a half-life of a day at one each 15 s.
const FORGETTING: f64 = 1.0 - 1.0 / 8_310.0;
/// The learned capacity stays within the prior divided and multiplied by this.
const BOUND: f64 = 16.0;

/// The learned line of one cluster's brokers.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Capacity {
    /// Work a second, a broker, before anything was seen.
    prior: f64,
    /// Sums over samples, each with work in units of the prior: weight, work, use, work squared,
    /// work by use.
    sums: [f64; 5],
}

impl Capacity {
    /// A capacity of `prior` work a second (above 0), until samples say otherwise.
    pub fn new(prior: f64) -> Self {
        Capacity {
            prior,
            sums: [0.0; 5],
        }
    }

    /// Takes in what one broker did (work a second) and the part of its processor that it took.
    pub fn observe(&mut self, work_per_broker: f64, utilization: f64) {
        let work = work_per_broker / self.prior;
        let utilization = utilization.min(1.0);
        // Far outside what the bound allows it would only drown the rest.
        if !work.is_finite() || work > 2.0 * BOUND {
            return;
        }
        let row = [1.0, work, utilization, work * work, work * utilization];
        for (sum, value) in self.sums.iter_mut().zip(row) {
            *sum = *sum * FORGETTING + value;
        }
    }

    /// Work a second that one broker can do.
    pub fn work_per_second(&self) -> f64 {
        // The prior stands as two clouds of samples: idle, and full at the prior's capacity.
        let idle = [1.0, 0.0, IDLE_PRIOR, 0.0, 0.0];
        let full = [1.0, 1.0, 1.0, 1.0, 1.0];
        let sum = |index: usize| {
            self.sums[index] + IDLE_SAMPLES * idle[index] + FULL_SAMPLES * full[index]
        };
        let (weight, work, used, squares, products) = (sum(0), sum(1), sum(2), sum(3), sum(4));
        let spread = weight * squares - work * work;
        let slope = (weight * products - work * used) / spread;
        let at_rest = ((used - slope * work) / weight).clamp(0.0, 0.9);
        let capacity = (1.0 - at_rest) / slope;
        if !capacity.is_finite() || capacity <= 0.0 {
            return self.prior;
        }
        self.prior * capacity.clamp(1.0 / BOUND, BOUND)
    }

    /// Whether restored numbers are finite and can be sums.
    pub fn is_sound(&self) -> bool {
        self.prior.is_finite()
            && self.prior > 0.0
            && self.sums.iter().all(|sum| sum.is_finite() && *sum >= 0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_samples_the_capacity_is_the_prior() {
        assert!((Capacity::new(5e7).work_per_second() - 5e7).abs() < 1e3);
    }

    #[test]
    fn the_capacity_of_brokers_half_as_fast_as_thought_is_found_within_an_hour() {
        let mut capacity = Capacity::new(1e8);
        for step in 0..240_u32 {
            let work = 1e7 + f64::from(step % 30) * 1e6;
            capacity.observe(work, 0.03 + 0.97 * work / 5e7);
        }
        let found = capacity.work_per_second();
        assert!((found / 5e7 - 1.0).abs() < 0.15, "{found:e}");
    }

    #[test]
    fn samples_that_say_nothing_leave_a_bounded_capacity() {
        let mut capacity = Capacity::new(1e8);
        for _ in 0..100_000 {
            capacity.observe(0.0, 0.5);
        }
        let found = capacity.work_per_second();
        assert!((1e8 / BOUND..=1e8 * BOUND).contains(&found), "{found:e}");
    }
}
