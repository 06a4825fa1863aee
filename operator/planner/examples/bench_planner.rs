//! Times plans of made-up clusters and prints rows for docs/benchmarks.md. Each case is a process
//! of its own, as the memory figure is the process's.
//!
//! bench_planner CASE [FILE]: CASE is grown-100k, grown-1m, cruise-control, evacuation or tick;
//! with a FILE, grown-100k also writes its cluster there, for another solver to plan.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a benchmark measures time; the library has none"
)]

use std::error::Error;
use std::time::{Duration, Instant};

use kintsugi_planner::synthetic::{Distribution, RandomCluster, Skewed};
use kintsugi_planner::{
    BrokerState, Goal, Limits, Load, LoadUpdate, Model, PartitionId, Plan, Profile, Scope,
    Thresholds, checker, plan,
};

type Fallible<T> = Result<T, Box<dyn Error>>;

/// Plans of one cluster, made with different seeds.
const REPEATS: u64 = 5;
/// Brokers that die in turn: all, so that one in a hundred is one of them.
const DEATHS: usize = 100;
/// Ticks, each with new loads.
const TICKS: usize = 100;

fn main() -> Fallible<()> {
    let mut arguments = std::env::args().skip(1);
    let case = arguments.next().unwrap_or_default();
    let file = arguments.next();
    match case.as_str() {
        "grown-100k" => grown(100_000, file.as_deref()),
        "grown-1m" => grown(1_000_000, None),
        "cruise-control" => cruise_control(),
        "evacuation" => evacuation(),
        "tick" => tick(),
        other => Err(format!("no case {other:?}: see the top of the example").into()),
    }?;
    println!(
        "peak resident memory of the process: {} MiB",
        peak_memory_mib()?
    );
    Ok(())
}

fn grown_cluster(partitions: u32) -> Skewed {
    Skewed {
        brokers: 100,
        new_brokers: 8,
        racks: 10,
        partitions,
        replication: 3,
        topics: 1_000,
        load_sigma: Skewed::HEAVY,
        seed: 1,
    }
}

/// 3 million replicas on 100 brokers are 30,000 each; the default allows 10,000.
fn thresholds() -> Thresholds {
    Thresholds {
        max_replicas_per_broker: 40_000,
        ..Thresholds::default()
    }
}

fn build(cluster: Skewed) -> Fallible<Model> {
    let start = Instant::now();
    let model = Model::build(cluster.cluster())?;
    println!(
        "{} partitions, {} replicas, made and checked in {:.0?}",
        model.partitions(),
        model.replicas(),
        start.elapsed()
    );
    Ok(model)
}

fn grown(partitions: u32, file: Option<&str>) -> Fallible<()> {
    let model = build(grown_cluster(partitions))?;
    let profile = Profile::kintsugi(thresholds())?;
    let mut times = Vec::new();
    let mut last = None;
    for seed in 1..=REPEATS {
        let limits = Limits {
            seed,
            ..Limits::default()
        };
        let busy = processor_time()?;
        let (made, time) = timed(&model, &profile, &limits)?;
        let busy = processor_time()?.saturating_sub(busy);
        println!(
            "seed {seed}: {:.1} ms ({:.1} ms of the processor), {}",
            millis(time),
            millis(busy),
            summary(&made)
        );
        times.push(time);
        last = Some(made);
    }
    times.sort_unstable();
    println!(
        "time: median {:.1} ms, worst {:.1} ms",
        millis(times[times.len() / 2]),
        millis(times[times.len() - 1])
    );
    let last = last.ok_or("no plan")?;
    goals(&last);
    if let Some(file) = file {
        let median = times[times.len() / 2];
        export(grown_cluster(partitions), &last, median, file)?;
    }
    Ok(())
}

fn cruise_control() -> Fallible<()> {
    for distribution in [Distribution::Uniform, Distribution::Linear] {
        let cluster = RandomCluster {
            racks: 10,
            brokers: 215,
            topics: 3_500,
            replicas: 2_800_000,
            ..RandomCluster::base(distribution, 1)
        };
        let model = Model::build(cluster.cluster())?;
        // 2.8 million replicas on 215 brokers are 13,023 each; the default allows 10,000.
        let thresholds = Thresholds {
            max_replicas_per_broker: 20_000,
            ..Thresholds::default()
        };
        let profile = Profile::cruise_control(thresholds)?;
        println!("{distribution:?}: {} replicas", model.replicas());
        let limits = Limits {
            max_moves: 10_000_000,
            ..Limits::default()
        };
        let busy = processor_time()?;
        let (made, time) = timed(&model, &profile, &limits)?;
        let busy = processor_time()?.saturating_sub(busy);
        println!(
            "{:.0} ms ({:.0} ms of the processor), {}",
            millis(time),
            millis(busy),
            summary(&made)
        );
        goals(&made);
    }
    Ok(())
}

/// One broker after another dies, in a cluster that was balanced before.
fn evacuation() -> Fallible<()> {
    let mut model = balanced(1_000_000)?;
    let profile = Profile::kintsugi(thresholds())?;
    let mut times = Vec::new();
    for broker in 0..DEATHS as i32 {
        let mut dead = model.clone();
        elect_others(&mut dead, broker)?;
        let start = processor_time()?;
        dead.update_broker(broker, BrokerState::Dead)?;
        let made = plan(&dead, &profile, &Scope::Full, &Limits::default())?;
        times.push(processor_time()?.saturating_sub(start));
        if broker == 0 {
            println!("first: {}", summary(&made));
            goals(&made);
        }
        let left = made.goals.iter().filter(|goal| goal.goal.is_hard());
        let left: u64 = left.map(|goal| goal.violations_after).sum();
        if left > 0 {
            return Err(format!("broker {broker}: {left} hard violations are left").into());
        }
    }
    percentiles("evacuation", &mut times);
    model.update_broker(0, BrokerState::Alive)?;
    Ok(())
}

/// The cluster has elected others where the broker led, before anyone plans.
fn elect_others(model: &mut Model, broker: i32) -> Fallible<()> {
    for at in 0..model.partitions() as u32 {
        let partition = PartitionId(at);
        let (replicas, leader) = model.assignment(partition).ok_or("no such partition")?;
        if leader == Some(broker) {
            let next = replicas.iter().copied().find(|id| *id != broker);
            model.update_assignment(partition, &replicas, next)?;
        }
    }
    Ok(())
}

fn tick() -> Fallible<()> {
    let mut model = balanced(1_000_000)?;
    let profile = Profile::kintsugi(thresholds())?;
    let limits = Limits {
        certify: false,
        ..Limits::default()
    };
    let mut random = fastrand::Rng::with_seed(1);
    let loads: Vec<(Load, Load)> = grown_cluster(1_000_000)
        .cluster()
        .partitions
        .map(|at| (at.leader_load, at.follower_load))
        .collect();
    let (mut times, mut moves) = (Vec::new(), 0);
    for _ in 0..TICKS {
        let updates: Vec<LoadUpdate> = (0..model.partitions() / 100)
            .map(|_| {
                let at = random.usize(..loads.len());
                let factor = 0.7 + 0.6 * random.f64();
                let scaled = |load: Load| Load {
                    network_in_bytes_per_second: load.network_in_bytes_per_second * factor,
                    network_out_bytes_per_second: load.network_out_bytes_per_second * factor,
                    cpu: load.cpu * factor,
                    ..load
                };
                LoadUpdate {
                    partition: PartitionId(at as u32),
                    leader_load: scaled(loads[at].0),
                    follower_load: scaled(loads[at].1),
                }
            })
            .collect();
        let start = processor_time()?;
        model.update_loads(&updates)?;
        let made = plan(&model, &profile, &Scope::Full, &limits)?;
        times.push(processor_time()?.saturating_sub(start));
        moves += made.moves.replicas + made.moves.leaderships;
        model.apply(&made)?;
    }
    println!("{moves} replicas and leaderships moved in {TICKS} ticks");
    percentiles("1 % load tick", &mut times);
    let start = Instant::now();
    let counted = checker::violations_from_scratch(&model, &profile);
    println!(
        "all sums anew: {:.1} ms, {} violations",
        millis(start.elapsed()),
        total(&counted)
    );
    if counted != checker::violations(&model, &profile) {
        return Err("the checker's running sums differ from sums made anew".into());
    }
    Ok(())
}

fn balanced(partitions: u32) -> Fallible<Model> {
    let mut model = build(grown_cluster(partitions))?;
    let profile = Profile::kintsugi(thresholds())?;
    let made = plan(&model, &profile, &Scope::Full, &Limits::default())?;
    model.apply(&made)?;
    Ok(model)
}

fn timed(model: &Model, profile: &Profile, limits: &Limits) -> Fallible<(Plan, Duration)> {
    let start = Instant::now();
    let made = plan(model, profile, &Scope::Full, limits)?;
    Ok((made, start.elapsed()))
}

fn summary(made: &Plan) -> String {
    let bound = match made.bound_bytes {
        Some(bound) => format!("{:.4} of the bound", made.bytes as f64 / bound as f64),
        None => "no bound".to_owned(),
    };
    format!(
        "{} replicas and {} leaderships moved, {} swaps, {} chains, {:.4e} bytes, {bound}, {:.0?} at the default rates",
        made.moves.replicas,
        made.moves.leaderships,
        made.moves.swaps,
        made.moves.chains,
        made.bytes as f64,
        made.estimated_time
    )
}

fn goals(made: &Plan) {
    for goal in &made.goals {
        let kind = if goal.goal.is_hard() { "hard" } else { "soft" };
        println!(
            "| {} | {kind} | {} | {} |",
            goal.goal.name(),
            goal.violations_before,
            goal.violations_after
        );
    }
}

fn total(counted: &[(Goal, u64)]) -> u64 {
    counted.iter().map(|(_, count)| count).sum()
}

fn percentiles(what: &str, times: &mut [Duration]) {
    times.sort_unstable();
    let at = |share: f64| millis(times[((times.len() - 1) as f64 * share).round() as usize]);
    println!(
        "{what}, {} times, of the processor: p50 {:.2} ms, p99 {:.2} ms, worst {:.2} ms",
        times.len(),
        at(0.5),
        at(0.99),
        at(1.0)
    );
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// What this thread has had of a processor: a plan is made on one, which others share here.
fn processor_time() -> Fallible<Duration> {
    // The kernel brings the sum up to date when the thread yields.
    std::thread::yield_now();
    let status = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanos = status.split_whitespace().next().ok_or("no time")?;
    Ok(Duration::from_nanos(nanos.parse()?))
}

fn peak_memory_mib() -> Fallible<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM:"))
        .ok_or("no VmHWM")?;
    let kib: u64 = line.split_whitespace().nth(1).ok_or("no number")?.parse()?;
    Ok(kib / 1024)
}

/// The cluster and what became of it here, as JSON.
fn export(cluster: Skewed, made: &Plan, time: Duration, file: &str) -> Fallible<()> {
    let input = cluster.cluster();
    let racks: Vec<_> = input
        .brokers
        .iter()
        .map(|broker| broker.rack.clone())
        .collect();
    let partitions: Vec<_> = input
        .partitions
        .map(|at| {
            let load = |load: Load| {
                [
                    load.disk_bytes,
                    load.network_in_bytes_per_second,
                    load.network_out_bytes_per_second,
                    load.cpu,
                ]
            };
            (at.replicas, load(at.leader_load), load(at.follower_load))
        })
        .collect();
    let json = serde_json::json!({
        "racks": racks,
        "partitions": partitions,
        "ours": {
            "seconds": time.as_secs_f64(),
            "bytes": made.bytes,
            "bound_bytes": made.bound_bytes,
            "replica_moves": made.moves.replicas,
            "leader_moves": made.moves.leaderships,
        },
    });
    serde_json::to_writer(std::io::BufWriter::new(std::fs::File::create(file)?), &json)?;
    Ok(())
}
