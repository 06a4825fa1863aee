//! A controller loses its pod and its volume.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use serde_json::Value;

use super::environment::{Environment, HEAL_LIMIT};
use super::kill_controller::await_active;
use super::under_load;
use crate::bench::topology::create_topic;
use crate::kubernetes::http;

/// How long the quorum may take to decide something.
const DECISION_LIMIT: Duration = Duration::from_secs(30);

/// Deletes the pod and the claim of a controller under load: the active one, so that leadership
/// moves too. A new one must take its place among the voters, on another directory.
///
/// # Errors
/// If it does not, or the verdict has findings.
pub fn run(environment: &mut Environment) -> anyhow::Result<()> {
    under_load::run(environment, "lost-controller-volume", |environment, _| {
        let lost = await_active(environment)?;
        let before = voters(environment)?;
        let recorded = directory(&before, lost.id).context("its directory is not recorded")?;
        let started = Instant::now();
        // The claim goes when its pod does.
        environment
            .kubernetes
            .delete_claim(&format!("data-{}", lost.name))?;
        environment.kubernetes.delete_pod(&lost.name, None)?;
        let what = "a new voter in place of the lost one";
        let now = environment.kubernetes.wait(what, HEAL_LIMIT, |_| {
            let voters = voters(environment)?;
            let found = directory(&voters, lost.id).filter(|directory| *directory != recorded);
            Ok(found.ok_or_else(|| format!("the voters are {voters}")))
        })?;
        println!(
            "  controller {} votes again, {:.1?} after it lost {recorded}, from {now}",
            lost.id,
            started.elapsed()
        );
        let voters = voters(environment)?;
        let (count, expected) = (
            voters.as_array().map_or(0, Vec::len),
            before.as_array().map_or(0, Vec::len),
        );
        ensure!(
            count == expected,
            "there were {expected} voters, and now {voters}"
        );
        decide_without_another(environment, lost.id)
    })
}

/// Kills the active controller: with the new voter the rest must still be a majority.
fn decide_without_another(environment: &Environment, new: i32) -> anyhow::Result<()> {
    let active = await_active(environment)?;
    if active.id != new {
        environment.kill(&active)?;
    }
    let bootstrap = environment.bootstrap()?;
    create_topic(
        &bootstrap,
        "decided-with-the-new-voter",
        3,
        3,
        DECISION_LIMIT,
    )
}

/// The voters, as the active controller tells.
fn voters(environment: &Environment) -> anyhow::Result<Value> {
    let active = await_active(environment)?;
    let ip = active.ip.context("the active controller has no address")?;
    let quorum: Value = serde_json::from_str(&http::get(&ip, "/v1/quorum")?)?;
    let voters = quorum.get("voters").cloned();
    voters.context("the active controller tells no voters")
}

/// The directory by which a voter is known.
fn directory(voters: &Value, id: i32) -> Option<String> {
    let voters = voters.as_array()?;
    let voter = voters.iter().find(|voter| voter["id"] == id)?;
    voter["directory"].as_str().map(str::to_owned)
}
