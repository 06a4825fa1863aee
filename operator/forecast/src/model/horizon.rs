//! One horizon: the weights of its features, the errors that it made, and how it compares.

use serde::{Deserialize, Serialize};

use super::{
    FEATURES,
    conformal::Scores,
    features,
    history::{MINUTES_PER_DAY, MINUTES_PER_WEEK},
    regression::Regression,
};

const HOURS_PER_WEEK: usize = 168;
/// Share of the newest error in the typical error of its hour of the week.
const HOUR_SHARE: f32 = 0.01;
/// Share of the newest error in the typical error of all hours: a mean over about a week.
const OVERALL_SHARE: f32 = 1.0 / 10_000.0;
/// Share of the newest error in the typical error of late: a mean over about two hours.
const RECENT_SHARE: f32 = 1.0 / 120.0;
/// How the three are mixed, before more was learned.
const MIX: [f64; 3] = [0.4, 0.35, 0.25];
/// Numbers that the typical error is a weighted sum of.
const SCALES: usize = 7;
/// The learned typical error stays within the mix divided and multiplied by this.
const SCALE_BOUND: f64 = 4.0;
/// An error counts in the typical error's weights as so many of the mix at most.
const SCALE_CLIP: f64 = 12.0;
/// Strength of the pull of the typical error's weights towards the mix, in minutes.
const SCALE_RIDGE: f64 = 500.0;
/// Strength of the pull of the forecast's weights towards the profile's change: fifty minutes of a
/// typical feature's variance (a change of about 3 % on the log scale), and ten more for each minute
/// ahead. Rows less far apart than the horizon share most of their errors: they count less.
const RIDGE: f64 = 0.05;
const RIDGE_PER_MINUTE: f64 = 0.01;
/// An error of the forecast counts in its weights as so many typical ones at most (Huber's loss):
/// least squares would make the few minutes of an outage decide all weights.
const CLIP: f64 = 1.5;
/// No error is taken to be typically smaller than this (on the log scale).
const TYPICAL_FLOOR: f64 = 1e-3;
/// The typical error before any was seen, on the log scale: a tenth.
const TYPICAL_PRIOR: f32 = 0.1;
/// Share of the newest error in the mean errors that skill is judged by: about three days.
const SKILL_SHARE: f64 = 1.0 / 4_000.0;
/// Errors that must have been seen before skill is claimed: a week of minutes.
const SKILL_MINUTES: u32 = MINUTES_PER_WEEK as u32;
/// Minutes between two solutions for the weights.
const SOLVE_MINUTES: i64 = 60;
/// Minutes of history before anything is learned: a day, so that the offset has settled.
pub const WARM_MINUTES: usize = MINUTES_PER_DAY as usize;

/// Mean absolute errors, on the log scale, over the same minutes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Skill {
    /// Of the forecast.
    pub forecast: f64,
    /// Of "it stays as it is".
    pub persistence: f64,
    /// Of "it will be as a week before".
    pub seasonal_naive: f64,
    /// Minutes that were compared.
    pub minutes: u32,
}

impl Skill {
    /// The part of the better naive forecast's error that the forecast avoids; below 0 where it
    /// is worse, 0 until a week was compared.
    pub fn share(&self) -> f64 {
        let naive = self.persistence.min(self.seasonal_naive);
        if self.minutes < SKILL_MINUTES || naive <= 0.0 {
            return 0.0;
        }
        1.0 - self.forecast / naive
    }

    /// Whether restored errors are numbers that errors can be.
    fn is_sound(&self) -> bool {
        [self.forecast, self.persistence, self.seasonal_naive]
            .iter()
            .all(|error| error.is_finite() && *error >= 0.0)
    }
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Pending {
    /// Minutes since the Unix epoch; those of the year 10000 fit.
    issued: u32,
    /// The features but the first, which is the same in each row.
    row: [f32; FEATURES - 1],
    base: f32,
    forecast: f32,
    typical: f32,
    hour: f32,
    recent: f32,
    naive: Option<f32>,
}

/// A minute that has passed, on the log scale.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    /// Counted from the Unix epoch.
    pub minute: i64,
    /// Its mean.
    pub mean: f64,
    /// Its highest sample.
    pub peak: f64,
}

/// Forecasts a fixed number of minutes ahead.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Horizon {
    minutes: i64,
    regression: Regression<FEATURES>,
    scale: Regression<SCALES>,
    scores: Scores,
    by_hour: Vec<f32>,
    overall: f32,
    recent: f32,
    skill: Skill,
    pending: Vec<Option<Pending>>,
}

impl Horizon {
    /// A horizon of `minutes` (at least 1) that has seen nothing.
    pub fn new(minutes: i64) -> Self {
        Horizon {
            minutes,
            regression: Regression::new(
                features::prior(),
                RIDGE + RIDGE_PER_MINUTE * minutes as f64,
            ),
            scale: Regression::new([MIX[0], MIX[1], MIX[2], 0.0, 0.0, 0.0, 0.0], SCALE_RIDGE),
            scores: Scores::default(),
            by_hour: vec![0.0; HOURS_PER_WEEK],
            overall: TYPICAL_PRIOR,
            recent: TYPICAL_PRIOR,
            skill: Skill::default(),
            pending: vec![None; minutes.max(1) as usize],
        }
    }

    /// Minutes ahead.
    pub fn minutes(&self) -> i64 {
        self.minutes
    }

    /// Its errors.
    pub fn scores(&self) -> &Scores {
        &self.scores
    }

    /// How it compares with naive forecasts.
    pub fn skill(&self) -> Skill {
        self.skill
    }

    /// Learns from a minute that has passed.
    pub fn resolve(&mut self, seen: Seen) {
        let slot = seen.minute.rem_euclid(self.minutes) as usize;
        let Some(pending) = self.pending[slot].take() else {
            return;
        };
        if i64::from(pending.issued) + self.minutes != seen.minute {
            return;
        }
        let mut row = [features::CONSTANT; FEATURES];
        for (feature, kept) in row[1..].iter_mut().zip(pending.row) {
            *feature = f64::from(kept);
        }
        self.learn_weights(&row, seen.mean, &pending);
        if seen.minute % SOLVE_MINUTES == self.minutes % SOLVE_MINUTES {
            self.regression.solve();
            self.scale.solve();
        }
        let error = seen.peak - f64::from(pending.forecast);
        let (scales, mix) = self.scales(&row, f64::from(pending.hour), f64::from(pending.recent));
        self.scale
            .learn(&scales, (error.abs() / mix).min(SCALE_CLIP));
        self.scores
            .add(error / f64::from(pending.typical).max(TYPICAL_FLOOR));
        self.learn_typical(seen.minute, error.abs() as f32);
        if let Some(naive) = pending.naive {
            self.learn_skill(&pending, f64::from(naive), seen.mean);
        }
    }

    /// Forecasts from `minute` by its features, and remembers what last week alone would forecast:
    /// (mean, typical error) on the log scale.
    pub fn issue(
        &mut self,
        (row, naive): ([f64; FEATURES], Option<f64>),
        minute: i64,
        base: f64,
    ) -> (f64, f64) {
        let forecast = base + self.regression.predict(&row);
        let (hour, recent) = (self.hour(minute + self.minutes), f64::from(self.recent));
        let (scales, mix) = self.scales(&row, hour, recent);
        let learned = (self.scale.predict(&scales)).clamp(1.0 / SCALE_BOUND, SCALE_BOUND);
        let typical = (mix * learned).max(TYPICAL_FLOOR);
        self.pending[minute.rem_euclid(self.minutes) as usize] = Some(Pending {
            issued: u32::try_from(minute).unwrap_or(u32::MAX),
            row: std::array::from_fn(|index| row[index + 1] as f32),
            base: base as f32,
            forecast: forecast as f32,
            typical: typical as f32,
            hour: hour as f32,
            recent: recent as f32,
            naive: naive.map(|value| value as f32),
        });
        (forecast, typical)
    }

    /// Whether restored numbers have the sizes that this code relies on, and are finite.
    pub fn is_sound(&self, minutes: i64) -> bool {
        self.minutes == minutes
            && self.regression.is_sound()
            && self.scale.is_sound()
            && self.scores.is_sound()
            && self.by_hour.len() == HOURS_PER_WEEK
            && self.pending.len() == minutes as usize
            && self.skill.is_sound()
            && (self.by_hour.iter().chain([&self.overall, &self.recent]))
                .all(|error| error.is_finite() && *error >= 0.0)
            && self.pending.iter().flatten().all(|pending| {
                (pending.row.iter())
                    .chain([&pending.base, &pending.forecast, &pending.typical])
                    .chain([&pending.hour, &pending.recent])
                    .chain(&pending.naive)
                    .all(|number| number.is_finite())
            })
    }

    fn learn_weights(&mut self, row: &[f64; FEATURES], seen: f64, pending: &Pending) {
        let missed = (seen - f64::from(pending.forecast)).abs();
        let counted = CLIP * f64::from(pending.typical).max(TYPICAL_FLOOR);
        let weight = if missed > counted {
            (counted / missed).sqrt()
        } else {
            1.0
        };
        let change = seen - f64::from(pending.base);
        self.regression
            .learn(&row.map(|feature| feature * weight), weight * change);
    }

    fn learn_typical(&mut self, minute: i64, error: f32) {
        let hour = &mut self.by_hour[hour_of_week(minute)];
        if *hour == 0.0 {
            *hour = self.overall;
        }
        *hour += HOUR_SHARE * (error - *hour);
        // Faster while little was seen, so that the prior does not linger for a week.
        let share = OVERALL_SHARE.max(1.0 / (60.0 + self.skill.minutes as f32));
        self.overall += share * (error - self.overall);
        self.recent += RECENT_SHARE * (error - self.recent);
    }

    /// The error that is typical of a minute's hour of the week.
    fn hour(&self, minute: i64) -> f64 {
        f64::from(match self.by_hour[hour_of_week(minute)] {
            0.0 => self.overall,
            hour => hour,
        })
    }

    /// What says how large the error will be, each as a part of the fixed mix, and that mix: errors
    /// of that hour, of all hours and of late; how much is expected to change; and how far it differs
    /// from last week's change, from what was unusual yesterday, and the trend from the profile's.
    fn scales(&self, row: &[f64; FEATURES], hour: f64, recent: f64) -> ([f64; SCALES], f64) {
        let overall = f64::from(self.overall);
        let mix = (MIX[0] * hour + MIX[1] * overall + MIX[2] * recent).max(TYPICAL_FLOOR);
        let scales = [
            hour,
            overall,
            recent,
            row[1].abs(),
            (row[1] - row[2]).abs(),
            (row[1] - row[3]).abs(),
            (row[5] - row[6]).abs(),
        ];
        (scales.map(|scale| scale / mix), mix)
    }

    fn learn_skill(&mut self, pending: &Pending, naive: f64, seen: f64) {
        let skill = &mut self.skill;
        skill.minutes = skill.minutes.saturating_add(1);
        let share = SKILL_SHARE.max(1.0 / f64::from(skill.minutes));
        let learn = |mean: &mut f64, forecast: f64| {
            *mean += share * ((seen - forecast).abs() - *mean);
        };
        learn(&mut skill.forecast, f64::from(pending.forecast));
        learn(&mut skill.persistence, f64::from(pending.base));
        learn(&mut skill.seasonal_naive, naive);
    }
}

fn hour_of_week(minute: i64) -> usize {
    (minute.rem_euclid(MINUTES_PER_WEEK) / 60) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_much_is_expected_to_change_larger_errors_are_expected() {
        let mut horizon = Horizon::new(1);
        let row = |change: f64| {
            let mut row = [0.0; FEATURES];
            row[1] = change;
            (row, None)
        };
        // Two of ten minutes change, and are missed by ten times as much, once up and once down.
        let change = |minute: i64| {
            if minute.rem_euclid(10) < 2 { 0.5 } else { 0.0 }
        };
        for minute in 0..20_000 {
            let missed = if change(minute) > 0.0 { 0.1 } else { 0.01 };
            let sign = if minute % 2 == 0 { 1.0 } else { -1.0 };
            let mean = change(minute) + sign * missed;
            horizon.resolve(Seen {
                minute,
                mean,
                peak: mean,
            });
            horizon.issue(row(change(minute + 1)), minute, 0.0);
        }
        let (_, moving) = horizon.issue(row(0.5), 20_000, 0.0);
        let (_, calm) = horizon.issue(row(0.0), 20_000, 0.0);
        assert!(moving > 3.0 * calm, "{moving} {calm}");
    }

    #[test]
    fn an_outage_now_and_then_does_not_decide_the_weights() {
        let mut horizon = Horizon::new(1);
        let row = |change: f64| {
            let mut row = [0.0; FEATURES];
            row[1] = change;
            (row, None)
        };
        // What is expected comes, but for one minute in a hundred, in which nearly all load is gone.
        let change = |minute: i64| if minute % 2 == 0 { 0.2 } else { -0.2 };
        for minute in 0..20_000 {
            let gone = if minute % 100 == 0 { 14.0 } else { 0.0 };
            let mean = change(minute) - gone;
            horizon.resolve(Seen {
                minute,
                mean,
                peak: mean,
            });
            horizon.issue(row(change(minute + 1)), minute, 0.0);
        }
        let (rises, _) = horizon.issue(row(0.2), 20_000, 0.0);
        assert!((rises - 0.2).abs() < 0.02, "{rises}");
    }
}
