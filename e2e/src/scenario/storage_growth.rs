//! Real bytes fill the brokers' volumes: claims grow before these are full, up to the most that is
//! allowed, and only where the storage class lets them.
//!
//! No storage driver runs here. The scenario tells the API server what a driver would once it has made
//! volumes larger; their file systems stay as they are, so that a growth shows in what claims ask for
//! and not in the room that brokers have.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use serde_json::{Value, json};

use super::baseline;
use super::environment::{Environment, HEAL_LIMIT};
use super::own_topic::{OwnTopic, Placed};
use super::under_load;

/// The load: 24 records of 16 KiB each 80 ms are five megabytes a second.
const PARTITIONS: i32 = 24;
const COPIES: i32 = 3;
const INTERVAL: Duration = Duration::from_millis(80);
const VALUE_SIZE_BYTES: usize = 16_384;
/// The most that volumes may have: one growth away.
const MAX_SIZE: &str = "2Gi";
/// How long the operator may take to say what it finds: brokers are asked each 5 s.
const SEEN_LIMIT: Duration = Duration::from_secs(60);
/// How long the load may take to fill half of a volume.
const FILL_LIMIT: Duration = Duration::from_secs(420);
/// How long claims are watched while nobody makes their volumes larger.
const WATCHED: Duration = Duration::from_secs(20);

/// Fills volumes and watches them grow.
///
/// # Errors
/// If claims do not grow, grow too far, grow where they cannot, or a record is lost.
pub fn run(environment: &mut Environment) -> anyhow::Result<()> {
    baseline::check(environment, HEAL_LIMIT)?;
    let claims = environment.kubernetes.broker_claims(&environment.cluster)?;
    let class = claims.values().next().map(|claim| claim.class.clone());
    let class = class.context("no broker has a claim")?;
    let autoscaling = json!({
        "maxSize": MAX_SIZE,
        "usedPercent": 50,
        "growPercent": 20,
        "cooldownSeconds": 10,
    });
    set(environment, &autoscaling)?;
    let shown = refused(environment).and_then(|()| {
        environment.kubernetes.set_expandable(&class, true)?;
        fill(environment)
    });
    // Whatever was found, the next scenario begins with volumes that stay as they are.
    set(environment, &Value::Null)?;
    environment.kubernetes.set_expandable(&class, false)?;
    shown
}

/// The class lets no volume grow: that is told, and nothing is asked for.
fn refused(environment: &Environment) -> anyhow::Result<()> {
    let told = wait_for(environment, "NotExpandable", SEEN_LIMIT)?;
    println!("  {told}");
    let (kubernetes, cluster) = (&environment.kubernetes, &environment.cluster);
    ensure!(
        kubernetes.has_event("StorageNotExpandable", cluster)?,
        "no Event says that the storage class lets no volume grow"
    );
    let blocked = condition(environment)?;
    ensure!(
        blocked == ("True".to_owned(), "StorageNotExpandable".to_owned()),
        "condition StorageBlocked is {blocked:?}"
    );
    Ok(())
}

fn fill(environment: &mut Environment) -> anyhow::Result<()> {
    let told = wait_for(environment, "Fits", SEEN_LIMIT)?;
    println!("  the class lets volumes grow: {told}");
    let topic = OwnTopic {
        name: "filling",
        partitions: PARTITIONS,
        placed: Placed::Spread(COPIES),
        interval: INTERVAL,
        value_size_bytes: VALUE_SIZE_BYTES,
    };
    let load = topic.create(environment)?;
    under_load::judge_load(environment, load, COPIES, |environment, _| {
        grow(environment)
    })
    .map(drop)
}

/// Waits until claims have grown, and until the most is reached.
fn grow(environment: &Environment) -> anyhow::Result<()> {
    let started = Instant::now();
    let (kubernetes, cluster) = (&environment.kubernetes, &environment.cluster);
    let told = wait_for(environment, "Growing", FILL_LIMIT)?;
    println!("  after {:.0?}: {told}", started.elapsed());
    let claims = kubernetes.wait("every claim to ask for more", SEEN_LIMIT, |kubernetes| {
        let claims = kubernetes.broker_claims(cluster)?;
        let all = claims.values().all(|claim| claim.asks == MAX_SIZE);
        Ok(all
            .then(|| claims.clone())
            .ok_or_else(|| format!("{claims:?}")))
    })?;
    ensure!(
        kubernetes.has_event("StorageGrown", cluster)?,
        "no Event tells of the growth"
    );
    // Nothing more is asked for while volumes have not what claims ask for.
    std::thread::sleep(WATCHED);
    let told = wait_for(environment, "Growing", SEEN_LIMIT)?;
    println!("  while no driver makes them larger: {told}");
    ensure_asked(environment)?;
    for claim in claims.values() {
        println!(
            "  claim {} asks for {}, has {}",
            claim.name, claim.asks, claim.has
        );
        kubernetes.set_volume_size(claim, MAX_SIZE)?;
    }
    let told = wait_for(environment, "MaxReached", SEEN_LIMIT)?;
    println!("  once the API server was told that they are larger: {told}");
    ensure!(
        kubernetes.has_event("StorageMaxReached", cluster)?,
        "no Event tells that maxSize does not do"
    );
    let blocked = condition(environment)?;
    ensure!(
        blocked == ("True".to_owned(), "StorageMaxReached".to_owned()),
        "condition StorageBlocked is {blocked:?}"
    );
    ensure_asked(environment)
}

/// Every claim asks for the most that is allowed, and not for more.
fn ensure_asked(environment: &Environment) -> anyhow::Result<()> {
    let claims = environment.kubernetes.broker_claims(&environment.cluster)?;
    let other = claims.values().find(|claim| claim.asks != MAX_SIZE);
    ensure!(other.is_none(), "a claim asks for another size: {other:?}");
    Ok(())
}

/// Waits until the status says that volumes are in this state; gives why.
fn wait_for(environment: &Environment, state: &str, limit: Duration) -> anyhow::Result<String> {
    let what = format!("volumes to be {state}");
    environment.kubernetes.wait(&what, limit, |kubernetes| {
        let status = kubernetes.cluster_status(&environment.cluster)?;
        let storage = &status["storage"];
        let told = format!("{}: {}", storage["size"], storage["reason"]);
        Ok(if storage["state"] == state {
            Ok(told)
        } else {
            Err(storage.to_string())
        })
    })
}

/// Status and reason of condition StorageBlocked.
fn condition(environment: &Environment) -> anyhow::Result<(String, String)> {
    let status = environment
        .kubernetes
        .cluster_status(&environment.cluster)?;
    let mut conditions = status["conditions"].as_array().into_iter().flatten();
    let blocked = conditions.find(|one| one["type"] == "StorageBlocked");
    let blocked = blocked.context("there is no condition StorageBlocked")?;
    let text = |field: &str| blocked[field].as_str().unwrap_or_default().to_owned();
    Ok((text("status"), text("reason")))
}

fn set(environment: &Environment, autoscaling: &Value) -> anyhow::Result<()> {
    let change = json!({"spec": {"brokers": {"storage": {"autoscaling": autoscaling}}}});
    environment
        .kubernetes
        .patch_cluster(&environment.cluster, &change)
}
