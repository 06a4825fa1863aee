//! Runs a fault under the verifying load and judges what is left.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, ensure};
use kintsugi_types::Offset;
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};

use super::baseline;
use super::environment::{Environment, HEAL_LIMIT};
use crate::bench::topology::{Topology, create_topic, wait_for};
use crate::load::consumer::read_topic;
use crate::load::gaps::Gaps;
use crate::load::history::History;
use crate::load::producer::{Load, LoadSettings};
use crate::verify::replicas::compare;
use crate::verify::{Duplicates, Verdict, verify};

/// Partitions of a scenario's topic.
pub const PARTITIONS: i32 = 120;
/// The time between two records of one partition.
pub const INTERVAL: Duration = Duration::from_millis(50);
/// How long the load runs before the fault.
const CALM: Duration = Duration::from_secs(3);
/// The least number of acknowledged records for a run to mean anything.
pub const ACKED_MIN: u64 = 5_000;
/// How long reading back may take.
const READ_LIMIT: Duration = Duration::from_secs(120);

/// Runs `fault` under load on a topic of its own, heals, verifies; prints what it found.
///
/// # Errors
/// If the fault cannot be made, the cluster does not heal, or the verdict has findings.
pub fn run(
    environment: &mut Environment,
    topic: &str,
    fault: impl FnOnce(&mut Environment, &Topology) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    judge(environment, topic, fault).map(drop)
}

/// As [`run`], and no record may have failed: what was done was planned.
///
/// # Errors
/// As [`run`]; and if a producer gave up on a record.
pub fn run_planned(
    environment: &mut Environment,
    topic: &str,
    act: impl FnOnce(&mut Environment, &Topology) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let judged = judge(environment, topic, act)?;
    let unknown = judged.verdict.unknown;
    ensure!(unknown == 0, "{unknown} sends failed");
    println!("  failed sends: 0");
    Ok(())
}

/// A load that is over, and what became of it.
pub struct Judged {
    verdict: Verdict,
    history: History,
    run: u64,
    topic: String,
    partitions: i32,
}

impl Judged {
    /// Reads everything back once more, and compares it with what producers were told.
    ///
    /// # Errors
    /// If they differ, or replicas do.
    pub fn read_again(&self, environment: &Environment) -> anyhow::Result<()> {
        let bootstrap = environment.bootstrap()?;
        let read = read_topic(&bootstrap, &self.topic, self.partitions, READ_LIMIT)?;
        let verdict = verify(self.run, &self.history, &read, Duplicates::Forbidden);
        println!("  verdict, read once more: {verdict}");
        ensure!(
            verdict.is_clean(),
            "the log and what producers were told differ"
        );
        compare_replicas(environment, &self.topic, self.partitions)
    }
}

/// As [`run`]; gives what is needed to look at the records once more.
///
/// # Errors
/// As [`run`].
pub fn judge(
    environment: &mut Environment,
    topic: &str,
    fault: impl FnOnce(&mut Environment, &Topology) -> anyhow::Result<()>,
) -> anyhow::Result<Judged> {
    baseline::check(environment, HEAL_LIMIT)?;
    let bootstrap = environment.bootstrap()?;
    // A name of its own, so that a scenario may run again on the same cluster.
    let topic = &format!("{topic}-{:08x}", fastrand::u32(..));
    create_topic(&bootstrap, topic, PARTITIONS, 3, HEAL_LIMIT)?;
    let settings = LoadSettings {
        bootstrap,
        topic: topic.clone(),
        partitions: PARTITIONS,
        interval: INTERVAL,
        value_size_bytes: 100,
        client: BTreeMap::new(),
    };
    judge_load(environment, settings, fault)
}

/// As [`judge`], by a load of one's own, on a topic that is there.
///
/// # Errors
/// As [`run`].
pub fn judge_load(
    environment: &mut Environment,
    settings: LoadSettings,
    fault: impl FnOnce(&mut Environment, &Topology) -> anyhow::Result<()>,
) -> anyhow::Result<Judged> {
    let (bootstrap, topic, count) = (
        settings.bootstrap.clone(),
        &settings.topic.clone(),
        settings.partitions,
    );
    let partitions = usize::try_from(count)?;
    let healthy = |topology: &Topology| topology.is_healthy(partitions);
    let topology = wait_for(
        &bootstrap,
        topic,
        "the topic to be whole",
        HEAL_LIMIT,
        healthy,
    )?;
    let run = fastrand::u64(..);
    let load = Load::start(settings, run)?;
    std::thread::sleep(CALM);
    let began = load.now();
    fault(environment, &topology)?;
    baseline::wait(environment, HEAL_LIMIT)?;
    let bootstrap = environment.bootstrap()?;
    wait_for(
        &bootstrap,
        topic,
        "the topic to be whole again",
        HEAL_LIMIT,
        healthy,
    )?;
    println!(
        "  whole again, with every replica in sync, {:.1?} after the fault began",
        Duration::from_micros(load.now() - began)
    );
    std::thread::sleep(CALM);
    let history = load.stop(Duration::from_secs(30))?;
    let gaps = Gaps::after(&history, began, 0..count);
    println!("  ack gap of all partitions, from the fault on: {gaps}");
    let silences = Gaps::silences(&history, began, 0..count);
    println!("  longest time without an ack of each partition: {silences}");
    let read = read_topic(&bootstrap, topic, count, READ_LIMIT)?;
    let verdict = verify(run, &history, &read, Duplicates::Forbidden);
    println!("  verdict: {verdict}");
    ensure!(
        verdict.is_clean(),
        "the log and what producers were told differ"
    );
    ensure!(
        verdict.acked >= ACKED_MIN,
        "too few records acknowledged to mean anything"
    );
    compare_replicas(environment, topic, count)?;
    Ok(Judged {
        verdict,
        history,
        run,
        topic: topic.to_owned(),
        partitions: count,
    })
}

/// Compares every replica's files up to the high watermark, where this host has the nodes' files.
///
/// # Errors
/// If they differ, or cannot be read.
pub fn compare_replicas(
    environment: &Environment,
    topic: &str,
    partitions: i32,
) -> anyhow::Result<()> {
    let what = "whether replicas' files are the same, byte for byte";
    let Some(localkube) = environment.node_access(what) else {
        return Ok(());
    };
    let folders = environment.log_directories(localkube)?;
    let bootstrap = environment.bootstrap()?;
    let count = usize::try_from(partitions)?;
    let healthy = |topology: &Topology| topology.is_healthy(count);
    let what = "every replica to be in sync";
    let topology = wait_for(&bootstrap, topic, what, HEAL_LIMIT, healthy)?;
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", &bootstrap)
        .create()
        .context("failed to make a client for high watermarks")?;
    let mut high_watermarks = BTreeMap::new();
    for partition in 0..partitions {
        let (_, high) = consumer.fetch_watermarks(topic, partition, Duration::from_secs(5))?;
        high_watermarks.insert(partition, Offset(high));
    }
    let copies = topology.partitions.values().map(|view| view.replicas.len());
    let copies: usize = copies.sum();
    let replicas = topology.partitions.iter();
    let replicas = replicas.map(|(id, view)| (*id, view.replicas.iter().copied().collect()));
    let verdict = compare(topic, &folders, &replicas.collect(), &high_watermarks)?;
    println!("  replicas: {verdict}");
    ensure!(
        verdict.differences.is_empty(),
        "replicas differ below the high watermark"
    );
    ensure!(verdict.replicas >= copies, "not every replica was compared");
    Ok(())
}
