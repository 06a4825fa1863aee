//! One trace at one size and one delay: both fronts.

use anyhow::{Context, Result};

use crate::{
    clairvoyant::clairvoyant,
    front::{Comparison, Front, compare, mean},
    path::{Setting, path},
    policies::{Forecasting, GridPoint, HorizontalPodAutoscaler, Teacher, grid},
    simulate::{Cluster, Outcome, run},
    trace::{STEP_SECONDS, Trace},
};

/// Weeks that are observed before the score begins.
pub const LEARN_DAYS: f64 = 21.0;

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

/// What a scaler came to.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    /// Costs and violations.
    pub outcome: Outcome,
    /// The part of the time in which the forecast decided.
    pub skilled: f64,
    never_fell_back: bool,
}

/// What both came to.
#[derive(Clone, Debug)]
pub struct Compared {
    /// The grid, in its order.
    pub grid: Vec<Outcome>,
    /// The scaler, along [`path`].
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
        let early = self.early();
        let begin = self.score_from() - early;
        let start_ms = self.trace.start_ms + begin as i64 * STEP_SECONDS * 1_000;
        let loads = &self.trace.loads[begin..];
        run(
            &mut policy,
            start_ms,
            loads,
            early,
            self.delay_seconds,
            |_| {},
        )
    }

    /// Runs the scaler with each of some settings.
    ///
    /// # Errors
    /// Settings out of range, loads that the scaler refuses.
    pub fn run_scalers(&self, teacher: &Teacher, settings: &[Setting]) -> Result<Vec<Run>> {
        let like =
            |index: usize| (settings.iter()).position(|other| other.decides_like(&settings[index]));
        let mut runs: Vec<Option<Run>> = vec![None; settings.len()];
        self.run_where(&mut runs, teacher, settings, |index| {
            like(index) == Some(index)
        })?;
        // Of settings that differ in the rule's target and tolerance alone, one stands for all where
        // the rule is never fallen back to.
        for index in 0..settings.len() {
            let first = like(index).and_then(|first| runs[first]);
            runs[index] = runs[index].or(first.filter(|run| run.never_fell_back));
        }
        let done: Vec<bool> = runs.iter().map(Option::is_some).collect();
        self.run_where(&mut runs, teacher, settings, |index| !done[index])?;
        Ok(runs.into_iter().flatten().collect())
    }

    /// Runs those settings whose place in the list is `wanted`, side by side, so that the load is
    /// learned once.
    fn run_where(
        &self,
        runs: &mut [Option<Run>],
        teacher: &Teacher,
        settings: &[Setting],
        wanted: impl Fn(usize) -> bool,
    ) -> Result<()> {
        let mut teacher = teacher.clone();
        let from = self.score_from();
        let begin = from - self.early();
        let mut clusters = Vec::new();
        for (index, &setting) in settings
            .iter()
            .enumerate()
            .filter(|(index, _)| wanted(*index))
        {
            let cluster = Cluster::new(self.trace.loads[begin], self.delay_seconds);
            let pupil = Forecasting::pupil(setting, self.delay_seconds)?;
            clusters.push((index, cluster, pupil));
        }
        let steps: Vec<_> = (begin..self.trace.loads.len())
            .map(|step| {
                let now_ms = self.trace.start_ms + step as i64 * STEP_SECONDS * 1_000;
                (step, now_ms, self.trace.loads[step])
            })
            .collect();
        // What is learned changes with the first step of a minute, so all scalers go through a
        // whole minute with what it was after that.
        let minute_of = |(_, now_ms, _): &(usize, i64, f64)| now_ms.div_euclid(60_000);
        for minute in steps.chunk_by(|a, b| minute_of(a) == minute_of(b)) {
            let (&(_, now_ms, load), rest) = minute.split_first().context("an empty minute")?;
            teacher.observe(now_ms, load)?;
            for (_, cluster, pupil) in &mut clusters {
                teacher.teach(pupil, |pupil| {
                    for &(step, now_ms, load) in minute {
                        cluster.step(pupil, (step, now_ms), load, step >= from);
                    }
                });
            }
            for &(_, now_ms, load) in rest {
                teacher.observe(now_ms, load)?;
            }
        }
        for (index, cluster, pupil) in clusters {
            runs[index] = Some(Run {
                outcome: cluster.outcome(),
                skilled: pupil.skilled_share(),
                never_fell_back: pupil.always_skilled(),
            });
        }
        Ok(())
    }

    /// One that has learned until a day is left before the score begins: sizes do not change what is
    /// learned, so all settings go on from here.
    ///
    /// # Errors
    /// Loads that the scaler refuses.
    pub fn learn(&self) -> Result<Teacher> {
        let mut teacher = Teacher::new()?;
        let begin = self.score_from() - self.early();
        for (step, &load) in (0..).zip(&self.trace.loads[..begin]) {
            teacher.observe(self.trace.start_ms + step * STEP_SECONDS * 1_000, load)?;
        }
        Ok(teacher)
    }

    /// Steps before the score in which both already run: enough to forget where they began.
    fn early(&self) -> usize {
        self.score_from().min(Trace::steps_of_days(1.0))
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
        let runs = self.run_scalers(&self.learn()?, &path())?;
        let scaler: Vec<_> = runs.iter().map(|run| run.outcome).collect();
        let skilled: Vec<_> = runs.iter().map(|run| run.skilled).collect();
        let theirs = Front::of(&grid);
        let delay_steps = self.delay_seconds.div_euclid(STEP_SECONDS).max(1);
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Eighteen days of a daily wave, by noise of 2 %. In the second week no skill is claimed yet,
    /// in the third it is.
    fn case() -> Case {
        let steps = Trace::steps_of_days(18.0);
        let day = Trace::steps_of_days(1.0) as f64 / std::f64::consts::TAU;
        let trace = Trace {
            start_ms: 1_700_000_000_000,
            loads: (0..steps)
                .map(|step| 2.0 + (step as f64 / day).sin())
                .collect(),
            row_seconds: STEP_SECONDS,
            filled_share: 0.0,
        };
        Case {
            name: "wave".into(),
            trace: trace.prepared(6.0, 0.02, 300.0, 7),
            brokers: 6,
            delay_seconds: 300,
        }
    }

    fn setting(price: f64, target: f64) -> Setting {
        Setting {
            price,
            emergency_target: 0.95,
            fallback: GridPoint {
                target,
                tolerance: 0.1,
                stabilization_seconds: 300,
            },
        }
    }

    /// What a scaler with a model of its own comes to.
    fn alone(case: &Case, setting: Setting) -> Outcome {
        let mut policy = Forecasting::new(setting, case.delay_seconds).expect("settings");
        let begin = case.score_from() - case.early();
        let at_ms = |step: usize| case.trace.start_ms + step as i64 * STEP_SECONDS * 1_000;
        for (step, &load) in case.trace.loads[..begin].iter().enumerate() {
            policy.observe(at_ms(step), load);
        }
        let loads = &case.trace.loads[begin..];
        run(
            &mut policy,
            at_ms(begin),
            loads,
            case.early(),
            case.delay_seconds,
            |_| {},
        )
    }

    #[test]
    fn settings_that_share_what_is_learned_decide_as_if_each_learned_alone() {
        let case = case();
        let settings = [setting(20.0, 0.8), setting(20.0, 0.6), setting(200.0, 0.6)];
        let shared =
            (case.run_scalers(&case.learn().expect("loads"), &settings)).expect("settings");
        for (&setting, run) in settings.iter().zip(&shared) {
            assert!((0.1..0.9).contains(&run.skilled), "{}", run.skilled);
            assert_eq!(run.outcome, alone(&case, setting));
        }
        assert_ne!(shared[0].outcome, shared[1].outcome);
    }
}
