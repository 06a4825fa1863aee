//! How long requests took, as brokers count it: buckets.

use std::collections::VecDeque;

use crate::Millis;

/// Intervals of one broker that are kept: a minute of samples 5 s apart, with room.
pub const TIMES_KEPT: usize = 16;

/// How many requests took how long.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct RequestTimes {
    /// The upper bounds of the buckets, in milliseconds, ascending.
    pub bounds_ms: Vec<f64>,
    /// Requests in each bucket, and in the end those above the last bound.
    pub counts: Vec<f64>,
}

impl RequestTimes {
    /// How many there were.
    pub fn requests(&self) -> f64 {
        self.counts.iter().sum()
    }

    /// What was added since `before`; None where the buckets are others, or one went back, because
    /// they began anew.
    pub fn since(&self, before: &Self) -> Option<Self> {
        if self.bounds_ms != before.bounds_ms || self.counts.len() != before.counts.len() {
            return None;
        }
        let pairs = self.counts.iter().zip(&before.counts);
        let added: Vec<f64> = pairs.map(|(now, then)| now - then).collect();
        let went_back = added.iter().any(|count| *count < 0.0);
        (!went_back).then(|| Self {
            bounds_ms: self.bounds_ms.clone(),
            counts: added,
        })
    }

    /// Adds those of another interval; false, and nothing changes, where the buckets are others.
    pub fn add(&mut self, other: &Self) -> bool {
        if self.counts.is_empty() {
            *self = other.clone();
            return true;
        }
        if self.bounds_ms != other.bounds_ms || self.counts.len() != other.counts.len() {
            return false;
        }
        for (sum, count) in self.counts.iter_mut().zip(&other.counts) {
            *sum += count;
        }
        true
    }

    /// The time in milliseconds that the share `quantile` of requests did not take longer than, with a
    /// straight line within its bucket, as Prometheus's `histogram_quantile` has it. Above the last
    /// bound that bound is told. None where there are no requests.
    pub fn quantile_ms(&self, quantile: f64) -> Option<f64> {
        let requests = self.requests();
        let last = *self.bounds_ms.last()?;
        if requests <= 0.0 {
            return None;
        }
        let (rank, mut below, mut from) = (requests * quantile, 0.0, 0.0);
        for (bound, count) in self.bounds_ms.iter().zip(&self.counts) {
            if *count > 0.0 && below + count >= rank {
                return Some(from + (bound - from) * (rank - below) / count);
            }
            below += count;
            from = *bound;
        }
        Some(last)
    }
}

/// What was counted between two samples of a broker.
#[derive(Clone, PartialEq, Debug)]
pub struct TimesInterval {
    /// When it began, of the caller's clock.
    pub from: Millis,
    /// When it ended.
    pub to: Millis,
    /// What it added.
    pub times: RequestTimes,
}

/// The last intervals of one broker.
#[derive(Clone, Debug, Default)]
pub struct TimesHistory {
    last: Option<RequestTimes>,
    intervals: VecDeque<TimesInterval>,
}

impl TimesHistory {
    /// Takes what a sample told; `interval` is what lies between it and the one before, where that is
    /// to be believed.
    pub fn take(&mut self, told: Option<&RequestTimes>, interval: Option<(Millis, Millis)>) {
        let added = self.last.as_ref().zip(told);
        let added = added.and_then(|(before, now)| now.since(before));
        if let Some((times, (from, to))) = added.zip(interval) {
            if self.intervals.len() >= TIMES_KEPT {
                self.intervals.pop_front();
            }
            self.intervals.push_back(TimesInterval { from, to, times });
        }
        self.last = told.cloned();
    }

    /// The intervals, the oldest first. None where the broker does not tell.
    pub fn told(&self) -> Option<impl Iterator<Item = &TimesInterval>> {
        self.last.as_ref().map(|_| self.intervals.iter())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(counts: [f64; 4]) -> RequestTimes {
        RequestTimes {
            bounds_ms: vec![10.0, 20.0, 50.0],
            counts: counts.to_vec(),
        }
    }

    #[test]
    fn a_quantile_lies_on_a_line_within_its_bucket_and_never_above_the_last_bound() {
        let spread = times([50.0, 0.0, 50.0, 0.0]);
        assert_eq!(spread.quantile_ms(0.5), Some(10.0));
        assert_eq!(spread.quantile_ms(0.75), Some(35.0));
        assert_eq!(times([1.0, 0.0, 0.0, 99.0]).quantile_ms(0.99), Some(50.0));
        assert_eq!(times([0.0; 4]).quantile_ms(0.99), None);
        assert_eq!(RequestTimes::default().quantile_ms(0.99), None);
    }

    #[test]
    fn counters_that_begin_anew_and_other_buckets_have_no_difference() {
        let before = times([1.0, 2.0, 3.0, 4.0]);
        let now = times([1.0, 5.0, 3.0, 4.0]);
        assert_eq!(now.since(&before), Some(times([0.0, 3.0, 0.0, 0.0])));
        assert_eq!(before.since(&now), None);
        let mut other = now.clone();
        other.bounds_ms[0] = 5.0;
        assert_eq!(other.since(&before), None);
        assert!(!other.add(&before));
    }

    #[test]
    fn a_history_keeps_the_last_intervals_and_tells_from_silence() {
        let mut history = TimesHistory::default();
        history.take(None, None);
        assert!(history.told().is_none());
        for n in 0..40_u32 {
            let told = times([f64::from(n), 0.0, 0.0, 0.0]);
            let at = u64::from(n) * 5_000;
            let interval = n.checked_sub(1).map(|_| (at - 5_000, at));
            history.take(Some(&told), interval);
        }
        let told: Vec<_> = history.told().unwrap().collect();
        assert_eq!(told.len(), TIMES_KEPT);
        assert_eq!((told[15].from, told[15].to), (190_000, 195_000));
        assert_eq!(told[15].times, times([1.0, 0.0, 0.0, 0.0]));
        // Another run of the process: nothing lies between it and the one before.
        history.take(Some(&times([0.0; 4])), None);
        assert_eq!(history.told().unwrap().count(), TIMES_KEPT);
    }
}
