//! `bench`: the table of docs/benchmarks.md.

use std::{
    collections::VecDeque,
    path::{Path, PathBuf},
    time::Instant,
};

use anyhow::{Context, Result, bail};
use kintsugi_forecast::{Settings, model::LoadModel};

use crate::{
    front::{Comparison, VIOLATIONS, mean, settings_of_front},
    path::{Setting, path},
    policies::{GridPoint, grid},
    simulate::Outcome,
    suite::{Case, Compared, LEARN_DAYS, in_parallel},
    trace::{STEP_SECONDS, Trace, normal},
};

/// Mean loads, in brokers.
const SIZES: [u32; 3] = [4, 12, 30];
/// From a decision until it takes effect.
const DELAYS_SECONDS: [i64; 3] = [60, 300, 1_800];
/// What rows an hour apart do not show: an AR(1) noise of 2 %, forgotten within five minutes.
const NOISE: (f64, f64) = (0.02, 300.0);
const SEED: u64 = 7;
/// Of the grid's 160 points, the controls run each so many.
const CONTROL_POINTS_STEP: usize = 23;
/// Days of a trace that are used: three weeks of learning, the rest is scored.
const MAX_DAYS: f64 = 77.0;

/// What to run.
#[derive(Debug)]
pub struct Options {
    /// The folder of CSVs.
    pub traces: PathBuf,
    /// Only traces whose name begins so.
    pub prefix: String,
    /// Only these sizes, all where empty.
    pub sizes: Vec<u32>,
    /// Only these delays, all where empty.
    pub delays: Vec<i64>,
    /// Print every front.
    pub fronts: bool,
}

/// Runs the traces and prints the table.
///
/// # Errors
/// No or bad traces.
pub fn run(options: &Options) -> Result<()> {
    let began = Instant::now();
    let cases = cases(options)?;
    let compared = in_parallel(&cases, Case::compare);
    let compared = compared.into_iter().collect::<Result<Vec<_>>>()?;
    println!(
        "| trace | brokers | delay s | forecast decides | violations HPA / scaler, equal cost | cost saved at 0.1, 0.5, 1 % | \
         actions scaler / HPA | the same of one who knows the load |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for (case, result) in cases.iter().zip(&compared) {
        print_case(case, result, options.fronts);
    }
    for &delay in &pick(&DELAYS_SECONDS, &options.delays) {
        print_total(delay, &cases, &compared);
    }
    println!(
        "{} cases in {:.0} s",
        cases.len(),
        began.elapsed().as_secs_f64()
    );
    Ok(())
}

fn cases(options: &Options) -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    for (name, trace) in read_traces(&options.traces, &options.prefix)? {
        for &brokers in &pick(&SIZES, &options.sizes) {
            let prepared = trace.prepared(f64::from(brokers), NOISE.0, NOISE.1, SEED);
            for &delay_seconds in &pick(&DELAYS_SECONDS, &options.delays) {
                cases.push(Case {
                    name: name.clone(),
                    trace: prepared.clone(),
                    brokers,
                    delay_seconds,
                });
            }
        }
    }
    Ok(cases)
}

fn pick<T: Copy>(all: &[T], chosen: &[T]) -> Vec<T> {
    if chosen.is_empty() {
        all.to_vec()
    } else {
        chosen.to_vec()
    }
}

fn read_traces(folder: &Path, prefix: &str) -> Result<Vec<(String, Trace)>> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder)
        .with_context(|| format!("failed to read the folder of traces {}", folder.display()))?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "csv"))
        .collect();
    paths.sort();
    let mut traces = Vec::new();
    for path in paths {
        let name = path
            .file_stem()
            .map(|stem| stem.to_string_lossy().into_owned())
            .unwrap_or_default();
        if !name.starts_with(prefix) {
            continue;
        }
        let text = std::fs::read_to_string(&path)
            .with_context(|| format!("failed to read {}", path.display()))?;
        let mut trace =
            Trace::parse(&text).with_context(|| format!("failed to use {}", path.display()))?;
        trace.loads.truncate(Trace::steps_of_days(MAX_DAYS));
        eprintln!(
            "{name}: {:.1} weeks, rows {} s apart, {:.1} % of it in gaps",
            trace.loads.len() as f64 / Trace::steps_of_days(7.0) as f64,
            trace.row_seconds,
            100.0 * trace.filled_share
        );
        traces.push((name, trace));
    }
    if traces.is_empty() {
        bail!(
            "there is no trace named {prefix}*.csv in {}",
            folder.display()
        );
    }
    Ok(traces)
}

fn print_case(case: &Case, result: &Compared, fronts: bool) {
    let comparison = &result.comparison;
    println!(
        "| {} | {} | {} | {:.0} % | {} | {} | {} | {}; {} |",
        case.name,
        case.brokers,
        case.delay_seconds,
        100.0 * result.skilled,
        ratio(&comparison.log_ratios, comparison.unreached),
        savings(comparison),
        geometric(&comparison.log_actions),
        ratio(&result.limit.log_ratios, result.limit.unreached),
        savings(&result.limit),
    );
    if fronts {
        for (setting, outcome) in settings_of_front(&path(), &result.scaler) {
            print_outcome(&format!("scaler, {setting}"), &outcome);
        }
        for (point, outcome) in settings_of_front(&grid(), &result.grid) {
            print_outcome(&format!("HPA, {point}"), &outcome);
        }
        for outcome in &result.clairvoyant {
            print_outcome("one who knows the load", outcome);
        }
    }
}

fn print_outcome(who: &str, outcome: &Outcome) {
    println!(
        "  {who}: cost {:.4}, violation {:.4} %, {} actions, {} moved",
        outcome.cost,
        100.0 * outcome.violation,
        outcome.actions,
        outcome.moved_shares
    );
}

fn savings(comparison: &Comparison) -> String {
    let savings: Vec<String> = (comparison.savings.iter())
        .map(|saving| saving.map_or("-".into(), |saving| format!("{:.1} %", 100.0 * saving)))
        .collect();
    savings.join(", ")
}

fn ratio(logs: &[f64], unreached: usize) -> String {
    if logs.is_empty() {
        return format!("nothing to compare ({unreached} costs not reached)");
    }
    let missed = if unreached > 0 {
        format!(" ({unreached} costs not reached)")
    } else {
        String::new()
    };
    format!("{:.2}x{missed}", mean(logs).exp())
}

fn geometric(logs: &[f64]) -> String {
    if logs.is_empty() {
        return "-".into();
    }
    format!("{:.2}x", mean(logs).exp())
}

fn print_total(delay: i64, cases: &[Case], compared: &[Compared]) {
    let results: Vec<_> = (cases.iter().zip(compared))
        .filter(|(case, _)| case.delay_seconds == delay)
        .map(|(_, result)| &result.comparison)
        .collect();
    // Each case counts once, however many costs of it were comparable.
    let per_case: Vec<f64> = (results.iter())
        .filter(|result| !result.log_ratios.is_empty())
        .map(|result| mean(&result.log_ratios))
        .collect();
    let actions: Vec<f64> = (results.iter())
        .filter(|result| !result.log_actions.is_empty())
        .map(|result| mean(&result.log_actions))
        .collect();
    let savings: Vec<String> = (0..VIOLATIONS.len())
        .map(|index| {
            let saved: Vec<f64> = results
                .iter()
                .filter_map(|result| result.savings[index])
                .collect();
            if saved.is_empty() {
                return "-".into();
            }
            format!("{:.1} % ({} cases)", 100.0 * mean(&saved), saved.len())
        })
        .collect();
    if per_case.is_empty() {
        println!(
            "delay {delay} s: nothing to compare in {} cases",
            results.len()
        );
        return;
    }
    let worst = per_case.iter().copied().fold(f64::INFINITY, f64::min).exp();
    println!(
        "delay {delay} s: {:.2}x fewer violations at equal cost (worst case {worst:.2}x, {} of {} cases comparable), \
         cost saved {}, actions {}",
        mean(&per_case).exp(),
        per_case.len(),
        results.len(),
        savings.join(", "),
        geometric(&actions)
    );
}

/// Runs the pattern-free controls: each point of the grid beside a scaler that falls back to it.
///
/// # Errors
/// Settings out of range.
pub fn controls(sizes: &[u32], delays: &[i64]) -> Result<()> {
    println!(
        "| control (synthetic) | brokers | delay s | forecast decides | points that differ | cost, scaler / HPA | \
         violations, scaler / HPA | fronts: violations at equal cost; cost saved at 0.1, 0.5, 1 % |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    let mut cases = Vec::new();
    for name in ["random walk", "noise"] {
        for &brokers in &pick(&SIZES, sizes) {
            for &delay_seconds in &pick(&DELAYS_SECONDS, delays) {
                cases.push(Case {
                    name: name.into(),
                    trace: control(name, f64::from(brokers)),
                    brokers,
                    delay_seconds,
                });
            }
        }
    }
    let points: Vec<_> = grid().into_iter().step_by(CONTROL_POINTS_STEP).collect();
    let results = in_parallel(&cases, |case| beside_rule(case, &points));
    for (case, result) in cases.iter().zip(results) {
        let BesideRule {
            cost,
            ours,
            theirs,
            differ,
            decided,
            front,
        } = result?;
        let front = front.map_or("the rule's".into(), |front| {
            let comparison = &front.comparison;
            format!(
                "{}; {}",
                ratio(&comparison.log_ratios, comparison.unreached),
                savings(comparison)
            )
        });
        println!(
            "| {} | {} | {} | {:.0} % | {differ} of {} | {cost:.4} | {:.4} | {front} |",
            case.name,
            case.brokers,
            case.delay_seconds,
            100.0 * decided,
            points.len(),
            ours / f64::max(theirs, 1e-9),
        );
    }
    Ok(())
}

/// Points of the grid beside scalers that fall back to them.
struct BesideRule {
    /// The geometric mean of the scaler's cost by the rule's.
    cost: f64,
    /// Violations of all points together.
    ours: f64,
    theirs: f64,
    /// Points at which anything differs.
    differ: usize,
    /// The part of the time in which the forecast decided.
    decided: f64,
    /// The fronts, where it ever did.
    front: Option<Compared>,
}

fn beside_rule(case: &Case, points: &[GridPoint]) -> Result<BesideRule> {
    let settings: Vec<_> = (points.iter())
        .map(|&fallback| Setting {
            price: 200.0,
            emergency_target: Settings::default().emergency_target,
            fallback,
        })
        .collect();
    let runs = case.run_scalers(&case.learn()?, &settings)?;
    let (mut costs, mut decided) = (Vec::new(), Vec::new());
    let (mut ours, mut theirs, mut differ) = (0.0, 0.0, 0);
    for (&fallback, run) in points.iter().zip(runs) {
        let hpa = case.run_grid_point(fallback);
        costs.push((run.outcome.cost / hpa.cost).ln());
        theirs += hpa.violation;
        ours += run.outcome.violation;
        differ += usize::from(hpa != run.outcome);
        decided.push(run.skilled);
    }
    let decided = mean(&decided);
    Ok(BesideRule {
        cost: mean(&costs).exp(),
        ours,
        theirs,
        differ,
        decided,
        front: (decided > 0.0).then(|| case.compare()).transpose()?,
    })
}

/// Seven weeks without a pattern, by a new value each half hour: a walk whose steps are 6 %, or a
/// noise of 15 % around a mean.
fn control(name: &str, mean: f64) -> Trace {
    let mut random = fastrand::Rng::with_seed(SEED);
    let rows = 49 * 48;
    let mut walk = 0.0_f64;
    let values: Vec<f64> = (0..rows)
        .map(|_| {
            if name == "noise" {
                return (0.15 * normal(&mut random)).exp();
            }
            walk += 0.06 * normal(&mut random);
            // Reflected, so that the mean stays comparable.
            if walk.abs() > 1.0 {
                walk = walk.signum() * 2.0 - walk;
            }
            walk.exp()
        })
        .collect();
    let steps_per_row = 1_800 / STEP_SECONDS;
    let loads = (0..(rows as i64 - 1) * steps_per_row)
        .map(|step| {
            let row = (step / steps_per_row) as usize;
            let share = (step % steps_per_row) as f64 / steps_per_row as f64;
            values[row] + share * (values[row + 1] - values[row])
        })
        .collect();
    let trace = Trace {
        start_ms: 1_700_000_000_000,
        loads,
        row_seconds: 1_800,
        filled_share: 0.0,
    };
    trace.prepared(mean, NOISE.0, NOISE.1, SEED)
}

/// Prints how often the load was above its forecast's bounds, over the scored weeks.
///
/// # Errors
/// No or bad traces.
pub fn coverage(traces: &Path, prefix: &str) -> Result<()> {
    const TAILS: [f64; 4] = [0.1, 0.01, 0.001, 0.0001];
    println!(
        "| trace | minutes ahead | skill | typical error | minutes above the bound for 10, 1, 0.1, 0.01 % |"
    );
    println!("|---|---|---|---|---|");
    for (name, trace) in read_traces(traces, prefix)? {
        let trace = trace.prepared(1.0, NOISE.0, NOISE.1, SEED);
        let per_minute = (60 / STEP_SECONDS) as usize;
        let score_from = Trace::steps_of_days(LEARN_DAYS).min(trace.loads.len() / 2);
        for ahead in [2_usize, 7, 30, 60] {
            let mut model = LoadModel::default();
            let (mut above, mut minutes, mut skill, mut typical) = ([0_u32; 4], 0_u32, 0.0, 0.0);
            let mut bounds: VecDeque<[f64; 4]> = VecDeque::new();
            for (minute, loads) in trace.loads.chunks(per_minute).enumerate() {
                let at_ms = |step: usize| {
                    trace.start_ms + (minute * per_minute + step) as i64 * STEP_SECONDS * 1_000
                };
                for (step, &load) in loads.iter().enumerate() {
                    model.observe(at_ms(step), load);
                }
                // With this minute's first sample the one before was closed.
                let point = model.at(ahead as f64);
                bounds.push_back(
                    TAILS.map(|tail| model.load(model.bound(point, ahead as f64, tail))),
                );
                if bounds.len() < ahead {
                    continue;
                }
                let bound = bounds.pop_front().unwrap_or_default();
                if minute * per_minute < score_from {
                    continue;
                }
                let peak = loads.iter().copied().fold(0.0, f64::max);
                for (above, bound) in above.iter_mut().zip(bound) {
                    *above += u32::from(peak > bound);
                }
                minutes += 1;
                skill += model.skill(ahead as f64).share();
                typical += point.typical;
            }
            let percent = above.map(|above| {
                format!(
                    "{:.3} %",
                    100.0 * f64::from(above) / f64::from(minutes.max(1))
                )
            });
            println!(
                "| {name} | {ahead} | {:.2} | {:.3} | {} |",
                skill / f64::from(minutes.max(1)),
                typical / f64::from(minutes.max(1)),
                percent.join(", ")
            );
        }
    }
    Ok(())
}
