//! `bench-partitions`: what many partitions cost three brokers on this machine.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, ensure};

use crate::bench::partitions::{Idle, ManyPartitions, Start};
use crate::bench::told;
use crate::host::{load, machine};
use crate::processes::{self, BROKERS, Cluster, Kintsugi};

/// Starts, idle processors, memory and descriptors of brokers with many partitions.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The binary of Kintsugi's broker.
    #[arg(long)]
    broker: PathBuf,
    /// How many partitions.
    #[arg(long, default_value_t = 10_000)]
    partitions: i32,
    /// How many records of 1 KiB each partition is given before every kill: by default 1 GB in all,
    /// on every broker. 0: nothing is killed.
    #[arg(long, default_value_t = 100)]
    tail_records: u64,
    /// How often every start is measured.
    #[arg(long, default_value_t = 3)]
    runs: usize,
    /// How many seconds the idle cluster is watched.
    #[arg(long, default_value_t = 30)]
    idle_seconds: u64,
    /// Settings of the nodes, such as kintsugi.shards=1.
    #[arg(long = "setting", value_parser = super::bench_failover::parse_setting)]
    setting: Vec<(String, String)>,
}

/// Runs it.
///
/// # Errors
/// If a node does not start, or the cluster does not become whole.
pub fn main(arguments: &Arguments) -> anyhow::Result<()> {
    ensure!(
        arguments.partitions > 0,
        "nothing to run: --partitions is 0"
    );
    println!(
        "machine: {}; load average {}",
        machine::describe(),
        load::averages()
    );
    println!(
        "three controllers and three brokers on this machine; {} partitions, three replicas",
        arguments.partitions
    );
    let folder = tempfile::tempdir().context("failed to make a folder for the cluster")?;
    let mut settings = processes::settings();
    settings.extend(arguments.setting.iter().cloned());
    let engine = Kintsugi {
        binary: arguments.broker.clone(),
    };
    let mut cluster = ManyPartitions {
        cluster: Cluster::start(engine, folder.path(), settings)?,
        partitions: arguments.partitions,
    };
    let measured = measure(&mut cluster, arguments);
    if measured.is_err() {
        super::bench_failover::keep_logs(folder.path());
    }
    measured
}

fn measure(cluster: &mut ManyPartitions<Kintsugi>, arguments: &Arguments) -> anyhow::Result<()> {
    let idle_time = Duration::from_secs(arguments.idle_seconds);
    println!("\n| what | measured | load average |\n|---|---|---|");
    let empty = cluster.idle(Duration::from_secs(1))?;
    let took = cluster.fill_with_partitions()?;
    row(
        "topic created to every log made and replica in sync",
        format!("{took:.1?}"),
    );
    print_idle(&empty, &cluster.idle(idle_time)?, arguments.partitions);

    restart_one(cluster, arguments.runs, "one broker")?;
    let (mut stops, mut starts) = (Vec::new(), Vec::new());
    for _ in 0..arguments.runs {
        let (stop, start) = cluster.restart_all()?;
        stops.push(stop);
        starts.push(start);
    }
    row("SIGTERM to the end of all six nodes", median(&stops));
    print_starts("all six nodes, after a clean stop", &starts);
    if arguments.tail_records > 0 {
        kill(cluster, arguments)?;
    }
    load_model(cluster)
}

/// What the operator costs the brokers, and they the operator.
fn load_model(cluster: &ManyPartitions<Kintsugi>) -> anyhow::Result<()> {
    let taken = told::take(cluster)?;
    let answers = told::ask(cluster)?;
    row(
        "GET /v1/load of one broker, asked each 5 s",
        format!(
            "{} KiB; mean {:.1?}, slowest {:.1?}; {:.1?} of its processor",
            answers.size_bytes >> 10,
            answers.mean,
            answers.slowest,
            answers.broker_cpu
        ),
    );
    row(
        "the operator's load model, for one such answer: read; taken",
        format!("median {:.1?}; {:.1?}", taken.read, taken.taken),
    );
    row(
        &format!("the rates of {} partitions from it", taken.partitions),
        format!("median {:.1?}", taken.reported),
    );
    row(
        "the model in memory",
        format!("{:.0} MiB", mebibytes(taken.model_bytes)),
    );
    Ok(())
}

/// Stops one broker by SIGTERM and starts it again, another one each time.
fn restart_one(
    cluster: &mut ManyPartitions<Kintsugi>,
    runs: usize,
    what: &str,
) -> anyhow::Result<()> {
    let (mut stops, mut starts) = (Vec::new(), Vec::new());
    for run in 0..runs {
        let (stop, start) = cluster.restart(broker_of(run)?)?;
        stops.push(stop);
        starts.push(start);
    }
    row(&format!("{what}: SIGTERM to the end"), median(&stops));
    print_starts(&format!("{what}, after a clean stop"), &starts);
    Ok(())
}

/// Writes before every kill, so that the logs grow from kill to kill.
fn kill(cluster: &mut ManyPartitions<Kintsugi>, arguments: &Arguments) -> anyhow::Result<()> {
    let mut starts = Vec::new();
    for run in 0..arguments.runs {
        let bytes = cluster.write(arguments.tail_records)?;
        if run == 0 {
            let what = "written to each broker before every kill";
            row(what, format!("{} MB", bytes / 1_000_000));
        }
        starts.push(cluster.kill(broker_of(run)?)?);
    }
    print_starts("one broker, after kill -9", &starts);
    restart_one(cluster, arguments.runs, "one broker with those records")?;
    let mut starts = Vec::new();
    for _ in 0..arguments.runs {
        cluster.write(arguments.tail_records)?;
        starts.push(cluster.kill_all_brokers()?);
    }
    print_starts("all three brokers, after kill -9", &starts);
    Ok(())
}

fn broker_of(run: usize) -> anyhow::Result<i32> {
    Ok(i32::try_from(run)? % BROKERS)
}

fn row(what: &str, measured: impl std::fmt::Display) {
    println!("| {what} | {measured} | {} |", load::averages());
}

fn median(times: &[Duration]) -> String {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    match (sorted.get(sorted.len() / 2), sorted.last()) {
        (Some(median), Some(most)) => {
            format!(
                "median {} ms, max {} ms",
                median.as_millis(),
                most.as_millis()
            )
        }
        _ => "not run".to_owned(),
    }
}

fn print_starts(what: &str, starts: &[Start]) {
    let all = |time: fn(&Start) -> Option<Duration>| -> Vec<Duration> {
        starts.iter().filter_map(time).collect()
    };
    let opened = all(|start| Some(start.opened));
    row(&format!("{what}: start to all logs open"), median(&opened));
    let verified = starts.iter().map(|start| start.verified_bytes / 1_000_000);
    let verified: Vec<String> = verified.map(|mb| mb.to_string()).collect();
    row(
        &format!("{what}: read to verify, the most of a broker, MB in each run"),
        verified.join(", "),
    );
    let served = all(|start| Some(start.served));
    row(
        &format!("{what}: start to the first answer"),
        median(&served),
    );
    let written = all(|start| start.written);
    if !written.is_empty() {
        let to = "to every asked partition written";
        row(&format!("{what}: start {to}"), median(&written));
    }
    let whole = all(|start| Some(start.whole));
    let to = "to every replica in sync and leaders back";
    row(&format!("{what}: start {to}"), median(&whole));
}

fn print_idle(empty: &[Idle], full: &[Idle], partitions: i32) {
    for (what, is_broker) in [("broker", true), ("controller", false)] {
        let of_role = |idle: &&Idle| (idle.id < BROKERS) == is_broker;
        let most = |nodes: &[Idle], value: fn(&Idle) -> f64| {
            let values = nodes.iter().filter(of_role).map(value);
            values.fold(0.0, f64::max)
        };
        let processor = most(full, |idle| idle.processor_percent);
        row(
            &format!("idle, of one processor: the busiest {what}"),
            format!("{processor:.1} %"),
        );
        let resident = most(full, |idle| mebibytes(idle.resident_bytes));
        let without = most(empty, |idle| mebibytes(idle.resident_bytes));
        let each = (resident - without) * 1_024.0 / f64::from(partitions);
        row(
            &format!("resident, the largest {what}"),
            format!(
                "{resident:.0} MiB, {without:.0} without partitions: {each:.2} KiB a partition"
            ),
        );
        let descriptors = full.iter().filter(of_role).map(|idle| idle.descriptors);
        let descriptors = descriptors.max().unwrap_or_default();
        row(
            &format!("open descriptors, the most of a {what}"),
            descriptors,
        );
    }
}

#[allow(
    clippy::cast_precision_loss,
    reason = "a size in memory is far below 2^52"
)]
fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / 1_048_576.0
}
