//! One trace at one size and one delay: both fronts.

use anyhow::Result;

use kintsugi_forecast::Scaler;

use crate::{
    clairvoyant::clairvoyant,
    front::{Comparison, Front, compare, mean},
    policies::{Forecasting, GridPoint, HorizontalPodAutoscaler, grid, learn},
    simulate::{Outcome, run},
    trace::Trace,
};

/// Weeks that are observed before the score begins.
pub const LEARN_DAYS: f64 = 21.0;

/// One setting of the scaler: the price of violations, and the rule that it falls back to.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// Broker-seconds that a second in violation is worth.
    pub price: f64,
    /// The rule without skill.
    pub fallback: GridPoint,
}

const fn setting(price: f64, target: f64, tolerance: f64, stabilization_seconds: u32) -> Setting {
    let fallback = GridPoint {
        target,
        tolerance,
        stabilization_seconds,
    };
    Setting { price, fallback }
}

/// What the scaler's front is drawn by, cheapest first. Whoever wants fewer violations raises the
/// price and lowers the targets. The rules are those that the HorizontalPodAutoscaler's own front
/// goes through on the tuning traces.
pub const PATH: [Setting; 14] = [
    setting(1.5, 0.95, 0.1, 0),
    setting(2.0, 0.95, 0.1, 300),
    setting(3.0, 0.95, 0.05, 0),
    setting(4.0, 0.95, 0.05, 300),
    setting(6.0, 0.95, 0.05, 900),
    setting(9.0, 0.95, 0.05, 3_600),
    setting(15.0, 0.9, 0.1, 0),
    setting(25.0, 0.9, 0.1, 300),
    setting(40.0, 0.9, 0.05, 300),
    setting(80.0, 0.9, 0.05, 900),
    setting(150.0, 0.85, 0.05, 300),
    setting(300.0, 0.85, 0.05, 900),
    setting(800.0, 0.8, 0.05, 300),
    setting(3_000.0, 0.75, 0.05, 300),
];
/// Prices that the clairvoyant's front is drawn by.
const CLAIRVOYANT_PRICES: [f64; 8] = [5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 500.0, 1e9];

/// A trace at one size and one delay.
#[derive(Clone, Debug)]
pub struct Case {
    /// The trace's name.
    pub name: String,
    /// Loads in what one broker carries.
    pub trace: Trace,
    /// The mean load.
    pub brokers: u32,
    /// From a decision until it takes effect.
    pub delay_seconds: i64,
}

/// A scaler that has learned from the weeks before the score.
#[derive(Clone, Debug)]
pub struct Learned(Scaler);

/// What both came to.
#[derive(Clone, Debug)]
pub struct Compared {
    /// The grid, in its order.
    pub grid: Vec<Outcome>,
    /// The scaler, along [`PATH`].
    pub scaler: Vec<Outcome>,
    /// The part of the scored time in which the forecast decided.
    pub skilled: f64,
    /// One who knows the load.
    pub clairvoyant: Vec<Outcome>,
    /// How the fronts compare.
    pub comparison: Comparison,
    /// How the clairvoyant's front compares.
    pub limit: Comparison,
}

impl Case {
    /// The first step that is scored.
    pub fn score_from(&self) -> usize {
        Trace::steps_of_days(LEARN_DAYS).min(self.trace.loads.len() / 2)
    }

    /// Runs the HorizontalPodAutoscaler at one point of its grid.
    pub fn run_grid_point(&self, point: GridPoint) -> Outcome {
        let mut policy = HorizontalPodAutoscaler::new(point);
        // It learns nothing: an hour before the score is enough to forget where it began.
        let from = self.score_from();
        let early = from.min(Trace::steps_of_days(1.0));
        let start_ms =
            self.trace.start_ms + (from - early) as i64 * crate::trace::STEP_SECONDS * 1_000;
        let loads = &self.trace.loads[from - early..];
        run(
            &mut policy,
            start_ms,
            loads,
            early,
            self.delay_seconds,
            |_| {},
        )
    }

    /// Runs the scaler.
    ///
    /// # Errors
    /// Settings out of range.
    pub fn run_scaler(&self, learned: &Learned, setting: Setting) -> Result<(Outcome, f64)> {
        let mut policy = Forecasting::new(setting, self.delay_seconds, Some(&learned.0))?;
        let trace = &self.trace;
        let from = self.score_from();
        let early = from.min(Trace::steps_of_days(1.0));
        let outcome = run(
            &mut policy,
            trace.start_ms + (from - early) as i64 * crate::trace::STEP_SECONDS * 1_000,
            &trace.loads[from - early..],
            early,
            self.delay_seconds,
            |_| {},
        );
        Ok((outcome, policy.skilled_share()))
    }

    /// What a scaler has learned when a day is left until the score begins: sizes that were decided
    /// before do not change it, so all prices go on from here.
    ///
    /// # Errors
    /// Loads that the scaler refuses.
    pub fn learn(&self) -> Result<Learned> {
        let from = self.score_from();
        let early = from.min(Trace::steps_of_days(1.0));
        Ok(Learned(learn(
            &self.trace.loads[..from - early],
            self.trace.start_ms,
        )?))
    }

    /// Runs the whole grid and every price.
    ///
    /// # Errors
    /// Settings out of range.
    pub fn compare(&self) -> Result<Compared> {
        let grid: Vec<_> = grid()
            .into_iter()
            .map(|point| self.run_grid_point(point))
            .collect();
        let learned = self.learn()?;
        let runs = (PATH.iter())
            .map(|&setting| self.run_scaler(&learned, setting))
            .collect::<Result<Vec<_>>>()?;
        let (scaler, skilled): (Vec<_>, Vec<_>) = runs.into_iter().unzip();
        let theirs = Front::of(&grid);
        let delay_steps = self
            .delay_seconds
            .div_euclid(crate::trace::STEP_SECONDS)
            .max(1);
        let scored = &self.trace.loads[self.score_from()..];
        let clairvoyant: Vec<_> = (CLAIRVOYANT_PRICES.iter())
            .map(|&price| clairvoyant(scored, delay_steps as usize, price))
            .collect();
        Ok(Compared {
            comparison: compare(&Front::of(&scaler), &theirs),
            limit: compare(&Front::of(&clairvoyant), &theirs),
            grid,
            scaler,
            skilled: mean(&skilled),
            clairvoyant,
        })
    }
}

/// Does `job` for every item on two threads (the machines that this runs on have two cores), in
/// the items' order.
pub fn in_parallel<T: Sync, R: Send>(items: &[T], job: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = std::sync::atomic::AtomicUsize::new(0);
    let mut results: Vec<(usize, R)> = std::thread::scope(|scope| {
        let work = || {
            let mut done = Vec::new();
            loop {
                let index = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                let Some(item) = items.get(index) else {
                    return done;
                };
                done.push((index, job(item)));
            }
        };
        let threads = [scope.spawn(work), scope.spawn(work)];
        (threads.into_iter())
            .flat_map(|thread| match thread.join() {
                Ok(done) => done,
                Err(panic) => std::panic::resume_unwind(panic),
            })
            .collect()
    });
    results.sort_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
}
