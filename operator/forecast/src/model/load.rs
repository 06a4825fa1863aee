//! The model of one load: samples in, the path of the next hours out.

use serde::{Deserialize, Serialize};

use super::{
    conformal::Scores,
    features::{Ahead, Level, OFFSET_SHARE},
    history::{History, MINUTES_PER_WEEK},
    horizon::{Horizon, Seen, Skill, WARM_MINUTES},
};
use crate::sample::check_time;

/// The horizons that are forecast, in minutes; what lies between is interpolated.
pub const HORIZONS_MINUTES: [i64; 20] = [
    1, 2, 3, 5, 7, 10, 15, 20, 30, 40, 50, 60, 75, 90, 120, 150, 180, 240, 300, 360,
];
const MS_PER_MINUTE: i64 = 60_000;
/// A path older than this says nothing about now.
const STALE_MINUTES: f64 = 5.0;
/// After so many minutes without a sample the level begins anew: that of before says nothing about now.
const LEVEL_GAP_MINUTES: i64 = 5;
/// No minute has more samples than this: one each 60 microseconds.
const SAMPLES_MAX: u32 = 1_000_000;

/// One point of the path, on the model's log scale.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Point {
    /// The mean that is expected.
    pub mean: f64,
    /// The error that is typical of that horizon at that time.
    pub typical: f64,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct OpenMinute {
    minute: i64,
    sum: f64,
    count: u32,
    peak: f64,
}

/// Three weeks of one load and what was learned from them.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LoadModel {
    history: History,
    open: Option<OpenMinute>,
    mean: f64,
    mean_minutes: u32,
    level: Level,
    horizons: Vec<Horizon>,
    path: Vec<Point>,
    ahead: Ahead,
}

impl Default for LoadModel {
    fn default() -> Self {
        LoadModel {
            history: History::default(),
            open: None,
            mean: 0.0,
            mean_minutes: 0,
            level: Level::default(),
            horizons: HORIZONS_MINUTES.into_iter().map(Horizon::new).collect(),
            path: Vec::new(),
            ahead: Ahead::default(),
        }
    }
}

impl LoadModel {
    /// Takes in one sample: finite, not negative, not older than the last one (the caller checks).
    pub fn observe(&mut self, now_ms: i64, load: f64) {
        let minute = now_ms.div_euclid(MS_PER_MINUTE);
        match &mut self.open {
            Some(open) if open.minute == minute => {
                if open.count >= SAMPLES_MAX {
                    return;
                }
                open.sum += load;
                open.count += 1;
                open.peak = open.peak.max(load);
                return;
            }
            Some(open) => {
                let closed = *open;
                self.close(closed);
            }
            None => {}
        }
        self.open = Some(OpenMinute {
            minute,
            sum: load,
            count: 1,
            peak: load,
        });
    }

    /// Minutes of history, gaps too.
    pub fn span_minutes(&self) -> usize {
        self.history.span_minutes()
    }

    /// The newest minute that was learned from, counted from the Unix epoch.
    pub fn newest_minute(&self) -> Option<i64> {
        self.history.newest()
    }

    /// Where the history begins, in milliseconds since the Unix epoch.
    pub fn learned_since_ms(&self) -> Option<i64> {
        let span = i64::try_from(self.history.span_minutes()).ok()?;
        Some((self.history.newest()? - span + 1) * MS_PER_MINUTE)
    }

    /// Loads' place on the log scale of [`Point`].
    pub fn log(&self, load: f64) -> f64 {
        (load + self.offset()).ln()
    }

    /// The load at a place on the log scale; never negative.
    pub fn load(&self, log: f64) -> f64 {
        (log.exp() - self.offset()).max(0.0)
    }

    /// How far `now_ms` lies after the middle of the minute that the path starts from, in minutes;
    /// nothing while there is no path or it is stale.
    pub fn path_age_minutes(&self, now_ms: i64) -> Option<f64> {
        if self.path.is_empty() {
            return None;
        }
        let newest = self.history.newest()?;
        let age = now_ms as f64 / MS_PER_MINUTE as f64 - newest as f64 - 0.5;
        (0.0..=STALE_MINUTES).contains(&age).then_some(age)
    }

    /// The path `minutes` after its start, interpolated.
    pub fn at(&self, minutes: f64) -> Point {
        let (index, share) = Self::place(minutes);
        let (Some(before), Some(after)) = (
            self.path.get(index),
            self.path.get((index + 1).min(HORIZONS_MINUTES.len() - 1)),
        ) else {
            return Point::default();
        };
        Point {
            mean: before.mean + share * (after.mean - before.mean),
            typical: before.typical + share * (after.typical - before.typical),
        }
    }

    /// The errors of the horizon nearest to `minutes`: above a place on the log scale a minute's
    /// highest sample is with the probability `scores.tail((place - mean) / typical)`.
    pub fn scores(&self, minutes: f64) -> &Scores {
        self.nearest(minutes).scores()
    }

    /// What a minute's highest sample stays under with probability `1 - tail`, on the log scale.
    pub fn bound(&self, point: Point, minutes: f64, tail: f64) -> f64 {
        point.mean + point.typical * self.nearest(minutes).scores().quantile(tail)
    }

    /// How the forecast `minutes` ahead compares with naive ones.
    pub fn skill(&self, minutes: f64) -> Skill {
        self.nearest(minutes).skill()
    }

    /// Whether restored numbers have the sizes that this code relies on, and are finite.
    pub fn is_sound(&self) -> bool {
        self.history.is_sound()
            && self.level.is_sound()
            && self.ahead.is_sound()
            && self.mean.is_finite()
            && self.mean >= 0.0
            && self.horizons.len() == HORIZONS_MINUTES.len()
            && (self.horizons.iter().zip(HORIZONS_MINUTES))
                .all(|(horizon, minutes)| horizon.is_sound(minutes))
            && (self.path.is_empty() || self.path.len() == HORIZONS_MINUTES.len())
            && (self.path.iter()).all(|point| {
                point.mean.is_finite() && point.typical.is_finite() && point.typical > 0.0
            })
            && self.open.is_none_or(|open| {
                open.sum.is_finite()
                    && open.peak.is_finite()
                    && open.sum >= 0.0
                    && (1..=SAMPLES_MAX).contains(&open.count)
                    && check_time(open.minute.saturating_mul(MS_PER_MINUTE), None).is_ok()
            })
    }

    fn close(&mut self, closed: OpenMinute) {
        let mean = closed.sum / f64::from(closed.count);
        self.mean_minutes = self.mean_minutes.saturating_add(1);
        let share = (1.0 / MINUTES_PER_WEEK as f64).max(1.0 / f64::from(self.mean_minutes));
        self.mean += share * (mean - self.mean);
        let is_gap = |newest: i64| closed.minute - newest > LEVEL_GAP_MINUTES;
        if self.history.newest().is_some_and(is_gap) {
            self.level = Level::default();
        }
        self.history.push(closed.minute, mean);
        let seen = Seen {
            minute: closed.minute,
            mean: self.log(mean),
            peak: self.log(closed.peak),
        };
        self.level.update(seen.mean);
        if self.history.span_minutes() < WARM_MINUTES {
            return;
        }
        let base = self.level.fast;
        let offset = self.offset();
        self.ahead.advance(&self.history, offset, seen.minute);
        self.level.compare(self.ahead.profile_now());
        let trend = self.ahead.profile_trend(&self.history, offset);
        self.path.resize(HORIZONS_MINUTES.len(), Point::default());
        for (horizon, point) in self.horizons.iter_mut().zip(&mut self.path) {
            horizon.resolve(seen);
            let row = self.ahead.row(&self.level, trend, horizon.minutes());
            let (mean, typical) = horizon.issue(row, seen.minute, base);
            *point = Point { mean, typical };
        }
    }

    /// What is added before the logarithm; above 0 also where every load was 0.
    fn offset(&self) -> f64 {
        (OFFSET_SHARE * self.mean).max(1e-9)
    }

    fn nearest(&self, minutes: f64) -> &Horizon {
        let (index, share) = Self::place(minutes);
        &self.horizons[(index + usize::from(share > 0.5)).min(HORIZONS_MINUTES.len() - 1)]
    }

    /// The horizon at or before `minutes`, and how far towards the next it lies (0 to 1).
    fn place(minutes: f64) -> (usize, f64) {
        let after = HORIZONS_MINUTES.partition_point(|&horizon| horizon as f64 <= minutes);
        if after == 0 {
            return (0, 0.0);
        }
        if after == HORIZONS_MINUTES.len() {
            return (after - 1, 0.0);
        }
        let (from, to) = (
            HORIZONS_MINUTES[after - 1] as f64,
            HORIZONS_MINUTES[after] as f64,
        );
        (after - 1, (minutes - from) / (to - from))
    }
}
