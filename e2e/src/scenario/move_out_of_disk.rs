//! Disks that are fuller than they should be are relieved by a KafkaRebalance of what they have too
//! much; where others have no room it says so in numbers.

use std::time::Duration;

use anyhow::{Context, ensure};
use serde_json::{Value, json};

use super::baseline;
use super::disks::{self, Disks};
use super::environment::{Environment, HEAL_LIMIT};
use super::own_topic::some_brokers;
use super::rebalance::{PROPOSE_LIMIT, summary, wait_for_phase};
use super::under_load;

/// Brokers whose disks are filled.
const COPIES: i32 = 2;
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
    let heaped = some_brokers(environment, COPIES)?;
    let sent = disks::fill(environment, &heaped)?;
    under_load::run_planned(environment, "disk", |environment, _| {
        refuse(environment, &heaped)?;
        relieve(environment)
    })?;
    sent.judge_and_delete(environment)
}

/// The highest bound at which others have less room than one has too much. A lower one might be below what
/// is on a volume beside logs, which no move takes away and which is refused in other words.
fn refuse(environment: &Environment, heaped: &[i32]) -> anyhow::Result<()> {
    let used = Disks::look(environment)?;
    let spec = json!({
        "clusterName": environment.cluster,
        "scope": "MoveOutOfDisk",
        "brokers": [heaped[0]],
        "maxDiskPercent": used.bound_without_room(heaped[0])?,
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
fn relieve(environment: &Environment) -> anyhow::Result<()> {
    let used = Disks::look(environment)?;
    let (full, empty) = (used.fullest(), used.emptiest());
    let copies = f64::from(COPIES);
    let bound = ((empty + copies * full) / (copies + 1.0)).ceil() + 1.0;
    println!("  before: {used}; bound {bound} %");
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
                let used = Disks::look(environment)?;
                let is_below = used.fullest() <= bound + GROWTH_PERCENT;
                Ok(is_below
                    .then(|| used.clone())
                    .ok_or_else(|| used.to_string()))
            })?;
    println!("  after: {used}");
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
