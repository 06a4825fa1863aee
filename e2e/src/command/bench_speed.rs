//! `bench-speed`: plain speed beside Apache Kafka, in alternating runs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, ensure};

use crate::bench::speed::{Stream, VALUE_SIZE_BYTES};
use crate::bench::topology::{Topology, create_topic, wait_for};
use crate::host::machine;
use crate::host::steal::ProcessorTime;
use crate::processes::{BROKERS, Cluster, Engine, Kafka, Kintsugi};

const FORM_LIMIT: Duration = Duration::from_secs(120);
const PARTITIONS: i32 = 12;
/// The rate of the measurement of latency.
const RATE: u32 = 5_000;
const MIB: f64 = 1_048_576.0;

/// Produce flat out, produce paced, consume from the start: Kintsugi and Apache Kafka in turn.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The binary of Kintsugi's broker.
    #[arg(long)]
    broker: PathBuf,
    /// A folder of Apache Kafka's jars: run it in turn.
    #[arg(long)]
    kafka: Option<PathBuf>,
    /// Apache Kafka's version, for the table.
    #[arg(long, default_value = "4.1.1")]
    kafka_version: String,
    /// How often each runs.
    #[arg(long, default_value_t = 3)]
    runs: usize,
    /// Mebibytes to produce flat out.
    #[arg(long, default_value_t = 512)]
    mebibytes: u64,
    /// Seconds of paced load.
    #[arg(long, default_value_t = 20)]
    seconds: u64,
}

/// One run's figures.
#[derive(Clone, Copy, Debug)]
struct Figures {
    produce_mib_s: f64,
    produce_cpu_s_per_gib: f64,
    p50_ms: f64,
    p99_ms: f64,
    consume_mib_s: f64,
    consume_cpu_s_per_gib: f64,
    resident_mib: f64,
}

/// What a column of the table shows.
type Column = (&'static str, fn(&Figures) -> f64);

const COLUMNS: [Column; 7] = [
    ("produce MiB/s", |f| f.produce_mib_s),
    ("broker CPU s/GiB", |f| f.produce_cpu_s_per_gib),
    ("ack p50 ms", |f| f.p50_ms),
    ("ack p99 ms", |f| f.p99_ms),
    ("consume MiB/s", |f| f.consume_mib_s),
    ("CPU s/GiB", |f| f.consume_cpu_s_per_gib),
    ("resident MiB", |f| f.resident_mib),
];

/// Runs it.
///
/// # Errors
/// If a cluster cannot be run, or a record is not acknowledged or not read back.
pub fn main(arguments: &Arguments) -> anyhow::Result<()> {
    ensure!(arguments.runs > 0, "nothing to run: --runs is 0");
    println!("machine: {}", machine::describe());
    println!(
        "three brokers and three controllers on this machine; {PARTITIONS} partitions, three replicas, min.insync.replicas 2, acks=all, \
         values of {VALUE_SIZE_BYTES} random bytes, librdkafka; flat out: {} MiB with linger.ms=5; \
         paced: {RATE} records/s with linger.ms=0 for {} s; resident: the largest broker at the end",
        arguments.mebibytes, arguments.seconds
    );
    let mut kintsugi = Vec::new();
    let mut kafka = Vec::new();
    for run in 1..=arguments.runs {
        let engine = Kintsugi {
            binary: arguments.broker.clone(),
        };
        kintsugi
            .push(measure(engine, arguments).with_context(|| format!("run {run} of Kintsugi"))?);
        if let Some(jars) = &arguments.kafka {
            let engine = Kafka {
                jars: jars.clone(),
                version: arguments.kafka_version.clone(),
                heap: "512m".to_owned(),
            };
            kafka.push(
                measure(engine, arguments).with_context(|| format!("run {run} of Apache Kafka"))?,
            );
        }
    }
    let names: Vec<&str> = COLUMNS.iter().map(|(name, _)| *name).collect();
    println!("\n| median of {} | {} |", arguments.runs, names.join(" | "));
    println!("|---|{}", "---|".repeat(COLUMNS.len()));
    print_row("Kintsugi", &kintsugi);
    if !kafka.is_empty() {
        print_row(&format!("Apache Kafka {}", arguments.kafka_version), &kafka);
    }
    Ok(())
}

fn print_row(name: &str, runs: &[Figures]) {
    let cells = COLUMNS.map(|(_, value)| {
        let mut values: Vec<f64> = runs.iter().map(value).collect();
        values.sort_unstable_by(f64::total_cmp);
        format!("{:.1}", values[values.len() / 2])
    });
    println!("| {name} | {} |", cells.join(" | "));
}

fn measure<E: Engine>(engine: E, arguments: &Arguments) -> anyhow::Result<Figures> {
    let folder = tempfile::tempdir().context("failed to make a folder for the cluster")?;
    let cluster = start(engine, folder.path())?;
    let stream = Stream {
        bootstrap: cluster.bootstrap(),
        topic: "speed".to_owned(),
        partitions: PARTITIONS,
    };
    let host = ProcessorTime::now()?;
    let records = (arguments.mebibytes << 20) / u64::try_from(VALUE_SIZE_BYTES)?;
    let mebibytes = Duration::from_secs(arguments.mebibytes).as_secs_f64();
    let gibibytes = mebibytes / 1_024.0;
    let before = broker_cpu(&cluster)?;
    let produced = stream.produce_flat_out(records)?;
    let produce_cpu = broker_cpu(&cluster)? - before;

    let latencies = stream.produce_paced(RATE, Duration::from_secs(arguments.seconds))?;
    let at = |percent: usize| {
        let index = (latencies.len() * percent / 100).min(latencies.len().saturating_sub(1));
        latencies[index].as_secs_f64() * 1e3
    };
    let before = broker_cpu(&cluster)?;
    let consumed = stream.consume(records)?;
    let consume_cpu = broker_cpu(&cluster)? - before;

    let mut resident: f64 = 0.0;
    for process in (0..BROKERS).filter_map(|id| cluster.process(id)) {
        resident = resident.max(precise(process.resident_bytes()?) / MIB);
    }
    let figures = Figures {
        produce_mib_s: mebibytes / produced.as_secs_f64(),
        produce_cpu_s_per_gib: produce_cpu.as_secs_f64() / gibibytes,
        p50_ms: at(50),
        p99_ms: at(99),
        consume_mib_s: mebibytes / consumed.as_secs_f64(),
        consume_cpu_s_per_gib: consume_cpu.as_secs_f64() / gibibytes,
        resident_mib: resident,
    };
    let cells = COLUMNS.map(|(name, value)| format!("{name} {:.1}", value(&figures)));
    let shares = ProcessorTime::now()?.since(host);
    println!(
        "{}: {}; host {:.0} % busy, {:.1} % stolen",
        cluster.name(),
        cells.join(", "),
        shares.busy_percent,
        shares.stolen_percent
    );
    Ok(figures)
}

#[allow(
    clippy::cast_precision_loss,
    reason = "a size in memory is far below 2^52"
)]
fn precise(bytes: u64) -> f64 {
    bytes as f64
}

fn start<E: Engine>(engine: E, folder: &Path) -> anyhow::Result<Cluster<E>> {
    let settings = BTreeMap::from([
        ("min.insync.replicas".to_owned(), "2".to_owned()),
        ("default.replication.factor".to_owned(), "3".to_owned()),
    ]);
    let cluster = Cluster::start(engine, folder, settings)?;
    let brokers = usize::try_from(BROKERS)?;
    let all_are_live = |topology: &Topology| topology.brokers.len() == brokers;
    let what = "all brokers to register";
    wait_for(
        &cluster.bootstrap(),
        "speed",
        what,
        FORM_LIMIT,
        all_are_live,
    )?;
    create_topic(&cluster.bootstrap(), "speed", PARTITIONS, 3, FORM_LIMIT)?;
    let partitions = usize::try_from(PARTITIONS)?;
    let what = "the topic to be whole";
    wait_for(
        &cluster.bootstrap(),
        "speed",
        what,
        FORM_LIMIT,
        |topology| topology.is_healthy(partitions),
    )?;
    Ok(cluster)
}

fn broker_cpu<E: Engine>(cluster: &Cluster<E>) -> anyhow::Result<Duration> {
    let mut total = Duration::ZERO;
    for process in (0..BROKERS).filter_map(|id| cluster.process(id)) {
        total += process.cpu_used()?;
    }
    Ok(total)
}
