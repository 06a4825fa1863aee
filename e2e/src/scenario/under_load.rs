//! Runs a fault under the verifying load and judges what is left.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, ensure};
use kintsugi_types::Offset;
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};

use super::baseline;
use super::environment::{Environment, HEAL_LIMIT};
use super::own_topic::{OwnTopic, Placed};
use super::sent_load::SentLoad;
use crate::bench::topology::{Topology, wait_for};
use crate::load::gaps::Gaps;
use crate::load::producer::{Load, LoadSettings};
use crate::verify::Verdict;
use crate::verify::replicas::compare;

/// Partitions of a scenario's topic.
pub const PARTITIONS: i32 = 120;
/// Replicas of each.
pub const COPIES: i32 = 3;
/// The time between two records of one partition.
pub const INTERVAL: Duration = Duration::from_millis(50);
const VALUE_SIZE_BYTES: usize = 100;
/// How long the load runs before the fault.
const CALM: Duration = Duration::from_secs(3);
/// The least number of acknowledged records for a run to mean anything.
pub const ACKED_MIN: u64 = 5_000;

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
    judge(environment, topic, act)?.no_send_failed()
}

/// A load that is over, and what became of it.
pub struct Judged {
    verdict: Verdict,
    sent: SentLoad,
}

impl Judged {
    /// Says that no send failed.
    ///
    /// # Errors
    /// If a producer gave up on a record.
    pub fn no_send_failed(&self) -> anyhow::Result<()> {
        let unknown = self.verdict.unknown;
        ensure!(unknown == 0, "{unknown} sends failed");
        println!("  failed sends: 0");
        Ok(())
    }

    /// Reads everything back once more, and compares it with what producers were told.
    ///
    /// # Errors
    /// If they differ, or replicas do.
    pub fn read_again(&self, environment: &Environment) -> anyhow::Result<()> {
        println!("  read once more");
        self.sent.judge(environment).map(drop)
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
    let topic = OwnTopic {
        name: topic,
        partitions: PARTITIONS,
        placed: Placed::Spread(COPIES),
        interval: INTERVAL,
        value_size_bytes: VALUE_SIZE_BYTES,
    };
    let settings = topic.create(environment)?;
    judge_load(environment, settings, COPIES, fault)
}

/// As [`judge`], by a load of one's own, on a topic that is there, with so many replicas a partition.
///
/// # Errors
/// As [`run`].
pub fn judge_load(
    environment: &mut Environment,
    settings: LoadSettings,
    copies: i32,
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
    let load = Load::start(settings, fastrand::u64(..))?;
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
    let sent = SentLoad {
        run: load.run,
        history: load.stop(Duration::from_secs(30))?,
        topic: topic.to_owned(),
        partitions: count,
        copies,
    };
    let gaps = Gaps::after(&sent.history, began, 0..count);
    println!("  ack gap of all partitions, from the fault on: {gaps}");
    let silences = Gaps::silences(&sent.history, began, 0..count);
    println!("  longest time without an ack of each partition: {silences}");
    let verdict = sent.judge(environment)?;
    ensure!(
        verdict.acked >= ACKED_MIN,
        "too few records acknowledged to mean anything"
    );
    Ok(Judged { verdict, sent })
}

/// Compares every replica's files up to the high watermark, where this host has the nodes' files.
///
/// # Errors
/// If they differ, or cannot be read.
pub fn compare_replicas(
    environment: &Environment,
    topic: &str,
    partitions: i32,
    copies: i32,
) -> anyhow::Result<()> {
    let what = "whether replicas' files are the same, byte for byte";
    let Some(localkube) = environment.node_access(what) else {
        return Ok(());
    };
    let folders = environment.log_directories(localkube)?;
    let bootstrap = environment.bootstrap()?;
    let (count, copies) = (usize::try_from(partitions)?, usize::try_from(copies)?);
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
    let replicas = topology.partitions.iter();
    let replicas = replicas.map(|(id, view)| (*id, view.replicas.iter().copied().collect()));
    let verdict = compare(topic, &folders, &replicas.collect(), &high_watermarks)?;
    println!("  replicas: {verdict}");
    ensure!(
        verdict.differences.is_empty(),
        "replicas differ below the high watermark"
    );
    ensure!(
        verdict.replicas >= copies * count,
        "not every replica was compared"
    );
    Ok(())
}
