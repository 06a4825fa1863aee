//! Exponentially weighted rates.

use crate::Millis;

/// After so long what was seen before counts half. Short enough that a step of load shows as 75 %
/// of itself within a minute, long enough that one burst of a batching producer does not look like
/// one.
pub const HALF_LIFE_MS: Millis = 30_000;

/// [`HALF_LIFE_MS`].
pub const HALF_LIFE: std::time::Duration = std::time::Duration::from_millis(HALF_LIFE_MS);

/// A shorter interval between two samples is not counted: it waits for the next.
pub const INTERVAL_MIN: Millis = 500;

/// A longer interval between two samples is not counted: much may have happened in it.
pub const INTERVAL_MAX: Millis = 120_000;

/// A rate above this, in bytes, records or requests a second, is not believed: no machine moves a
/// terabyte a second.
pub const RATE_MAX: f64 = 1e12;

/// The weighted mean of some rates. Weights are corrected for the beginning: the first interval
/// alone gives its own rate, not a part of it.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Ewma<const N: usize> {
    sums: [f64; N],
    weight: f64,
    observed_ms: Millis,
}

impl<const N: usize> Default for Ewma<N> {
    fn default() -> Self {
        Self {
            sums: [0.0; N],
            weight: 0.0,
            observed_ms: 0,
        }
    }
}

impl<const N: usize> Ewma<N> {
    /// Counts what was added in an interval. False, and nothing changes, if the interval or a rate
    /// is not to be believed.
    pub fn add(&mut self, added: [f64; N], interval_ms: Millis) -> bool {
        if !is_interval(interval_ms) {
            return false;
        }
        let seconds = interval_ms as f64 / 1_000.0;
        let rates = added.map(|added| added / seconds);
        if !rates.iter().all(|rate| (0.0..=RATE_MAX).contains(rate)) {
            return false;
        }
        let kept = (-(interval_ms as f64) / HALF_LIFE_MS as f64).exp2();
        for (sum, rate) in self.sums.iter_mut().zip(rates) {
            *sum = *sum * kept + rate * (1.0 - kept);
        }
        self.weight = self.weight * kept + (1.0 - kept);
        self.observed_ms = self.observed_ms.saturating_add(interval_ms);
        true
    }

    /// The rates a second; 0 before anything was counted.
    pub fn rates(&self) -> [f64; N] {
        if self.weight > 0.0 {
            self.sums.map(|sum| sum / self.weight)
        } else {
            [0.0; N]
        }
    }

    /// Rates that were measured before, with the weight that they are to have.
    pub(crate) fn of(rates: [f64; N], weight: f64, observed_ms: Millis) -> Self {
        Self {
            sums: rates.map(|rate| rate * weight),
            weight,
            observed_ms,
        }
    }

    /// How much the rates count beside a new interval, 0 to 1.
    pub(crate) fn weight(&self) -> f64 {
        self.weight
    }

    /// The length of the intervals that were counted.
    pub fn observed_ms(&self) -> Millis {
        self.observed_ms
    }
}

/// Whether an interval between two samples may be counted.
pub fn is_interval(interval_ms: Millis) -> bool {
    (INTERVAL_MIN..=INTERVAL_MAX).contains(&interval_ms)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_first_interval_gives_its_own_rate_and_a_step_shows_as_half_after_the_half_life() {
        let mut rate = Ewma::<1>::default();
        assert!(rate.add([500.0], 5_000));
        assert_eq!(rate.rates(), [100.0]);
        for _ in 0..200 {
            rate.add([500.0], 5_000);
        }
        rate.add([9_000.0], 30_000);
        assert!((rate.rates()[0] - 200.0).abs() < 0.1, "{rate:?}");
    }

    #[test]
    fn what_cannot_be_changes_nothing() {
        let mut rate = Ewma::<2>::default();
        rate.add([10.0, 20.0], 1_000);
        let before = rate;
        for bad in [f64::NAN, f64::INFINITY, -1.0, 1e30] {
            assert!(!rate.add([1.0, bad], 1_000));
        }
        assert!(!rate.add([1.0, 1.0], INTERVAL_MIN - 1));
        assert!(!rate.add([1.0, 1.0], INTERVAL_MAX + 1));
        assert_eq!(rate, before);
    }

    proptest! {
        #[test]
        fn a_rate_lies_between_the_least_and_the_greatest_of_its_intervals(
            intervals in prop::collection::vec((0.0..1e9_f64, INTERVAL_MIN..INTERVAL_MAX), 1..50)
        ) {
            let mut rate = Ewma::<1>::default();
            for (per_second, interval_ms) in &intervals {
                prop_assert!(rate.add([per_second * *interval_ms as f64 / 1_000.0], *interval_ms));
            }
            let all = intervals.iter().map(|(per_second, _)| *per_second);
            let least = all.clone().fold(f64::INFINITY, f64::min);
            let greatest = all.fold(0.0, f64::max);
            let [found] = rate.rates();
            let slack = greatest * 1e-9 + 1e-9;
            prop_assert!(found >= least - slack && found <= greatest + slack);
        }
    }
}
