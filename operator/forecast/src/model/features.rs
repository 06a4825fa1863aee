//! What is known at one minute about the load some minutes later.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::history::{History, MINUTES_PER_DAY, MINUTES_PER_WEEK};

/// Numbers that a forecast is a weighted sum of.
pub const FEATURES: usize = 10;
/// How much each of the last three weeks counts in the profile, newest first.
const WEEK_WEIGHTS: [f64; 3] = [0.5, 0.3, 0.2];
/// Share of the newest minute in the fast level: a mean over about three minutes.
const FAST: f64 = 1.0 / 3.0;
/// Share of the newest minute in the slow level: a mean over about twenty minutes.
const SLOW: f64 = 1.0 / 20.0;
/// Share of the newest minute in the lasting deviation: a mean over about two hours.
const LASTING: f64 = 1.0 / 120.0;
/// How far back the profile's own trend is measured, in minutes: the age of the slow level.
const TREND_MINUTES: i64 = 20;
/// How far the profile is looked up ahead: the farthest horizon.
const AHEAD_MINUTES: i64 = 360;
/// The value of the constant feature: of the others' size, so that the ridge holds it alike.
pub const CONSTANT: f64 = 0.03;
/// Part of the mean load that is added before the logarithm, so that a load near nothing at night
/// does not make errors there count most.
pub const OFFSET_SHARE: f64 = 0.25;

/// The level now, on the log scale.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Level {
    /// The newest minute.
    pub raw: f64,
    /// A mean over about three minutes.
    pub fast: f64,
    /// A mean over about twenty minutes; the fast one less this is the trend.
    pub slow: f64,
    /// How far the level lay from the profile, a mean over about two hours.
    pub deviation: f64,
    started: bool,
}

impl Level {
    /// Takes in a minute's logarithm.
    pub fn update(&mut self, value: f64) {
        if self.started {
            self.fast += FAST * (value - self.fast);
            self.slow += SLOW * (value - self.slow);
        } else {
            self.fast = value;
            self.slow = value;
            self.started = true;
        }
        self.raw = value;
    }

    /// Takes in what the profile said of the newest minute.
    pub fn compare(&mut self, profile: Option<f64>) {
        if let Some(profile) = profile {
            self.deviation += LASTING * (self.fast - profile - self.deviation);
        }
    }

    /// Whether every number is finite.
    pub fn is_sound(&self) -> bool {
        self.raw.is_finite()
            && self.deviation.is_finite()
            && self.fast.is_finite()
            && self.slow.is_finite()
    }
}

/// What past weeks say about one minute, on the log scale.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Seasonal {
    /// The weighted mean of the last three weeks at that time of the week.
    profile: Option<f64>,
    /// Last week alone.
    last_week: Option<f64>,
    /// How far the day before lay from its own profile.
    yesterday_deviation: f64,
}

/// What past weeks say about the next hours, kept from minute to minute: each new minute adds one.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Ahead {
    /// Of `from` and the minutes after it.
    seasonal: VecDeque<Seasonal>,
    from: i64,
}

impl Ahead {
    /// Lets it begin at `minute` and reach [`AHEAD_MINUTES`] on.
    pub fn advance(&mut self, history: &History, offset: f64, minute: i64) {
        let past = Past { history, offset };
        let gone = minute.checked_sub(self.from);
        match gone.map(usize::try_from) {
            Some(Ok(gone)) if gone <= self.seasonal.len() => drop(self.seasonal.drain(..gone)),
            _ => self.seasonal.clear(),
        }
        self.from = minute;
        while self.seasonal.len() <= AHEAD_MINUTES as usize {
            let target = minute + self.seasonal.len() as i64;
            self.seasonal.push_back(past.seasonal(target));
        }
    }

    /// The features at its first minute for the load `horizon` minutes on, and what last week's
    /// load alone would forecast (on the log scale).
    pub fn row(
        &self,
        level: &Level,
        profile_trend: f64,
        horizon: i64,
    ) -> ([f64; FEATURES], Option<f64>) {
        let mut row = [0.0; FEATURES];
        row[0] = CONSTANT;
        let (Some(now), Some(then)) = (self.seasonal.front(), self.seasonal.get(horizon as usize))
        else {
            return (row, None);
        };
        if let (Some(now), Some(then)) = (now.profile, then.profile) {
            row[1] = then - now;
            row[4] = level.fast - now;
        }
        if let (Some(now), Some(then)) = (now.last_week, then.last_week) {
            row[2] = then - now;
        }
        row[3] = then.yesterday_deviation - now.yesterday_deviation;
        row[5] = level.fast - level.slow;
        row[6] = profile_trend;
        row[7] = level.raw - level.fast;
        row[8] = then.yesterday_deviation;
        row[9] = level.deviation;
        (row, then.last_week)
    }

    /// Whether restored numbers are finite, and as many as this code relies on.
    pub fn is_sound(&self) -> bool {
        self.seasonal.len() <= AHEAD_MINUTES as usize + 1
            && self.from.abs() < i64::MAX / 4
            && self.seasonal.iter().all(|seasonal| {
                (seasonal.profile.iter())
                    .chain(&seasonal.last_week)
                    .chain([&seasonal.yesterday_deviation])
                    .all(|number| number.is_finite())
            })
    }

    /// What the profile says of its first minute.
    pub fn profile_now(&self) -> Option<f64> {
        self.seasonal.front()?.profile
    }

    /// How the profile itself moved over the age of the slow level, until its first minute.
    pub fn profile_trend(&self, history: &History, offset: f64) -> f64 {
        let past = Past { history, offset };
        let now = self.seasonal.front().and_then(|now| now.profile);
        let before = past.profile(self.from - TREND_MINUTES).0;
        now.zip(before).map_or(0.0, |(now, before)| now - before)
    }
}

/// A history on the log scale.
struct Past<'a> {
    history: &'a History,
    offset: f64,
}

impl Past<'_> {
    fn seasonal(&self, minute: i64) -> Seasonal {
        let (profile, last_week) = self.profile(minute);
        let yesterday = self.log_around(minute - MINUTES_PER_DAY);
        let before = self.profile(minute - MINUTES_PER_DAY).0;
        Seasonal {
            profile,
            last_week,
            yesterday_deviation: yesterday
                .zip(before)
                .map_or(0.0, |(seen, before)| seen - before),
        }
    }

    /// The weighted mean of the last weeks at that time of the week, and the newest of them.
    fn profile(&self, minute: i64) -> (Option<f64>, Option<f64>) {
        let mut sum = 0.0;
        let mut weight = 0.0;
        let mut last_week = None;
        for (week, share) in (1..).zip(WEEK_WEIGHTS) {
            if let Some(value) = self.log_around(minute - week * MINUTES_PER_WEEK) {
                sum += share * value;
                weight += share;
                last_week = last_week.or(Some(value));
            }
        }
        ((weight > 0.0).then(|| sum / weight), last_week)
    }

    fn log_around(&self, minute: i64) -> Option<f64> {
        self.history
            .around(minute)
            .map(|value| (value + self.offset).ln())
    }
}

/// The weights before anything was learned: follow the profile, keep the level.
pub fn prior() -> [f64; FEATURES] {
    let mut weights = [0.0; FEATURES];
    weights[1] = 1.0;
    weights
}
