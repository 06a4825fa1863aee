//! When a volume will be full.
//!
//! Guarantees: bounded memory (two weeks of hours), no number but finite ones. The growth that is
//! expected is the median of the growths over a day that were seen; its bound is the growth that
//! 95 % of those days, and one more, stayed under (split conformal prediction: the rank is that of
//! n + 1). A volume that shrinks or stands still is never full.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::sample::{SampleError, check_time};

const MS_PER_HOUR: i64 = 3_600_000;
/// Hours that are kept: two weeks.
const KEPT_HOURS: usize = 14 * 24;
/// Growth is measured over a day, so that a daily pattern does not pass for a trend.
const SPAN_HOURS: usize = 24;
/// Overlapping days that must have been seen before anything is forecast: two days of hours.
const MIN_GROWTHS: usize = 24;
/// The share of growths that the bound is not below.
const COVERAGE: f64 = 0.95;
/// Fuller than this far ahead is not told from never: ten years.
const MAX_HOURS: f64 = 87_600.0;
/// No volume has more bytes than this.
const MAX_BYTES: u64 = 1 << 60;

/// The used bytes of one volume, an hour each.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FillModel {
    /// The highest use of each of the last hours; none where nothing was seen.
    hours: VecDeque<Option<u64>>,
    newest_hour: Option<i64>,
    newest_ms: Option<i64>,
}

/// When a volume will be full.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct FillTime {
    /// Hours from now at the growth that is expected; none where it does not grow.
    pub expected_hours: Option<f64>,
    /// Hours from now at the growth's bound: it will hardly be earlier.
    pub earliest_hours: Option<f64>,
    /// The growth that is expected, in bytes a day (negative where it shrinks).
    pub growth_bytes_per_day: f64,
    /// The growth's bound, in bytes a day.
    pub bound_bytes_per_day: f64,
}

/// Why a use is refused.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum FillError {
    /// Its time.
    #[error(transparent)]
    Time(#[from] SampleError),
    /// Its size.
    #[error("failed to take in a volume's use: {0} bytes are more than any volume has")]
    TooLarge(u64),
}

impl FillModel {
    /// Takes in the bytes that are used now.
    ///
    /// # Errors
    /// [`FillError`] for a time that goes back and for impossible sizes; the state stays.
    pub fn observe(&mut self, now_ms: i64, used_bytes: u64) -> Result<(), FillError> {
        check_time(now_ms, self.newest_ms)?;
        if used_bytes > MAX_BYTES {
            return Err(FillError::TooLarge(used_bytes));
        }
        self.newest_ms = Some(now_ms);
        let hour = now_ms.div_euclid(MS_PER_HOUR);
        let skipped = match self.newest_hour {
            Some(newest) if newest == hour => {
                if let Some(last) = self.hours.back_mut() {
                    *last = (*last).max(Some(used_bytes));
                }
                return Ok(());
            }
            Some(newest) => usize::try_from(hour - newest - 1).unwrap_or(usize::MAX),
            None => 0,
        };
        let gaps = std::iter::repeat_n(None, skipped.min(KEPT_HOURS));
        for value in gaps.chain([Some(used_bytes)]) {
            if self.hours.len() >= KEPT_HOURS {
                self.hours.pop_front();
            }
            self.hours.push_back(value);
        }
        self.newest_hour = Some(hour);
        Ok(())
    }

    /// When a volume of `size_bytes` will be full; none before two days were seen.
    pub fn forecast(&self, size_bytes: u64) -> Option<FillTime> {
        let used = self.hours.iter().rev().flatten().next().copied()?;
        let mut growths: Vec<f64> = (self.hours.iter().zip(self.hours.iter().skip(SPAN_HOURS)))
            .filter_map(|(before, after)| Some((*after)? as f64 - (*before)? as f64))
            .collect();
        if growths.len() < MIN_GROWTHS {
            return None;
        }
        growths.sort_by(f64::total_cmp);
        let expected = growths[growths.len() / 2];
        let rank = (COVERAGE * (growths.len() + 1) as f64).ceil() as usize;
        let bound = growths[rank.clamp(1, growths.len()) - 1];
        let left = size_bytes.saturating_sub(used) as f64;
        let hours = |growth: f64| {
            let hours = left / growth * SPAN_HOURS as f64;
            (growth > 0.0 && hours <= MAX_HOURS).then_some(hours)
        };
        Some(FillTime {
            expected_hours: hours(expected),
            earliest_hours: hours(bound),
            growth_bytes_per_day: expected,
            bound_bytes_per_day: bound,
        })
    }

    /// When a use was last taken in, in milliseconds since the Unix epoch.
    pub fn newest_ms(&self) -> Option<i64> {
        self.newest_ms
    }

    /// Hours that are remembered, gaps too.
    pub fn hours(&self) -> usize {
        self.hours.len()
    }

    /// Whether restored numbers fit what this code relies on.
    pub fn is_sound(&self) -> bool {
        self.hours.len() <= KEPT_HOURS
            && self.hours.iter().flatten().all(|used| *used <= MAX_BYTES)
            && self.newest_hour.is_some() == self.newest_ms.is_some()
            && (self.newest_ms.iter()).all(|&at_ms| check_time(at_ms, None).is_ok())
            && self.newest_hour == self.newest_ms.map(|at_ms| at_ms.div_euclid(MS_PER_HOUR))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    fn grown(hours: i64, used: impl Fn(i64) -> u64) -> FillModel {
        let mut model = FillModel::default();
        for hour in 0..hours {
            model
                .observe(hour * MS_PER_HOUR, used(hour))
                .expect("a use");
        }
        model
    }

    #[test]
    fn steady_growth_is_full_when_arithmetic_says() {
        let time = grown(72, |hour| 10 * GIB + hour as u64 * GIB).forecast(181 * GIB);
        let time = time.expect("three days were seen");
        assert!((time.expected_hours.expect("it grows") - 100.0).abs() < 0.1);
        assert_eq!(time.expected_hours, time.earliest_hours);
    }

    #[test]
    fn a_daily_wave_is_no_trend() {
        let wave = |hour: i64| 50 * GIB + (hour % 24) as u64 * GIB;
        let time = grown(120, wave)
            .forecast(100 * GIB)
            .expect("five days were seen");
        assert_eq!(time.expected_hours, None);
        assert_eq!(time.earliest_hours, None);
    }

    #[test]
    fn uneven_growth_may_be_full_earlier_than_expected() {
        // Every fifth day takes 40 GiB, the others 10.
        let uneven = |hour: i64| {
            (0..=hour)
                .map(|h| if h / 24 % 5 == 4 { 40 } else { 10 })
                .sum::<u64>()
                * GIB
                / 24
        };
        let time = grown(300, uneven)
            .forecast(1_000 * GIB)
            .expect("twelve days were seen");
        let (expected, earliest) = (
            time.expected_hours.expect("grows"),
            time.earliest_hours.expect("grows"),
        );
        assert!(earliest < 0.6 * expected, "{earliest} {expected}");
    }

    #[test]
    fn nothing_is_forecast_from_one_day_or_after_a_long_gap() {
        assert_eq!(grown(30, |hour| hour as u64 * GIB).forecast(GIB), None);
        let mut model = grown(72, |hour| hour as u64 * GIB);
        model.observe(2_000 * MS_PER_HOUR, 90 * GIB).expect("a use");
        assert_eq!(model.forecast(100 * GIB), None);
        assert!(model.is_sound());
    }

    #[test]
    fn impossible_uses_are_refused() {
        let mut model = grown(3, |_| GIB);
        assert!(matches!(model.observe(0, GIB), Err(FillError::Time(_))));
        assert!(matches!(model.observe(-1, GIB), Err(FillError::Time(_))));
        assert!(matches!(
            model.observe(9 * MS_PER_HOUR, u64::MAX),
            Err(FillError::TooLarge(_))
        ));
    }
}
