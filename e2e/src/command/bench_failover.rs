//! `bench-failover`: faults under load, on Kintsugi and on Apache Kafka, one after the other.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

use crate::bench::failover::{FailoverSettings, run};
use crate::bench::roll;
use crate::bench::topology::{Topology, wait_for};
use crate::host::{load, machine};
use crate::processes::{self, BROKERS, Cluster, Engine, Kafka, Kintsugi};
use crate::verify::Verdict;

use super::faults::{Fault, Processes};

/// How long a cluster may take to form.
const FORM_LIMIT: Duration = Duration::from_secs(90);

/// Faults under load, on process clusters on loopback.
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
    /// What is done to the broker that leads most.
    #[arg(long, value_enum, default_value_t = Fault::Kill)]
    fault: Fault,
    /// Which client library loads and reads.
    #[arg(long, value_enum, default_value_t = Library::Librdkafka)]
    library: Library,
    /// A folder of Apache Kafka's jars, for the Java clients.
    #[arg(long)]
    jars: Option<PathBuf>,
    /// How many faults; of a roll, how many times every broker is restarted.
    #[arg(long, default_value_t = 20)]
    kills: usize,
    /// How many of Apache Kafka, if fewer: each takes it half a minute. With 0 it is not run.
    #[arg(long)]
    kafka_kills: Option<usize>,
    /// How many partitions.
    #[arg(long, default_value_t = 120)]
    partitions: i32,
    /// How many of them are written; by default all.
    #[arg(long)]
    loaded: Option<i32>,
    /// Milliseconds between two records of one partition.
    #[arg(long, default_value_t = 50)]
    interval_ms: u64,
    /// Settings of the client, such as retry.backoff.ms=20.
    #[arg(long = "client", value_parser = parse_setting)]
    client: Vec<(String, String)>,
    /// Settings of the group's member, such as debug=fetch,broker,topic with RUST_LOG=librdkafka=debug.
    #[arg(long = "member", value_parser = parse_setting)]
    member: Vec<(String, String)>,
    /// Settings of Kintsugi's nodes, beside those that the benchmark sets on both engines.
    #[arg(long = "setting", value_parser = parse_setting)]
    setting: Vec<(String, String)>,
    /// How long after the cluster fenced a frozen broker its process is killed. On Kubernetes
    /// that is the operator's work; here the benchmark does it.
    #[arg(long, default_value_t = 1_500)]
    operator_ms: u64,
    /// How long a broker that was stopped for a restart stays away: a pod that is replaced takes
    /// seconds to come back.
    #[arg(long, default_value_t = 0)]
    down_ms: u64,
}

/// A client library.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
enum Library {
    /// librdkafka, in this process.
    Librdkafka,
    /// Apache Kafka's own, in a Java process each.
    Java,
}

impl Arguments {
    fn settings(&self, kills: usize) -> anyhow::Result<FailoverSettings> {
        let jars = self.jars.as_ref().or(self.kafka.as_ref()).cloned();
        let java = match self.library {
            Library::Librdkafka => None,
            Library::Java => Some(jars.context("name --jars FOLDER for the Java clients")?),
        };
        let loaded = self.loaded.unwrap_or(self.partitions).min(self.partitions);
        Ok(FailoverSettings {
            topic: "failover".to_owned(),
            partitions: self.partitions,
            loaded,
            kills,
            interval: Duration::from_millis(self.interval_ms),
            probes: !matches!(self.fault, Fault::Coordinator | Fault::Roll),
            acked_min: 100 * u64::from(loaded.unsigned_abs()),
            client: self.client.iter().cloned().collect(),
            java,
            with_group: self.fault == Fault::Coordinator,
            member: self.member.iter().cloned().collect(),
        })
    }
}

pub(super) fn parse_setting(text: &str) -> Result<(String, String), String> {
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
    println!(
        "machine: {}; load average {}",
        machine::describe(),
        load::averages()
    );
    let client: Vec<String> = arguments
        .client
        .iter()
        .map(|(k, v)| format!("{k}={v}"))
        .collect();
    println!(
        "fault: {:?}; load: {} of {} partitions, one record of 100 bytes every {} ms each, acks=all; client: {:?}, {}",
        arguments.fault,
        arguments.loaded.unwrap_or(arguments.partitions),
        arguments.partitions,
        arguments.interval_ms,
        arguments.library,
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
        let own = &arguments.setting;
        let verdict = run_engine(kintsugi, arguments, arguments.kills, own)?;
        ensure!(verdict.is_clean(), "the verdict on Kintsugi has findings");
    }
    if let Some(jars) = &arguments.kafka {
        let version = arguments.kafka_version.clone();
        let kafka = Kafka {
            jars: jars.clone(),
            version,
            heap: "512m".to_owned(),
        };
        let kills = arguments.kafka_kills.unwrap_or(arguments.kills);
        if kills > 0 {
            run_engine(kafka, arguments, kills, &[])?;
        }
    }
    Ok(())
}

fn run_engine<E: Engine>(
    engine: E,
    arguments: &Arguments,
    kills: usize,
    own: &[(String, String)],
) -> anyhow::Result<Verdict> {
    let folder = tempfile::tempdir().context("failed to make a folder for the cluster")?;
    let mut settings = processes::settings();
    settings.extend(own.iter().cloned());
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
    let mut target = Processes::new(cluster, arguments.fault, arguments.operator_ms);
    target.down = Duration::from_millis(arguments.down_ms);
    let settings = arguments.settings(kills)?;
    let verdict = measure(&mut target, &settings).inspect_err(|_| keep_logs(folder.path()))?;
    for id in 0..3 {
        if let Some(process) = target.cluster.process(id) {
            println!(
                "broker {id}: {} MiB resident",
                process.resident_bytes()? >> 20
            );
        }
    }
    if !verdict.is_clean() {
        keep_logs(folder.path());
    }
    Ok(verdict)
}

fn measure<E: Engine>(
    target: &mut Processes<E>,
    settings: &FailoverSettings,
) -> anyhow::Result<Verdict> {
    if target.fault == Fault::Roll {
        let report = roll::run(target, settings)?;
        println!("{report}");
        return Ok(report.verdict);
    }
    let report = run(target, settings)?;
    println!("{report}");
    Ok(report.verdict)
}

/// Copies what a failed run left to a place that outlives it.
pub(super) fn keep_logs(folder: &std::path::Path) {
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
