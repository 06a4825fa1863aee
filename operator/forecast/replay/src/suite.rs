//! One trace at one size and one delay: both fronts.

use anyhow::Result;

use crate::{
    front::{Comparison, Front, compare},
    policies::{Forecasting, GridPoint, HorizontalPodAutoscaler, grid},
    simulate::{Outcome, run},
    trace::Trace,
};

/// Weeks that are observed before the score begins.
pub const LEARN_DAYS: f64 = 21.0;
/// Prices of violations that the scaler's front is drawn by.
pub const PRICES: [f64; 10] = [
    1.5, 3.0, 6.0, 12.0, 25.0, 60.0, 150.0, 500.0, 2_000.0, 10_000.0,
];
/// The rule that the scaler falls back to, where the front is drawn by price.
pub const FALLBACK: GridPoint = GridPoint {
    target: 0.8,
    tolerance: 0.1,
    stabilization_seconds: 300,
};

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

/// What both came to.
#[derive(Clone, Debug)]
pub struct Compared {
    /// The grid, in its order.
    pub grid: Vec<Outcome>,
    /// The scaler, by price.
    pub scaler: Vec<Outcome>,
    /// How the fronts compare.
    pub comparison: Comparison,
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
    pub fn run_scaler(&self, price: f64, fallback: GridPoint) -> Result<Outcome> {
        let mut policy = Forecasting::new(price, fallback)?;
        let trace = &self.trace;
        let from = self.score_from();
        Ok(run(
            &mut policy,
            trace.start_ms,
            &trace.loads,
            from,
            self.delay_seconds,
            |_| {},
        ))
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
        let scaler = (PRICES.iter())
            .map(|&price| self.run_scaler(price, FALLBACK))
            .collect::<Result<Vec<_>>>()?;
        let comparison = compare(&Front::of(&scaler), &Front::of(&grid));
        Ok(Compared {
            grid,
            scaler,
            comparison,
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
