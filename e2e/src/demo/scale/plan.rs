//! The plan of the load, by the minute, and the history that it would have left behind. Pure.
//!
//! The history is synthetic, and told to be: the load that is sent, at the same time of each of the days
//! before, upon a wave of the day that has its highest point there, on days that differ by a tenth.

use std::f64::consts::TAU;
use std::fmt::Write as _;
use std::time::Duration;

use jiff::Timestamp;

use super::loads::Stage;

/// What three brokers carry.
pub const BASE: Stage = Stage {
    topic: "base",
    partitions: 24,
    interval: Duration::from_millis(230),
};
/// With it, four are needed.
pub const MORE: Stage = Stage {
    topic: "more",
    partitions: 12,
    interval: Duration::from_millis(170),
};
/// With it too, five are.
pub const MOST_LOAD: Stage = Stage {
    topic: "most",
    partitions: 12,
    interval: Duration::from_millis(200),
};

/// Minutes from the first rise to the second, and to the fall of both.
const SECOND_RISE: i64 = 2;
const FALL: i64 = 7;
/// The first rise comes so many minutes after it was planned at the earliest, and one more at the latest:
/// time to see it come, and for a broker to join.
const LEAD: i64 = 4;
/// Days of history: what the operator remembers. Its forecast decides after two weeks at the earliest.
pub const DAYS: i64 = 21;
/// How much of the load is gone half a day away from the rise, by half: no other time needs more brokers.
const WAVE: f64 = 0.25;
/// How far days and minutes differ from each other, each way.
const DAY_NOISE: f64 = 0.1;
const MINUTE_NOISE: f64 = 0.002;
/// Draws the differences: the same in each run.
const SEED: u64 = 7;
const MINUTES_PER_DAY: i64 = 24 * 60;
const SECONDS_PER_MINUTE: i64 = 60;

/// When the load rises and falls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The minute of the first rise, counted from the Unix epoch.
    rise: i64,
}

impl Plan {
    /// What is planned at `now`.
    #[must_use]
    pub fn at(now: Timestamp) -> Self {
        let minute = now.as_second().div_euclid(SECONDS_PER_MINUTE);
        Self {
            rise: minute + LEAD + 1,
        }
    }

    /// The moments at which the load of [`MORE`] and of [`MOST_LOAD`] begins, and both end.
    #[must_use]
    pub fn moments(self) -> [Timestamp; 3] {
        [0, SECOND_RISE, FALL].map(|minutes| {
            let seconds = (self.rise + minutes) * SECONDS_PER_MINUTE;
            Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX)
        })
    }

    /// Bytes a second that producers append in a minute, on a day like this one.
    fn bytes_in(self, minute: i64) -> f64 {
        let after = minute - self.rise;
        let time = (after + MINUTES_PER_DAY / 2).rem_euclid(MINUTES_PER_DAY) - MINUTES_PER_DAY / 2;
        let mut sent = BASE.appended_bytes_per_second();
        for (stage, begin) in [(MORE, 0), (MOST_LOAD, SECOND_RISE)] {
            if (begin..FALL).contains(&time) {
                sent += stage.appended_bytes_per_second();
            }
        }
        let angle = time as f64 / MINUTES_PER_DAY as f64 * TAU;
        sent * (1.0 - WAVE * (1.0 - angle.cos()))
    }

    /// The history until `now` as CSV, a row a minute.
    #[must_use]
    pub fn history(self, now: Timestamp) -> String {
        let mut random = fastrand::Rng::with_seed(SEED);
        let mut differs = |by: f64| 1.0 + by * (2.0 * random.f64() - 1.0);
        let until = now.as_second().div_euclid(SECONDS_PER_MINUTE);
        let mut text = "time,bytes_in,bytes_out\n".to_owned();
        let mut level = differs(DAY_NOISE);
        for minute in until - DAYS * MINUTES_PER_DAY..until {
            // Days begin far from the rise, and the one of now is as planned.
            let day = minute - self.rise + MINUTES_PER_DAY / 2;
            if day.rem_euclid(MINUTES_PER_DAY) == 0 {
                level = differs(DAY_NOISE);
            }
            let level = if day >= 0 { 1.0 } else { level };
            let sent = self.bytes_in(minute) * level * differs(MINUTE_NOISE);
            let time = minute * SECONDS_PER_MINUTE;
            // Nobody reads until all is over. Writing to a String cannot fail.
            let _ = writeln!(text, "{time},{sent:.0},0");
        }
        text
    }
}

#[cfg(test)]
mod tests;
