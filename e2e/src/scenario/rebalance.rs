//! A broker joins and gets its share of what was there before, then gives it away again, by
//! KafkaRebalances.

use std::time::Duration;

use anyhow::ensure;
use serde_json::{Value, json};

use super::baseline;
use super::environment::{Environment, HEAL_LIMIT};
use super::grow::wait_for_brokers;
use super::under_load;
use crate::bench::topology::Topology;

/// How long a proposal may take: loads are measured for 15 s before one is made.
const PROPOSE_LIMIT: Duration = Duration::from_secs(90);
/// How long the moves may take.
const MOVE_LIMIT: Duration = Duration::from_secs(300);
/// The share of an even spread that the new broker must have at the end, in percent: a profile lets
/// brokers be a tenth apart.
const SHARE_MIN_PERCENT: usize = 80;

/// Adds a broker under load, has a rebalance proposed, approves it, and drains the broker again.
///
/// # Errors
/// If anything moves without approval, the broker does not get its share or is not emptied, or the
/// verdict has findings.
pub fn run(environment: &mut Environment) -> anyhow::Result<()> {
    under_load::run_planned(environment, "rebalance", |environment, topology| {
        let brokers = environment.brokers()?.len();
        let added = i32::try_from(brokers)?;
        let change = json!({"spec": {"brokers": {"replicas": brokers + 1}}});
        let (kubernetes, cluster) = (&environment.kubernetes, &environment.cluster);
        kubernetes.patch_cluster(cluster, &change)?;
        wait_for_brokers(environment, brokers + 1)?;
        baseline::wait(environment, HEAL_LIMIT)?;
        give(environment, &topology.topic, added)?;
        take(environment, &topology.topic, added)
    })
}

/// The new broker gets its share, once somebody approved.
fn give(environment: &Environment, topic: &str, added: i32) -> anyhow::Result<()> {
    let kubernetes = &environment.kubernetes;
    let spec = json!({
        "clusterName": environment.cluster,
        "scope": "AddBrokers",
        "brokers": [added],
        "profile": "CruiseControl",
    });
    let name = format!("add-{added}");
    kubernetes.apply_rebalance(&name, &spec)?;
    let proposed = wait_for_phase(environment, &name, "ProposalReady", PROPOSE_LIMIT)?;
    println!("  proposed: {}", summary(&proposed));
    let held = replicas_on(environment, topic, added)?;
    ensure!(held == 0, "{held} replicas moved before anybody approved");
    kubernetes.say_to_rebalance(&name, "approve")?;
    let completed = wait_for_phase(environment, &name, "Completed", MOVE_LIMIT)?;
    println!("  completed: {}", summary(&completed));
    let topology = Topology::fetch(&environment.bootstrap()?, topic)?;
    let replicas: usize = topology
        .partitions
        .values()
        .map(|view| view.replicas.len())
        .sum();
    let even = replicas / topology.brokers.len();
    let (led, followed) = (
        topology.led_by(added).len(),
        topology.followed_by(added).len(),
    );
    println!(
        "  broker {added} leads {led} and follows {followed}; an even share is {even} replicas"
    );
    ensure!(
        (led + followed) * 100 >= even * SHARE_MIN_PERCENT,
        "the new broker has less than {SHARE_MIN_PERCENT} % of its share"
    );
    ensure!(led > 0, "the new broker leads nothing");
    for reason in [
        "ProposalReady",
        "MovesBegun",
        "ThrottleCleared",
        "RebalanceCompleted",
    ] {
        ensure!(
            kubernetes.has_event(reason, &name)?,
            "there is no Event {reason}"
        );
    }
    kubernetes.delete_rebalance(&name)
}

/// The new broker gives everything away, with nobody's approval.
fn take(environment: &Environment, topic: &str, added: i32) -> anyhow::Result<()> {
    let kubernetes = &environment.kubernetes;
    let spec = json!({
        "clusterName": environment.cluster,
        "scope": "RemoveBrokers",
        "brokers": [added],
        "approval": "Automatic",
    });
    let name = format!("remove-{added}");
    kubernetes.apply_rebalance(&name, &spec)?;
    let completed = wait_for_phase(environment, &name, "Completed", MOVE_LIMIT)?;
    println!("  drained: {}", summary(&completed));
    let held = replicas_on(environment, topic, added)?;
    ensure!(held == 0, "{held} replicas are left on broker {added}");
    kubernetes.delete_rebalance(&name)
}

fn replicas_on(environment: &Environment, topic: &str, broker: i32) -> anyhow::Result<usize> {
    let topology = Topology::fetch(&environment.bootstrap()?, topic)?;
    Ok(topology.led_by(broker).len() + topology.followed_by(broker).len())
}

fn wait_for_phase(
    environment: &Environment,
    name: &str,
    phase: &str,
    limit: Duration,
) -> anyhow::Result<Value> {
    let what = format!("KafkaRebalance {name} to be {phase}");
    environment.kubernetes.wait(&what, limit, |kubernetes| {
        let status = kubernetes.rebalance_status(name)?;
        let is_there = status["phase"] == phase;
        Ok(match is_there {
            true => Ok(status),
            false => Err(format!("{}: {}", status["phase"], status["message"])),
        })
    })
}

fn summary(status: &Value) -> String {
    let progress = &status["progress"];
    let count = |name: &str| progress[name].as_i64().unwrap_or(-1);
    let broken = |name: &str| -> i64 {
        let goals = status["goals"].as_array().into_iter().flatten();
        goals.filter_map(|goal| goal[name].as_i64()).sum()
    };
    format!(
        "{} moves ({} left), {} bytes (bound {}), broken goals {} before and {} after",
        count("movesTotal"),
        count("movesLeft"),
        count("bytesTotal"),
        count("lowerBoundBytes"),
        broken("violationsBefore"),
        broken("violationsAfter"),
    )
}
