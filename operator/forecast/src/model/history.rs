//! The last three weeks of one load, a value a minute, in a ring of fixed size.

use serde::{Deserialize, Serialize};

/// Minutes of a day.
pub const MINUTES_PER_DAY: i64 = 24 * 60;
/// Minutes of a week: the longest season that is looked for.
pub const MINUTES_PER_WEEK: i64 = 7 * MINUTES_PER_DAY;
/// Minutes that are kept.
pub const HISTORY_MINUTES: usize = 3 * MINUTES_PER_WEEK as usize;
/// No minute is later: sums and differences of minutes, in milliseconds too, stay far from overflow.
const NEWEST_MAX: i64 = i64::MAX / 1_000_000;
/// What stands in the ring for a minute that nobody measured. Loads are never negative.
const GAP: f32 = -1.0;

/// A load's value for each of the last [`HISTORY_MINUTES`] minutes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct History {
    values: Vec<f32>,
    /// The newest minute in the ring, counted from the Unix epoch.
    newest: Option<i64>,
    /// Minutes between the first and the newest, gaps too, at most the ring's size.
    span: usize,
}

impl Default for History {
    fn default() -> Self {
        History {
            values: vec![GAP; HISTORY_MINUTES],
            newest: None,
            span: 0,
        }
    }
}

impl History {
    /// Appends a minute's mean load. Minutes that were skipped become gaps; a minute at or before
    /// the newest is ignored.
    pub fn push(&mut self, minute: i64, value: f64) {
        let skipped = match self.newest {
            Some(newest) if minute <= newest => return,
            Some(newest) => usize::try_from(minute - newest - 1).unwrap_or(usize::MAX),
            None => 0,
        };
        for gap in 1..=skipped.min(HISTORY_MINUTES) {
            let slot = Self::slot(minute - gap as i64);
            self.values[slot] = GAP;
        }
        self.values[Self::slot(minute)] = value as f32;
        self.newest = Some(minute);
        self.span = self
            .span
            .saturating_add(skipped.saturating_add(1))
            .min(HISTORY_MINUTES);
    }

    /// The newest minute, counted from the Unix epoch.
    pub fn newest(&self) -> Option<i64> {
        self.newest
    }

    /// Minutes between the first one kept and the newest, gaps too.
    pub fn span_minutes(&self) -> usize {
        self.span
    }

    /// A minute's load, where it was measured and is still kept.
    pub fn at(&self, minute: i64) -> Option<f64> {
        let newest = self.newest?;
        let age = newest.checked_sub(minute)?;
        if age < 0 || age >= self.span as i64 {
            return None;
        }
        let value = self.values[Self::slot(minute)];
        (value >= 0.0).then_some(f64::from(value))
    }

    /// The mean of five minutes spread over nine around `minute`, so that one noisy minute of a
    /// past week does not become part of the pattern.
    pub fn around(&self, minute: i64) -> Option<f64> {
        let mut sum = 0.0;
        let mut count = 0;
        for offset in [-4, -2, 0, 2, 4] {
            if let Some(value) = self.at(minute + offset) {
                sum += value;
                count += 1;
            }
        }
        (count > 0).then(|| sum / f64::from(count))
    }

    /// Whether a restored ring has the size and the values that this code relies on.
    pub fn is_sound(&self) -> bool {
        self.values.len() == HISTORY_MINUTES
            && self.span <= HISTORY_MINUTES
            && self.values.iter().all(|value| value.is_finite())
            && self
                .newest
                .is_none_or(|newest| newest.saturating_abs() < NEWEST_MAX)
    }

    fn slot(minute: i64) -> usize {
        minute.rem_euclid(HISTORY_MINUTES as i64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_is_told_from_a_load_of_nothing() {
        let mut history = History::default();
        history.push(10, 0.0);
        history.push(13, 5.0);
        let seen: Vec<_> = (9..15).map(|minute| history.at(minute)).collect();
        assert_eq!(seen, [None, Some(0.0), None, None, Some(5.0), None]);
        assert_eq!(history.span_minutes(), 4);
    }

    #[test]
    fn a_gap_longer_than_the_ring_leaves_only_the_newest_minute() {
        let mut history = History::default();
        for minute in 0..100 {
            history.push(minute, 1.0);
        }
        history.push(100 + HISTORY_MINUTES as i64 * 2, 7.0);
        let newest = history.newest().expect("a minute was pushed");
        assert_eq!(history.at(newest), Some(7.0));
        assert!((1..HISTORY_MINUTES as i64).all(|age| history.at(newest - age).is_none()));
    }
}
