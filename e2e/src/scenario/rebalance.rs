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
pub const PROPOSE_LIMIT: Duration = Duration::from_secs(90);
/// How long the moves may take.
const MOVE_LIMIT: Duration = Duration::from_secs(300);
/// Bytes a second at which the broker begins to be drained: so slow that it is measured meanwhile what producers
/// feel, which takes two of the operator's looks at loads, 5 s apart.
const DRAIN_RATE_BYTES: u64 = 192 * 1024;
/// How long it may take until that is told.
const FELT_LIMIT: Duration = Duration::from_secs(60);
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
    ensure_share(&Topology::fetch(&environment.bootstrap()?, topic)?, added)?;
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

/// Checks that a broker has its share of replicas and of leaderships. Brokers that never hold the same
/// partition as it does are of its rack: with racks it can only take what these have above their own
/// share.
fn ensure_share(topology: &Topology, added: i32) -> anyhow::Result<()> {
    let count = |id: &i32| topology.led_by(*id).len() + topology.followed_by(*id).len();
    let (led, has) = (topology.led_by(added).len(), count(&added));
    let brokers = topology.brokers.len();
    let replicas: usize = topology.brokers.keys().map(count).sum();
    let even = replicas / brokers;
    let shares = |id: &&i32| {
        let mut views = topology.partitions.values();
        **id == added
            || views.any(|view| view.replicas.contains(*id) && view.replicas.contains(&added))
    };
    let mates: Vec<i32> = topology
        .brokers
        .keys()
        .filter(|id| !shares(id))
        .copied()
        .collect();
    let of_mates: usize = mates.iter().map(count).sum();
    let share = match mates.is_empty() {
        true => even,
        false => even.min((of_mates + has).saturating_sub(even * mates.len())),
    };
    println!(
        "  broker {added} has {has} of {replicas} replicas (rack mates {mates:?} have {of_mates}) and \
         leads {led} partitions; its share is {share}, that of leaderships {}",
        topology.partitions.len() / brokers
    );
    ensure!(
        share > 0,
        "its rack has nothing to give: the check shows nothing"
    );
    ensure!(
        has * 100 >= share * SHARE_MIN_PERCENT,
        "the new broker has less than {SHARE_MIN_PERCENT} % of its share of replicas"
    );
    ensure!(
        led * brokers * 100 >= topology.partitions.len() * SHARE_MIN_PERCENT,
        "the new broker leads less than {SHARE_MIN_PERCENT} % of its share"
    );
    Ok(())
}

/// The new broker gives everything away, with nobody's approval.
fn take(environment: &Environment, topic: &str, added: i32) -> anyhow::Result<()> {
    let kubernetes = &environment.kubernetes;
    let free = json!({
        "clusterName": environment.cluster,
        "scope": "RemoveBrokers",
        "brokers": [added],
        "approval": "Automatic",
    });
    let mut slow = free.clone();
    slow["throttleBytesPerSecond"] = json!(DRAIN_RATE_BYTES);
    let name = format!("remove-{added}");
    kubernetes.apply_rebalance(&name, &slow)?;
    let felt = wait_for_felt(environment, &name)?;
    println!("  while it is drained: {felt}");
    // The broker also holds what earlier scenarios left, which would take minutes at this rate.
    kubernetes.apply_rebalance(&name, &free)?;
    let completed = wait_for_phase(environment, &name, "Completed", MOVE_LIMIT)?;
    println!("  drained: {}", summary(&completed));
    let held = replicas_on(environment, topic, added)?;
    ensure!(held == 0, "{held} replicas are left on broker {added}");
    kubernetes.delete_rebalance(&name)
}

/// Waits until the status tells what producers feel of the moves, and gives its words.
fn wait_for_felt(environment: &Environment, name: &str) -> anyhow::Result<String> {
    let what = format!("KafkaRebalance {name} to tell what producers feel");
    environment
        .kubernetes
        .wait(&what, FELT_LIMIT, |kubernetes| {
            let status = kubernetes.rebalance_status(name)?;
            let progress = &status["progress"];
            let is_told =
                progress["produceP99Ms"].is_i64() && progress["produceP99BeforeMs"].is_i64();
            let reason = progress["throttleReason"].as_str().filter(|_| is_told);
            Ok(reason
                .map(str::to_owned)
                .ok_or_else(|| format!("{}: {progress}", status["phase"])))
        })
}

fn replicas_on(environment: &Environment, topic: &str, broker: i32) -> anyhow::Result<usize> {
    let topology = Topology::fetch(&environment.bootstrap()?, topic)?;
    Ok(topology.led_by(broker).len() + topology.followed_by(broker).len())
}

/// Waits until a KafkaRebalance is that far; gives its status.
///
/// # Errors
/// If it is not within `limit`.
pub fn wait_for_phase(
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

/// What a status says of moves, bytes and goals.
pub fn summary(status: &Value) -> String {
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
