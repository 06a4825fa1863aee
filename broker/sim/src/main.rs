//! Runs the simulator over many seeds, or one.

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use clap::Parser;
use kintsugi_sim::{Counts, Options, Outcome, run};

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
    #[arg(long, default_value_t = 20)]
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
    /// How many runs at a time.
    #[arg(long, default_value_t = 2)]
    threads: u64,
}

#[derive(Default)]
struct Totals {
    passed: u64,
    failed: u64,
    counts: Counts,
    simulated_seconds: f64,
    cpu_seconds: f64,
    steps: u64,
}

fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    let (first, count) = match arguments.seed {
        Some(seed) => (seed, 1),
        None => (arguments.first, arguments.seeds),
    };
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
                    run_one(&arguments, seed, &totals);
                }
            });
        }
    });
    let totals = totals.into_inner()?;
    println!(
        "total: {} | {} happenings, {:.1} simulated hours in {:.0} CPU seconds: {:.1} simulated hours a CPU hour",
        totals.counts,
        totals.steps,
        totals.simulated_seconds / 3_600.0,
        totals.cpu_seconds,
        totals.simulated_seconds / totals.cpu_seconds.max(0.001)
    );
    println!("{} passed, {} failed", totals.passed, totals.failed);
    Ok(if totals.failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn run_one(arguments: &Arguments, seed: u64, totals: &Mutex<Totals>) {
    let mut options = Options::of_seed(seed);
    options.seconds = arguments.seconds;
    options.steps_max = arguments.steps;
    options.faults = !arguments.calm;
    options.in_words = arguments.words;
    let started = Instant::now();
    let mut outcome = run(&options);
    let cpu_seconds = started.elapsed().as_secs_f64();
    if outcome.violation.is_some() && !options.in_words {
        // Words cost time, so they are kept only now; the run is the same.
        options.in_words = true;
        outcome = run(&options);
    }
    let Ok(mut totals) = totals.lock() else {
        return;
    };
    print(&options, &outcome);
    totals.counts.add(&outcome.counts);
    totals.simulated_seconds += outcome.simulated_seconds;
    totals.cpu_seconds += cpu_seconds;
    totals.steps += outcome.steps;
    match outcome.violation {
        None => totals.passed += 1,
        Some(_) => totals.failed += 1,
    }
}

fn print(options: &Options, outcome: &Outcome) {
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
    for line in &outcome.last {
        println!("  {line}");
    }
    if let Some(violation) = &outcome.violation {
        let calm = if options.faults { "" } else { " --calm" };
        println!("  violated: {violation}");
        println!(
            "  again by: cargo run --profile image -p kintsugi-sim -- --seed {} --seconds {} --steps {}{calm}",
            outcome.seed, options.seconds, outcome.steps
        );
    }
}
