//! `replay`: one trace, with tables and charts.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use kintsugi_forecast::{Decision, Settings};
use kintsugi_plot::{Chart, Mark, Series};

use crate::{
    front::{Front, settings_of_front},
    path::{Setting, path},
    policies::{Forecasting, grid},
    simulate::{Outcome, Policy, Sizes, View, run},
    suite::{Case, Compared},
    trace::{STEP_SECONDS, Trace},
};

/// Days that the chart of sizes shows, the last ones.
const SHOWN_DAYS: f64 = 7.0;
/// Steps between two points of a chart: five minutes.
const SHOWN_EVERY: usize = 20;

/// What to replay.
#[derive(Debug)]
pub struct Options {
    /// A CSV of `timestamp,load`.
    pub trace: PathBuf,
    /// Load that one broker carries; where none is given the mean load is that of `brokers`.
    pub capacity: Option<f64>,
    /// The mean load in brokers.
    pub brokers: u32,
    /// Seconds from a decision until it takes effect.
    pub delay_seconds: i64,
    /// The price of violations that the chart of sizes is drawn for.
    pub price: f64,
    /// Where to write the charts.
    pub out: Option<PathBuf>,
}

/// Replays it and prints the fronts.
///
/// # Errors
/// A bad trace, or a folder that cannot be written.
pub fn run_trace(options: &Options) -> Result<()> {
    let text = std::fs::read_to_string(&options.trace)
        .with_context(|| format!("failed to read {}", options.trace.display()))?;
    let mut trace = Trace::parse(&text)?;
    let capacity = match options.capacity {
        Some(capacity) => capacity,
        None => {
            trace.loads.iter().sum::<f64>()
                / trace.loads.len() as f64
                / f64::from(options.brokers.max(1))
        }
    };
    anyhow::ensure!(
        capacity.is_finite() && capacity > 0.0,
        "the load that one broker carries is {capacity}, it must be above 0"
    );
    for load in &mut trace.loads {
        *load /= capacity;
    }
    let case = Case {
        name: options.trace.display().to_string(),
        trace,
        brokers: options.brokers,
        delay_seconds: options.delay_seconds,
    };
    let compared = case.compare()?;
    print_fronts(&case, &compared);
    if let Some(out) = &options.out {
        std::fs::create_dir_all(out)
            .with_context(|| format!("failed to make the folder {}", out.display()))?;
        write(&out.join("fronts.svg"), &fronts(&case, &compared))?;
        write(&out.join("sizes.svg"), &sizes(&case, options.price)?)?;
    }
    Ok(())
}

fn print_fronts(case: &Case, compared: &Compared) {
    println!(
        "cost is of the oracle's broker-hours; {} s from decision to effect",
        case.delay_seconds
    );
    println!("| policy | cost | violation % | violation s | actions | shares moved |");
    println!("|---|---|---|---|---|---|");
    let seconds = (case.trace.loads.len() - case.score_from()) as f64 * STEP_SECONDS as f64;
    let row = |name: String, outcome: &Outcome| {
        println!(
            "| {name} | {:.3} | {:.3} | {:.0} | {} | {} |",
            outcome.cost,
            100.0 * outcome.violation,
            seconds * outcome.violation,
            outcome.actions,
            outcome.moved_shares
        );
    };
    for (setting, outcome) in settings_of_front(&path(), &compared.scaler) {
        row(format!("scaler, {setting}"), &outcome);
    }
    for (point, outcome) in settings_of_front(&grid(), &compared.grid) {
        row(format!("HPA, {point}"), &outcome);
    }
}

fn fronts(case: &Case, compared: &Compared) -> Chart {
    let percent = |outcome: &Outcome| (outcome.cost, (100.0 * outcome.violation).max(1e-3));
    let line = |outcomes: &[Outcome]| Front::of(outcomes).points().iter().map(percent).collect();
    let series = |name: &str, color, mark, points| Series {
        name: name.into(),
        color,
        mark,
        points,
    };
    Chart {
        title: format!(
            "{}, {} s from decision to effect",
            file_name(&case.name),
            case.delay_seconds
        ),
        x_label: "broker-hours, of the oracle's".into(),
        y_label: "time in violation, %".into(),
        log_y: true,
        from_zero: false,
        moments: Vec::new(),
        series: vec![
            series(
                "HPA, whole grid",
                "#999",
                Mark::Dots,
                compared.grid.iter().map(percent).collect(),
            ),
            series("HPA, front", "#555", Mark::Line, line(&compared.grid)),
            series(
                "scaler, by price",
                "#c2410c",
                Mark::Dots,
                compared.scaler.iter().map(percent).collect(),
            ),
            series(
                "scaler, front",
                "#c2410c",
                Mark::Line,
                line(&compared.scaler),
            ),
        ],
    }
}

/// Keeps the last decisions of a scaler while it runs.
struct Watched {
    scaler: Forecasting,
    seen: Vec<(View, Option<Decision>)>,
}

impl Policy for Watched {
    fn decide(&mut self, view: View, current: u32) -> u32 {
        let size = self.scaler.decide(view, current);
        self.seen.push((view, self.scaler.last.clone()));
        size
    }

    fn finished(&mut self, grew: bool, duration_ms: i64) {
        self.scaler.finished(grew, duration_ms);
    }
}

/// The setting with the usual floor whose price is nearest, at this price.
fn setting_of(price: f64) -> Option<Setting> {
    let usual = Settings::default().emergency_target;
    let far = |setting: &Setting| (setting.price / price).ln().abs();
    let nearest = (path().into_iter())
        .filter(|setting| setting.emergency_target == usual)
        .min_by(|a, b| far(a).total_cmp(&far(b)))?;
    Some(Setting { price, ..nearest })
}

fn sizes(case: &Case, price: f64) -> Result<Chart> {
    let setting = setting_of(price).context("there is no setting")?;
    let mut policy = Watched {
        scaler: Forecasting::new(setting, case.delay_seconds)?,
        seen: Vec::new(),
    };
    let mut record: Vec<Sizes> = Vec::new();
    let loads = &case.trace.loads;
    run(
        &mut policy,
        case.trace.start_ms,
        loads,
        case.score_from(),
        case.delay_seconds,
        |sizes| {
            record.push(sizes);
        },
    );
    let from = loads.len().saturating_sub(Trace::steps_of_days(SHOWN_DAYS));
    let day = |step: usize| (step - from) as f64 / Trace::steps_of_days(1.0) as f64;
    let shown = || (from..loads.len()).step_by(SHOWN_EVERY);
    let mut expected = Vec::new();
    let mut bound = Vec::new();
    for step in shown() {
        let forecast = policy.seen[step]
            .1
            .as_ref()
            .and_then(|decision| decision.forecast);
        if let Some(forecast) = forecast {
            // Where it was forecast to be, not when.
            let at = day(step) + forecast.delay_ms as f64 / 86_400_000.0;
            expected.push((at, forecast.expected_brokers));
            bound.push((at, forecast.bound_brokers));
        }
    }
    let series = |name: &str, color, mark, points| Series {
        name: name.into(),
        color,
        mark,
        points,
    };
    Ok(Chart {
        title: format!("{}, the last {SHOWN_DAYS} days", file_name(&case.name)),
        x_label: "days".into(),
        y_label: "brokers".into(),
        log_y: false,
        from_zero: false,
        moments: Vec::new(),
        series: vec![
            series(
                "load",
                "#2563eb",
                Mark::Line,
                shown().map(|step| (day(step), loads[step])).collect(),
            ),
            series("expected", "#16a34a", Mark::Dashes, expected),
            series("bound", "#a855f7", Mark::Dashes, bound),
            series(
                "serving brokers",
                "#c2410c",
                Mark::Steps,
                shown()
                    .map(|step| (day(step), f64::from(record[step].serving)))
                    .collect(),
            ),
        ],
    })
}

fn write(path: &Path, chart: &Chart) -> Result<()> {
    std::fs::write(path, chart.render())
        .with_context(|| format!("failed to write {}", path.display()))?;
    println!("wrote {}", path.display());
    Ok(())
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}
