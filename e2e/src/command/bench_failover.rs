//! `bench-failover`: kill -9 under load, on Kintsugi and on Apache Kafka, one after the other.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

use crate::bench::failover::{FailoverReport, FailoverSettings, Target, run};
use crate::bench::topology::{Topology, wait_for};
use crate::host::machine;
use crate::processes::{BROKERS, Cluster, Engine, Kafka, Kintsugi};

/// How long a cluster may take to form.
const FORM_LIMIT: Duration = Duration::from_secs(90);

/// Kill -9 of the broker that leads most, under load, on process clusters on loopback.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The binary of Kintsugi's broker.
    #[arg(long)]
    broker: Option<PathBuf>,
    /// A folder of Apache Kafka's jars: run it too.
    #[arg(long)]
    kafka: Option<PathBuf>,
    /// Apache Kafka's version, for the table.
    #[arg(long, default_value = "4.1.1")]
    kafka_version: String,
    /// How many kills.
    #[arg(long, default_value_t = 20)]
    kills: usize,
    /// How many kills of Apache Kafka, if fewer: each takes it half a minute.
    #[arg(long)]
    kafka_kills: Option<usize>,
    /// How many partitions.
    #[arg(long, default_value_t = 120)]
    partitions: i32,
    /// Milliseconds between two records of one partition.
    #[arg(long, default_value_t = 50)]
    interval_ms: u64,
    /// Settings of librdkafka, such as retry.backoff.ms=20.
    #[arg(long = "client", value_parser = parse_setting)]
    client: Vec<(String, String)>,
}

fn parse_setting(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("write it as key=value")?;
    Ok((key.to_owned(), value.to_owned()))
}

/// Runs it.
///
/// # Errors
/// If a cluster cannot be run, or an acknowledged record of Kintsugi's was lost.
pub fn main(arguments: &Arguments) -> anyhow::Result<()> {
    ensure!(
        arguments.broker.is_some() || arguments.kafka.is_some(),
        "nothing to run: name --broker BINARY, --kafka FOLDER, or both"
    );
    println!("machine: {}", machine::describe());
    let client: Vec<String> = arguments
        .client
        .iter()
        .map(|(k, v)| format!("{k}={v}"))
        .collect();
    println!(
        "load: {} partitions, one record of 100 bytes every {} ms each, acks=all; client: {}",
        arguments.partitions,
        arguments.interval_ms,
        if client.is_empty() {
            "defaults".to_owned()
        } else {
            client.join(" ")
        }
    );
    if let Some(binary) = &arguments.broker {
        let kintsugi = Kintsugi {
            binary: binary.clone(),
        };
        let report = run_engine(kintsugi, arguments, arguments.kills)?;
        ensure!(
            report.verdict.is_clean(),
            "the verdict on Kintsugi has findings"
        );
    }
    if let Some(jars) = &arguments.kafka {
        let version = arguments.kafka_version.clone();
        let kafka = Kafka {
            jars: jars.clone(),
            version,
            heap: "512m".to_owned(),
        };
        let kills = arguments.kafka_kills.unwrap_or(arguments.kills);
        run_engine(kafka, arguments, kills)?;
    }
    Ok(())
}

fn run_engine<E: Engine>(
    engine: E,
    arguments: &Arguments,
    kills: usize,
) -> anyhow::Result<FailoverReport> {
    let folder = tempfile::tempdir().context("failed to make a folder for the cluster")?;
    let settings = BTreeMap::from([
        ("min.insync.replicas".to_owned(), "2".to_owned()),
        ("default.replication.factor".to_owned(), "3".to_owned()),
        // Leaders go back soon after each kill, so that every kill meets the same picture.
        (
            "leader.imbalance.check.interval.seconds".to_owned(),
            "2".to_owned(),
        ),
        (
            "leader.imbalance.per.broker.percentage".to_owned(),
            "0".to_owned(),
        ),
    ]);
    let started = Instant::now();
    let cluster = Cluster::start(engine, folder.path(), settings)?;
    println!("\n{}", cluster.name());
    let brokers = usize::try_from(BROKERS)?;
    let all_are_live = |topology: &Topology| topology.brokers.len() == brokers;
    wait_for(
        &cluster.bootstrap(),
        "failover",
        "all brokers to register",
        FORM_LIMIT,
        all_are_live,
    )
    .inspect_err(|_| keep_logs(folder.path()))?;
    println!(
        "processes started to all brokers registered: {:.1?}",
        started.elapsed()
    );
    let mut target = Processes(cluster);
    let settings = FailoverSettings {
        topic: "failover".to_owned(),
        partitions: arguments.partitions,
        kills,
        interval: Duration::from_millis(arguments.interval_ms),
        probes: true,
        acked_min: 100 * u64::from(arguments.partitions.unsigned_abs()),
        client: arguments.client.iter().cloned().collect(),
    };
    let report = run(&mut target, &settings).inspect_err(|_| keep_logs(folder.path()))?;
    println!("{report}");
    for id in 0..3 {
        if let Some(process) = target.0.process(id) {
            println!(
                "broker {id}: {} MiB resident",
                process.resident_bytes()? >> 20
            );
        }
    }
    if !report.verdict.is_clean() {
        keep_logs(folder.path());
    }
    Ok(report)
}

/// Copies what a failed run left to a place that outlives it.
fn keep_logs(folder: &std::path::Path) {
    let kept = std::env::temp_dir().join(format!("kintsugi-bench-{}", std::process::id()));
    let copied = std::process::Command::new("cp")
        .arg("-a")
        .arg(folder)
        .arg(&kept)
        .status();
    match copied {
        Ok(status) if status.success() => eprintln!("the nodes' folders are in {}", kept.display()),
        other => eprintln!("failed to keep the nodes' folders: {other:?}"),
    }
}

struct Processes<E: Engine>(Cluster<E>);

impl<E: Engine> Target for Processes<E> {
    fn bootstrap(&self) -> String {
        self.0.bootstrap()
    }

    fn kill(&mut self, broker: i32) -> anyhow::Result<Duration> {
        let sent = Instant::now();
        self.0.kill(broker)?;
        Ok(sent.elapsed())
    }

    fn revive(&mut self, broker: i32) -> anyhow::Result<()> {
        Ok(self.0.start_node(broker)?)
    }
}
