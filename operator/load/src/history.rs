//! When a log reached an offset.

use std::collections::VecDeque;

use crate::Millis;

/// Points that are kept of each partition. When there are more, every second of the older half goes,
/// but never the first: recent points stand a sample apart, older ones twice as far, then four times.
/// An age is off by less than the distance of the two points that it is read between, which grows
/// with the age.
pub const HISTORY_MAX: usize = 24;

/// How old a record is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Age {
    /// About so old.
    Milliseconds(Millis),
    /// So old at least: it was written before the history begins.
    AtLeast(Millis),
}

impl Age {
    /// In milliseconds; the least where it is not known.
    pub const fn millis(self) -> Millis {
        match self {
            Self::Milliseconds(age) | Self::AtLeast(age) => age,
        }
    }
}

/// The end of a log over time.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct History {
    points: VecDeque<(Millis, f64)>,
}

impl History {
    /// At `at` the log ended at `end`. An end that went back (records were lost, or the topic was
    /// made anew) begins the history anew.
    pub fn record(&mut self, at: Millis, end: f64) {
        match self.points.back() {
            Some((last, _)) if *last >= at => return,
            Some((_, before)) if end < *before => self.points.clear(),
            _ => {}
        }
        // Of a log that stands still the first and the last point tell all.
        let len = self.points.len();
        if len >= 2 && self.points[len - 2].1 == end && self.points[len - 1].1 == end {
            self.points[len - 1].0 = at;
            return;
        }
        self.points.push_back((at, end));
        if self.points.len() > HISTORY_MAX {
            let older = HISTORY_MAX / 2;
            let mut place = 0;
            self.points.retain(|_| {
                place += 1;
                place > older || place % 2 == 1
            });
        }
    }

    /// The newest end.
    pub fn end(&self) -> Option<f64> {
        self.points.back().map(|(_, end)| *end)
    }

    /// How old the record at `offset` is at `now`: when the log's end passed it, with a straight line
    /// between two points. None: it is not written yet.
    pub fn age(&self, offset: f64, now: Millis) -> Option<Age> {
        let above = self.points.partition_point(|(_, end)| *end <= offset);
        let (at, end) = *self.points.get(above)?;
        let Some((at_before, end_before)) = above.checked_sub(1).map(|i| self.points[i]) else {
            return Some(Age::AtLeast(now.saturating_sub(at)));
        };
        let share = (offset - end_before) / (end - end_before);
        let written = at_before + ((at - at_before) as f64 * share) as Millis;
        Some(Age::Milliseconds(now.saturating_sub(written)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_age_of_a_record_is_read_between_two_points() {
        let mut history = History::default();
        for (at, end) in [(0, 100.0), (10_000, 200.0), (20_000, 400.0)] {
            history.record(at, end);
        }
        assert_eq!(history.age(150.0, 20_000), Some(Age::Milliseconds(15_000)));
        assert_eq!(history.age(300.0, 21_000), Some(Age::Milliseconds(6_000)));
        assert_eq!(history.age(100.0, 20_000), Some(Age::Milliseconds(20_000)));
        assert_eq!(history.age(99.0, 20_000), Some(Age::AtLeast(20_000)));
        assert_eq!(history.age(400.0, 20_000), None);
    }

    #[test]
    fn records_written_after_a_pause_are_not_taken_for_older() {
        let mut history = History::default();
        for step in 0..100 {
            history.record(step * 5_000, 10.0);
        }
        history.record(500_000, 20.0);
        assert_eq!(history.age(10.0, 500_000), Some(Age::Milliseconds(5_000)));
    }

    #[test]
    fn an_end_that_goes_back_begins_anew() {
        let mut history = History::default();
        history.record(0, 100.0);
        history.record(5_000, 50.0);
        assert_eq!(history.age(10.0, 6_000), Some(Age::AtLeast(1_000)));
    }

    proptest! {
        #[test]
        fn an_age_at_a_steady_rate_is_right_however_long_ago(
            samples in 2_usize..2_000, back in 0.0..1.0_f64
        ) {
            let mut history = History::default();
            for step in 0..samples as u64 {
                history.record(step * 5_000, step as f64 * 50.0);
            }
            prop_assert!(history.points.len() <= HISTORY_MAX);
            let now = (samples as u64 - 1) * 5_000;
            let offset = (samples as f64 - 1.0) * 50.0 * back;
            let expected = now as f64 - offset * 100.0;
            let age = history.age(offset.min((samples as f64 - 1.0) * 50.0 - 1e-6), now);
            let age = age.map(Age::millis).unwrap_or_default();
            prop_assert!((age as f64 - expected).abs() <= 2.0, "{age} is not {expected}");
        }
    }
}
