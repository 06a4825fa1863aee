//! The number of brokers follows real bytes: one joins, carries its share, and leaves again.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use serde_json::{Value, json};

use super::baseline;
use super::environment::{Environment, HEAL_LIMIT};
use super::grow::wait_for_brokers;
use super::rebalance::wait_for_phase;
use super::under_load;
use crate::bench::topology::Topology;

/// The least and the most brokers.
const LEAST: usize = 3;
const MOST: usize = 4;
/// Bytes a second that a broker is said to be able to receive: the verifying load, with its copies,
/// is more than seven tenths of it on each of three brokers.
const RECEIVES: u32 = 200_000;
/// The field of the decision that holds the number in force.
const IN_FORCE: &str = "desiredReplicas";
/// How the reason begins once the load was measured.
const MEASURED: &str = "network in is at";
/// How long the decision may take: loads are measured for 15 s, and a size decided each 15 s.
const DECISION_LIMIT: Duration = Duration::from_secs(120);
/// How long the new broker may take to be filled.
const FILL_LIMIT: Duration = Duration::from_secs(300);
/// How long the way back may take: 300 s are observed first.
const SHRINK_LIMIT: Duration = Duration::from_secs(900);

/// Lets the operator choose, under load and after it.
///
/// # Errors
/// If no broker joins, it gets no share, it does not leave once the load is gone, or a record is
/// lost.
pub fn run(environment: &mut Environment) -> anyhow::Result<()> {
    let before: BTreeSet<i32> = environment.brokers()?.into_keys().collect();
    let brokers = before.len();
    ensure!(
        brokers == LEAST,
        "there are {brokers} brokers, and {LEAST} are needed to begin with"
    );
    let autoscaling = |dry_run: bool| {
        json!({
            "minReplicas": LEAST,
            "maxReplicas": MOST,
            "dryRun": dry_run,
            "targets": {"cpuPercent": 0, "networkIn": {"bytesPerSecond": RECEIVES}},
            "behavior": {"scaleDown": {"stabilizationWindowSeconds": 60}},
        })
    };
    // What earlier scenarios sent and moved counts as load for a while. The decision, and the plan
    // that fills the new broker, are to be about the load of this one.
    set(environment, &autoscaling(true))?;
    wait_for_calm(environment)?;
    let judged = under_load::judge(environment, "autoscale", |environment, topology| {
        set(environment, &autoscaling(false))?;
        refuse_to_be_scaled(environment)?;
        let started = Instant::now();
        let reason = wait_for_size(environment, MOST, DECISION_LIMIT)?;
        println!("  decided after {:.1?}: {reason}", started.elapsed());
        wait_for_brokers(environment, MOST)?;
        baseline::wait(environment, HEAL_LIMIT)?;
        let joined = wait_until_filled(environment, &before, FILL_LIMIT)?;
        let now = Topology::fetch(&environment.bootstrap()?, &topology.topic)?;
        let (led, followed) = (now.led_by(joined).len(), now.followed_by(joined).len());
        ensure!(led > 0, "broker {joined} was filled and leads nothing");
        println!(
            "  broker {joined} leads {led} and follows {followed}, after {:.1?}",
            started.elapsed()
        );
        Ok(())
    })?;
    let started = Instant::now();
    let reason = wait_for_size(environment, LEAST, SHRINK_LIMIT)?;
    println!(
        "  decided {:.1?} after the load's end: {reason}",
        started.elapsed()
    );
    let left = environment
        .kubernetes
        .wait("the broker to be gone", SHRINK_LIMIT, |_| {
            let pods = environment.brokers()?;
            Ok((pods.len() == LEAST)
                .then_some(pods.len())
                .ok_or(format!("{} pods", pods.len())))
        })?;
    println!("  {left} brokers are left, after {:.1?}", started.elapsed());
    set(environment, &Value::Null)?;
    baseline::wait(environment, HEAL_LIMIT)?;
    judged.read_again(environment)
}

fn set(environment: &Environment, autoscaling: &Value) -> anyhow::Result<()> {
    let brokers = json!({"replicas": LEAST, "autoscaling": autoscaling});
    let change = json!({"spec": {"brokers": brokers}});
    environment
        .kubernetes
        .patch_cluster(&environment.cluster, &change)
}

/// While the operator chooses, `kubectl scale` and a HorizontalPodAutoscaler do not.
fn refuse_to_be_scaled(environment: &Environment) -> anyhow::Result<()> {
    let scaled = environment
        .kubernetes
        .scale_cluster(&environment.cluster, MOST);
    let Err(error) = scaled else {
        bail!("the scale subresource took another number though spec.brokers.autoscaling is set");
    };
    let said = format!("{error:#}");
    ensure!(
        said.contains("autoscaling"),
        "the refusal does not say what is wrong: {said}"
    );
    println!("  refused as it should be: {said}");
    Ok(())
}

/// Waits until the load was measured and asks for no other number: only such a number is told.
fn wait_for_calm(environment: &Environment) -> anyhow::Result<()> {
    let what = format!("the load to ask for {LEAST} brokers");
    environment
        .kubernetes
        .wait(&what, SHRINK_LIMIT, |kubernetes| {
            let status = kubernetes.cluster_status(&environment.cluster)?;
            let decided = &status["autoscaling"];
            let reason = decided["reason"].as_str().unwrap_or_default();
            let is_calm = reason.starts_with(MEASURED)
                && decided[IN_FORCE] == json!(LEAST)
                && decided["wantedReplicas"].is_null();
            Ok(is_calm.then_some(()).ok_or_else(|| decided.to_string()))
        })
}

/// Waits until the broker that was not there `before` is filled by its KafkaRebalance; gives its id. What
/// fills it with fewest bytes may be partitions that it leads alone: these carry most.
///
/// # Errors
/// If none joins, or it is not filled within `limit`.
pub fn wait_until_filled(
    environment: &Environment,
    before: &BTreeSet<i32>,
    limit: Duration,
) -> anyhow::Result<i32> {
    let what = "another broker";
    let joined = environment.kubernetes.wait(what, limit, |_| {
        let mut brokers = environment.brokers()?.into_keys();
        let joined = brokers.find(|id| !before.contains(id));
        Ok(joined.ok_or_else(|| "there are only those of before".to_owned()))
    })?;
    let fill = format!("{}-fill-{joined}", environment.cluster);
    wait_for_phase(environment, &fill, "Completed", limit)?;
    Ok(joined)
}

/// Waits until this size is in force, as the status says; gives the reason.
///
/// # Errors
/// If it does not say so within `limit`.
pub fn wait_for_size(
    environment: &Environment,
    size: usize,
    limit: Duration,
) -> anyhow::Result<String> {
    let what = format!("{size} brokers to be decided");
    environment.kubernetes.wait(&what, limit, |kubernetes| {
        let status = kubernetes.cluster_status(&environment.cluster)?;
        let decided = &status["autoscaling"];
        let reason = decided["reason"]
            .as_str()
            .context("no reason is told yet")?;
        let is_decided = decided[IN_FORCE] == json!(size);
        Ok(is_decided
            .then(|| reason.to_owned())
            .ok_or_else(|| decided.to_string()))
    })
}
