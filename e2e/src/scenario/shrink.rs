//! Brokers are removed until three are left: emptied, stopped, forgotten.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use serde_json::{Value, json};

use super::baseline;
use super::environment::{Environment, HEAL_LIMIT};
use super::grow::wait_for_brokers;
use super::kill_controller::await_active;
use super::under_load;
use crate::bench::topology::Topology;
use crate::kubernetes::http;

/// How many are left.
const LEFT: usize = 3;
/// How long one broker may take to be emptied and taken away.
const REMOVAL_LIMIT: Duration = Duration::from_secs(300);

/// The broker that is named to go: not the last. Zones are given in turn, so that with four brokers
/// or more it is not the only one of its zone, which would keep it.
const NAMED: i32 = 0;

/// Grows to four brokers if there are only three, then shrinks to three under load, [`NAMED`] first.
///
/// # Errors
/// If a broker is not removed, a partition still names it, a send fails, or the verdict has
/// findings.
pub fn run(environment: &mut Environment) -> anyhow::Result<()> {
    if environment.brokers()?.len() <= LEFT {
        ask_for(environment, LEFT + 1)?;
        wait_for_brokers(environment, LEFT + 1)?;
        baseline::wait(environment, HEAL_LIMIT)?;
    }
    under_load::run_planned(environment, "shrink", |environment, topology| {
        let before: BTreeSet<i32> = environment.brokers()?.into_keys().collect();
        ensure!(before.contains(&NAMED), "there is no broker {NAMED}");
        let held = topology.led_by(NAMED).len() + topology.followed_by(NAMED).len();
        ensure!(
            held > 0,
            "broker {NAMED} has no replicas of the load's topic"
        );
        let (kubernetes, cluster) = (&environment.kubernetes, &environment.cluster);
        let first = json!({"metadata": {"annotations": {"kintsugi.dev/remove-brokers": NAMED.to_string()}}});
        kubernetes.patch_cluster(cluster, &first)?;
        let started = Instant::now();
        ask_for(environment, LEFT)?;
        let limit = REMOVAL_LIMIT * u32::try_from(before.len() - LEFT)?;
        let what = "the brokers to be removed";
        let left = kubernetes.wait(what, limit, |_| {
            let registered = registered(environment)?;
            let pods: BTreeSet<i32> = environment.brokers()?.into_keys().collect();
            let is_done = registered.len() == LEFT && pods == registered;
            let told = format!("registered {registered:?}, pods {pods:?}");
            Ok(is_done.then_some(registered).ok_or(told))
        })?;
        let took = started.elapsed();
        println!(
            "  of brokers {before:?} are left {left:?}, after {took:.1?}; broker {NAMED} had {held} replicas"
        );
        ensure!(!left.contains(&NAMED), "broker {NAMED} was named and stays");
        ensure!(left.is_subset(&before), "a broker was born meanwhile");
        kubernetes.patch_cluster(
            cluster,
            &json!({"metadata": {"annotations": {"kintsugi.dev/remove-brokers": null}}}),
        )?;
        no_replica_elsewhere(environment, &topology.topic, &left)
    })
}

fn ask_for(environment: &Environment, brokers: usize) -> anyhow::Result<()> {
    environment
        .kubernetes
        .scale_cluster(&environment.cluster, brokers)
}

/// The ids of the brokers that the active controller knows.
fn registered(environment: &Environment) -> anyhow::Result<BTreeSet<i32>> {
    let brokers = told_brokers(environment)?;
    let ids = brokers.iter().filter_map(|broker| broker["id"].as_i64());
    ids.map(|id| Ok(i32::try_from(id)?)).collect()
}

/// What the active controller tells of each broker.
///
/// # Errors
/// If none is active, or it does not tell.
pub fn told_brokers(environment: &Environment) -> anyhow::Result<Vec<Value>> {
    let active = await_active(environment)?;
    let ip = active.ip.context("the active controller has no address")?;
    let brokers: Value = serde_json::from_str(&http::get(&ip, "/v1/brokers")?)?;
    brokers.as_array().cloned().context("the answer is no list")
}

/// Every partition of the load's topic names only brokers of `left`, as clients see it. Of the other
/// topics the quorum makes sure: it forgets no broker that a partition names.
fn no_replica_elsewhere(
    environment: &Environment,
    topic: &str,
    left: &BTreeSet<i32>,
) -> anyhow::Result<()> {
    let topology = Topology::fetch(&environment.bootstrap()?, topic)?;
    let partitions = topology.partitions.len();
    ensure!(partitions > 0, "clients see no partition of {topic}");
    let named = topology.partitions.values().flat_map(|view| &view.replicas);
    let elsewhere: BTreeSet<&i32> = named.filter(|id| !left.contains(id)).collect();
    ensure!(
        elsewhere.is_empty(),
        "partitions name brokers {elsewhere:?}"
    );
    println!("  none of {partitions} partitions names another broker");
    Ok(())
}
