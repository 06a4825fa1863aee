//! Load that is heaped on two of three brokers is evened out without being asked for, once.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use serde_json::{Value, json};

use super::baseline;
use super::environment::{Environment, HEAL_LIMIT};
use super::own_topic::{OwnTopic, Placed, some_brokers};
use super::under_load::{self, INTERVAL};
use crate::bench::topology::Topology;

/// Partitions of the topic, each on the same two brokers at first.
const PARTITIONS: i32 = 24;
/// Replicas of each: on so many brokers load is heaped, and one is left without.
const COPIES: i32 = 2;
/// With this size each of the two brokers receives two megabytes a second: below one nothing is
/// evened out, because it hurts nobody.
const VALUE_SIZE_BYTES: usize = 4_096;
/// How long a broker must have been out of its band here. The default is too long for a test.
const HOLD: Duration = Duration::from_secs(30);
/// How long after one KafkaRebalance the next may begin: the least that the definition allows.
const COOLDOWN: Duration = Duration::from_secs(60);
/// How long the operator may take to see it: loads are measured for 15 s, and smoothed.
const SEEN_LIMIT: Duration = Duration::from_secs(120);
/// How long the moves may take, once they begin.
const MOVE_LIMIT: Duration = Duration::from_secs(300);
/// From the end of the hold time to the first move.
const FIRST_MOVE_LIMIT: Duration = Duration::from_secs(5);
/// The status tells whole seconds.
const ROUNDING: Duration = Duration::from_secs(1);
/// How long nothing more may be moved: the next KafkaRebalance would come after cooldown and hold.
const WATCHED: Duration = Duration::from_secs(180);
/// The share of an even spread that every broker must have at the end, in percent: a plan lets each
/// be a tenth above the mean, so that the last may be two tenths below.
const SHARE_MIN_PERCENT: usize = 75;

/// Heaps load on two brokers and waits until the operator has spread it.
///
/// # Errors
/// If nothing is moved, it is moved late, twice, or not evenly, or a record is lost.
pub fn run(environment: &mut Environment) -> anyhow::Result<()> {
    baseline::check(environment, HEAL_LIMIT)?;
    let heaped = some_brokers(environment, COPIES)?;
    let settings = json!({
        "bandPercent": 20,
        "holdSeconds": HOLD.as_secs(),
        "cooldownSeconds": COOLDOWN.as_secs(),
    });
    let present = environment.kubernetes.rebalance_uid(&name(environment))?;
    ensure!(
        present.is_none(),
        "load was evened out before: it has to cool down"
    );
    set(environment, &settings)?;
    let topic = OwnTopic {
        name: "heaped",
        partitions: PARTITIONS,
        placed: Placed::On(&heaped),
        interval: INTERVAL,
        value_size_bytes: VALUE_SIZE_BYTES,
    };
    let load = topic.create(environment)?;
    let judged = under_load::judge_load(environment, load, COPIES, |environment, topology| {
        spread(environment, topology)?;
        left_alone(environment)
    });
    set(environment, &Value::Null)?;
    judged.map(drop)
}

fn set(environment: &Environment, rebalance: &Value) -> anyhow::Result<()> {
    let change = json!({"spec": {"rebalance": rebalance}});
    environment
        .kubernetes
        .patch_cluster(&environment.cluster, &change)
}

fn name(environment: &Environment) -> String {
    format!("{}-balance", environment.cluster)
}

/// Waits until the operator has moved what it should, and looks at when, and at where it is now.
fn spread(environment: &Environment, topology: &Topology) -> anyhow::Result<()> {
    let (kubernetes, name) = (&environment.kubernetes, name(environment));
    let started = Instant::now();
    let since = wait_for_begin(environment)?;
    println!("  begun {:.1?} after the load", started.elapsed());
    let what = format!("KafkaRebalance {name} to be complete");
    kubernetes.wait(&what, MOVE_LIMIT, |kubernetes| {
        let status = kubernetes.rebalance_status(&name)?;
        let told = format!("{}: {}", status["phase"], status["message"]);
        Ok((status["phase"] == "Completed").then_some(()).ok_or(told))
    })?;
    ensure_in_time(environment, &since)?;
    for reason in ["RebalanceBegun", "RebalanceCompleted"] {
        ensure!(
            kubernetes.has_event(reason, &name)?,
            "there is no Event {reason}"
        );
    }
    ensure!(
        kubernetes.has_event("LoadUneven", &environment.cluster)?,
        "no Event says why"
    );
    ensure_even(&Topology::fetch(
        &environment.bootstrap()?,
        &topology.topic,
    )?)
}

/// Waits until there is a KafkaRebalance; gives since when load was uneven, as was told last before.
fn wait_for_begin(environment: &Environment) -> anyhow::Result<String> {
    let (name, since) = (name(environment), RefCell::new(None));
    environment
        .kubernetes
        .wait("load to be evened out", SEEN_LIMIT + HOLD, |kubernetes| {
            if kubernetes.rebalance_uid(&name)?.is_some() {
                return Ok(Ok(()));
            }
            let status = kubernetes.cluster_status(&environment.cluster)?;
            let balance = &status["balance"];
            since.replace(balance["since"].as_str().map(str::to_owned));
            Ok(Err(balance.to_string()))
        })?;
    let since = since.into_inner();
    since.context("it began though the status told of no uneven load")
}

/// Checks that the first move began soon after the hold time was over.
fn ensure_in_time(environment: &Environment, since: &str) -> anyhow::Result<()> {
    let since: jiff::Timestamp = since.parse().context("since is no time")?;
    let due = since.checked_add(HOLD)?;
    let first = environment
        .kubernetes
        .first_event("MovesBegun", &name(environment))?
        .context("no Event tells when the first move began")?;
    let took = first.duration_since(due);
    println!("  from the end of the hold time to the first move: {took:.1?}");
    ensure!(
        took.unsigned_abs() <= FIRST_MOVE_LIMIT + ROUNDING,
        "the first move was to begin within {FIRST_MOVE_LIMIT:?} of the end of the hold time"
    );
    Ok(())
}

/// Checks that every broker has its share of the topic's replicas.
fn ensure_even(topology: &Topology) -> anyhow::Result<()> {
    let count = |id: &i32| topology.led_by(*id).len() + topology.followed_by(*id).len();
    let replicas: usize = topology.brokers.keys().map(count).sum();
    for id in topology.brokers.keys() {
        let (has, led) = (count(id), topology.led_by(*id).len());
        println!("  broker {id} has {has} of {replicas} replicas and leads {led}");
        ensure!(
            has * topology.brokers.len() * 100 >= replicas * SHARE_MIN_PERCENT,
            "broker {id} has less than {SHARE_MIN_PERCENT} % of its share"
        );
    }
    Ok(())
}

/// Checks that no other KafkaRebalance comes, while the load goes on.
fn left_alone(environment: &Environment) -> anyhow::Result<()> {
    let (kubernetes, name) = (&environment.kubernetes, name(environment));
    let first = kubernetes.rebalance_uid(&name)?;
    let started = Instant::now();
    while started.elapsed() < WATCHED {
        let present = kubernetes.rebalance_uid(&name)?;
        if present.is_some() && present != first {
            bail!(
                "load was moved again {:.0?} after it was spread",
                started.elapsed()
            );
        }
        std::thread::sleep(Duration::from_secs(1));
    }
    println!("  left alone for {WATCHED:?}");
    Ok(())
}
