//! Runs the simulator over many seeds, or one; with a deliberate fault, or each of them.

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use clap::Parser;
use kintsugi_sim::{Counts, Options, Outcome, run};
use rustix::time::{ClockId, clock_gettime};

/// Whole clusters in one thread from one seed, with faults and oracles.
#[derive(Parser, Debug)]
struct Arguments {
    /// How many seeds to run.
    #[arg(long, default_value_t = 1)]
    seeds: u64,
    /// The first of them.
    #[arg(long, default_value_t = 1)]
    first: u64,
    /// Run only this seed.
    #[arg(long)]
    seed: Option<u64>,
    /// How long faults go on in each run, in simulated seconds.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Stop after so many happenings.
    #[arg(long, default_value_t = u64::MAX)]
    steps: u64,
    /// No faults at all.
    #[arg(long)]
    calm: bool,
    /// Print what happened last, also of runs that pass.
    #[arg(long)]
    words: bool,
    /// Print only runs that fail, and the totals.
    #[arg(long)]
    quiet: bool,
    /// Fail if over all seeds, at least 100, something was never reached that is to be.
    #[arg(long)]
    coverage: bool,
    /// How many runs at a time.
    #[arg(long, default_value_t = 2)]
    threads: u64,
    /// Switch this deliberate fault on (in builds with the feature `bugs`).
    #[arg(long)]
    bug: Option<String>,
}

/// Fewer seeds than this cannot be expected to reach everything.
const COVERING_SEEDS_MIN: u64 = 100;

#[derive(Default)]
struct Totals {
    passed: u64,
    failed: u64,
    counts: Counts,
    simulated_seconds: f64,
    cpu_time: Duration,
    steps: u64,
}

fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    let (first, count) = match arguments.seed {
        Some(seed) => (seed, 1),
        None => (arguments.first, arguments.seeds),
    };
    let template = options(&arguments)?;
    let next = AtomicU64::new(first);
    let totals = Mutex::new(Totals::default());
    std::thread::scope(|scope| {
        for _ in 0..arguments.threads.clamp(1, 64).min(count) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed - first >= count {
                        break;
                    }
                    run_one(&arguments, Options { seed, ..template }, &totals);
                }
            });
        }
    });
    let totals = totals.into_inner()?;
    let cpu_seconds = totals.cpu_time.as_secs_f64();
    println!("total: {}", totals.counts);
    println!(
        "{} happenings, {:.2} simulated hours in {cpu_seconds:.0} CPU seconds: {:.0} simulated hours a CPU hour",
        totals.steps,
        totals.simulated_seconds / 3_600.0,
        totals.simulated_seconds / cpu_seconds.max(0.001)
    );
    let missed = totals.counts.missed();
    if !missed.is_empty() {
        println!("never reached: {}", missed.join(", "));
    }
    println!("{} passed, {} failed", totals.passed, totals.failed);
    let is_asked = arguments.coverage && count >= COVERING_SEEDS_MIN;
    let is_covered = missed.is_empty() || !is_asked;
    Ok(if totals.failed == 0 && is_covered {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn options(arguments: &Arguments) -> anyhow::Result<Options> {
    let mut options = Options::of_seed(0);
    options.seconds = arguments.seconds;
    options.steps_max = arguments.steps;
    options.faults = !arguments.calm;
    options.in_words = arguments.words;
    if let Some(name) = &arguments.bug {
        let bug = kintsugi_sim::bug_named(name);
        let bug = bug.ok_or_else(|| anyhow::anyhow!("no deliberate fault is named {name}"))?;
        anyhow::ensure!(
            cfg!(feature = "bugs"),
            "this build has no deliberate faults: build it with the feature `bugs`"
        );
        options.bug = Some(bug);
    }
    Ok(options)
}

/// The CPU time of this thread so far.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(
        u64::try_from(time.tv_sec).unwrap_or(0),
        u32::try_from(time.tv_nsec).unwrap_or(0),
    )
}

fn run_one(arguments: &Arguments, mut options: Options, totals: &Mutex<Totals>) {
    let started = cpu_time();
    let mut outcome = run(&options);
    let cpu_time = cpu_time().saturating_sub(started);
    if outcome.violation.is_some() && !options.in_words {
        // Words cost time, so they are kept only now; the run is the same.
        options.in_words = true;
        outcome = run(&options);
    }
    let Ok(mut totals) = totals.lock() else {
        return;
    };
    if !arguments.quiet || outcome.violation.is_some() {
        print(arguments, &outcome);
    }
    totals.counts.add(&outcome.counts);
    totals.simulated_seconds += outcome.simulated_seconds;
    totals.cpu_time += cpu_time;
    totals.steps += outcome.steps;
    match outcome.violation {
        None => totals.passed += 1,
        Some(_) => totals.failed += 1,
    }
}

fn print(arguments: &Arguments, outcome: &Outcome) {
    let verdict = if outcome.violation.is_none() {
        "ok"
    } else {
        "FAILED"
    };
    println!(
        "seed {} {verdict}: {} | {} happenings, {:.1} s simulated, healed in {:.1} s, trace {:016x}",
        outcome.seed,
        outcome.counts,
        outcome.steps,
        outcome.simulated_seconds,
        outcome.healing_seconds,
        outcome.trace
    );
    if outcome.violation.is_none() || arguments.words {
        for line in &outcome.last {
            println!("  {line}");
        }
    }
    if let Some(violation) = &outcome.violation {
        let calm = if arguments.calm { " --calm" } else { "" };
        let bug = arguments.bug.as_ref();
        let bug = bug.map_or_else(String::new, |name| format!(" --bug {name}"));
        let features = if cfg!(feature = "bugs") {
            " --features bugs"
        } else {
            ""
        };
        println!("  violated: {violation}");
        println!(
            "  again by: cargo run --profile image -p kintsugi-sim{features} -- --seed {} --seconds {} --steps {} --words{calm}{bug}",
            outcome.seed, arguments.seconds, outcome.steps
        );
    }
}
