//! Disks that are fuller than they should be are relieved by a KafkaRebalance of what they have too
//! much; where others have no room it says so in numbers.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use serde_json::{Value, json};

use super::baseline;
use super::environment::{Environment, HEAL_LIMIT};
use super::rebalance::{summary, wait_for_phase};
use super::sent_load::SentLoad;
use super::under_load;
use crate::bench::topology::{Topology, create_topic_on};
use crate::kubernetes::http;
use crate::load::producer::{Load, LoadSettings};

/// Partitions of the topic that fills two disks.
const PARTITIONS: i32 = 24;
/// Replicas of each: on so many brokers.
const COPIES: i32 = 2;
/// Five megabytes a second for each of the two disks.
const VALUE_SIZE_BYTES: usize = 4_096;
const INTERVAL: Duration = Duration::from_millis(20);
/// By so much of itself the disks of these two are to be fuller than the emptiest one.
const FULLER_PERCENT: f64 = 12.0;
/// How long that may take.
const FILL_LIMIT: Duration = Duration::from_secs(240);
/// How long a proposal may take: loads are measured for 15 s before one is made.
const PROPOSE_LIMIT: Duration = Duration::from_secs(90);
/// How long the moves may take.
const MOVE_LIMIT: Duration = Duration::from_secs(180);
/// How long a broker may take to delete what has left it.
const DELETE_LIMIT: Duration = Duration::from_secs(30);
/// What the load that goes on meanwhile may add to a disk, of the disk.
const GROWTH_PERCENT: f64 = 1.0;

/// Fills two disks and has them relieved.
///
/// # Errors
/// If a disk stays above the bound, more is moved than that takes, what cannot be is not refused, or
/// a record is lost.
pub fn run(environment: &mut Environment) -> anyhow::Result<()> {
    baseline::check(environment, HEAL_LIMIT)?;
    let brokers: Vec<i32> = environment.brokers()?.into_keys().collect();
    ensure!(
        brokers.len() >= 3,
        "there are {} brokers, and 3 are needed: one must have room",
        brokers.len()
    );
    let heaped = &brokers[..usize::try_from(COPIES)?];
    let sent = fill(environment, heaped)?;
    under_load::run_planned(environment, "disk", |environment, _| {
        refuse(environment, heaped)?;
        relieve(environment, heaped, &sent.topic)
    })?;
    sent.judge(environment).map(drop)
}

/// Sends to a topic on these brokers until their disks are fuller than the others.
fn fill(environment: &Environment, heaped: &[i32]) -> anyhow::Result<SentLoad> {
    let (bootstrap, topic) = (
        environment.bootstrap()?,
        format!("filling-{:08x}", fastrand::u32(..)),
    );
    create_topic_on(&bootstrap, &topic, PARTITIONS, heaped, HEAL_LIMIT)?;
    let settings = LoadSettings {
        bootstrap,
        topic: topic.clone(),
        partitions: PARTITIONS,
        interval: INTERVAL,
        value_size_bytes: VALUE_SIZE_BYTES,
        client: BTreeMap::new(),
    };
    let load = Load::start(settings, fastrand::u64(..))?;
    let started = Instant::now();
    environment
        .kubernetes
        .wait("two disks to be fuller than the third", FILL_LIMIT, |_| {
            let used = used_percent(environment)?;
            let is_full = least(&used, heaped) >= emptiest(&used) + FULLER_PERCENT;
            Ok(is_full.then_some(()).ok_or_else(|| told(&used)))
        })?;
    println!("  filled within {:.1?}", started.elapsed());
    Ok(SentLoad {
        run: load.run,
        history: load.stop(Duration::from_secs(30))?,
        topic,
        partitions: PARTITIONS,
        copies: COPIES,
    })
}

/// A bound little above what the emptiest disk uses leaves room for far less than is too much. It is not
/// below that: what is on a volume beside logs, which no move takes away, is refused in other words.
fn refuse(environment: &Environment, heaped: &[i32]) -> anyhow::Result<()> {
    let used = used_percent(environment)?;
    let spec = json!({
        "clusterName": environment.cluster,
        "scope": "MoveOutOfDisk",
        "brokers": [heaped[0]],
        "maxDiskPercent": emptiest(&used).ceil() as i32 + 1,
    });
    let name = "no-room";
    environment.kubernetes.apply_rebalance(name, &spec)?;
    let failed = wait_for_phase(environment, name, "Failed", PROPOSE_LIMIT)?;
    let message = failed["message"].as_str().unwrap_or_default();
    println!("  refused as it should be: {message}");
    ensure!(
        message.contains("find no place"),
        "the refusal does not say that there is no room"
    );
    environment.kubernetes.delete_rebalance(name)
}

/// The lowest bound that all disks can keep to: what is above it on the full ones has room.
fn relieve(environment: &Environment, heaped: &[i32], topic: &str) -> anyhow::Result<()> {
    let used = used_percent(environment)?;
    let (full, empty) = (most(&used), emptiest(&used));
    let copies = f64::from(COPIES);
    let bound = ((empty + copies * full) / (copies + 1.0)).ceil() + 1.0;
    println!("  before: {}; bound {bound} %", told(&used));
    let spec = json!({
        "clusterName": environment.cluster,
        "scope": "MoveOutOfDisk",
        "maxDiskPercent": bound as i32,
        "approval": "Automatic",
    });
    let name = "relieve";
    environment.kubernetes.apply_rebalance(name, &spec)?;
    let completed = wait_for_phase(environment, name, "Completed", MOVE_LIMIT)?;
    println!("  completed: {}", summary(&completed));
    ensure_few_bytes(&completed)?;
    let used =
        environment
            .kubernetes
            .wait("every disk to be below the bound", DELETE_LIMIT, |_| {
                let used = used_percent(environment)?;
                let is_below = most(&used) <= bound + GROWTH_PERCENT;
                Ok(is_below.then(|| used.clone()).ok_or_else(|| told(&used)))
            })?;
    println!("  after: {}", told(&used));
    let topology = Topology::fetch(&environment.bootstrap()?, topic)?;
    for id in topology.brokers.keys() {
        let has = topology.led_by(*id).len() + topology.followed_by(*id).len();
        println!("  broker {id} has {has} replicas of {topic}");
        ensure!(has > 0, "broker {id} was given nothing, or left nothing");
        let partitions = usize::try_from(PARTITIONS)?;
        ensure!(
            !heaped.contains(id) || has >= partitions / 2,
            "more left broker {id} than it had too much"
        );
    }
    environment.kubernetes.delete_rebalance(name)
}

/// Checks that hardly more was copied than any plan would have to.
fn ensure_few_bytes(status: &Value) -> anyhow::Result<()> {
    let progress = &status["progress"];
    let bytes = progress["bytesTotal"].as_i64().context("no bytes told")?;
    let bound = progress["lowerBoundBytes"]
        .as_i64()
        .context("no bound told")?;
    ensure!(bytes > 0, "nothing was moved");
    ensure!(
        bytes * 10 <= bound * 13,
        "{bytes} bytes were copied, where {bound} would do"
    );
    Ok(())
}

/// What each broker's volume has in use, in percent of it, as the broker tells.
fn used_percent(environment: &Environment) -> anyhow::Result<BTreeMap<i32, f64>> {
    let pods = environment.brokers()?.into_iter();
    let used = pods.map(|(id, pod)| {
        let ip = pod.ip.context("a broker's pod has no address")?;
        let text = http::get(&ip, "/metrics")?;
        let value = |name: &str| -> anyhow::Result<f64> {
            let mut lines = text.lines();
            let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            let value = value.with_context(|| format!("broker {id} does not tell {name}"))?;
            Ok(value.parse()?)
        };
        let total = value("kintsugi_log_directory_total_bytes")?;
        let usable = value("kintsugi_log_directory_usable_bytes")?;
        Ok((id, (total - usable) / total * 100.0))
    });
    used.collect()
}

fn emptiest(used: &BTreeMap<i32, f64>) -> f64 {
    used.values().copied().fold(f64::INFINITY, f64::min)
}

fn most(used: &BTreeMap<i32, f64>) -> f64 {
    used.values().copied().fold(0.0, f64::max)
}

fn least(used: &BTreeMap<i32, f64>, of: &[i32]) -> f64 {
    let those = used.iter().filter(|(id, _)| of.contains(id));
    those.map(|(_, used)| *used).fold(f64::INFINITY, f64::min)
}

fn told(used: &BTreeMap<i32, f64>) -> String {
    let each = used
        .iter()
        .map(|(id, used)| format!("broker {id} uses {used:.1} % of its disk"));
    each.collect::<Vec<_>>().join(", ")
}
