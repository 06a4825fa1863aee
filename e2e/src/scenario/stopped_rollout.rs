//! A change that no pod survives: the rollout stops after its first pod, and setting spec back heals.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::ensure;
use serde_json::Value;

use super::environment::Environment;
use super::rolling_restart::nodes;
use super::under_load;
use crate::kubernetes::api::PodView;

/// How long the kubelet and the operator may take to notice.
const NOTICE_LIMIT: Duration = Duration::from_secs(90);
/// How long the stopped rollout is watched.
const WATCHED: Duration = Duration::from_secs(20);

/// A change that stops a rollout.
pub struct BadChange {
    /// The scenario's topic.
    pub topic: &'static str,
    /// The change of the KafkaCluster.
    pub change: Value,
    /// What takes it back.
    pub revert: Value,
    /// The condition that it leads to.
    pub condition: &'static str,
    /// What the conditions' messages must name, for a person to know what to do.
    pub names: &'static str,
}

/// Makes the change under load: one pod falls to it, the conditions say what to do, and taking it
/// back heals it.
///
/// # Errors
/// If a second pod is touched, a condition is missing, or a send fails.
pub fn run(environment: &mut Environment, bad: &BadChange) -> anyhow::Result<()> {
    under_load::run_planned(environment, bad.topic, |environment, _| {
        let before = nodes(environment)?;
        let (kubernetes, cluster) = (&environment.kubernetes, &environment.cluster);
        kubernetes.patch_cluster(cluster, &bad.change)?;
        let stopped = stop(environment, bad, &before);
        kubernetes.patch_cluster(cluster, &bad.revert)?;
        stopped?;
        let what = "every pod to be ready again";
        kubernetes.wait(what, NOTICE_LIMIT, |_| {
            let ready = nodes(environment)?.values().filter(|pod| pod.ready).count();
            let is_whole = ready == before.len();
            Ok(if is_whole {
                Ok(())
            } else {
                Err(format!("{ready} are ready"))
            })
        })?;
        let touched = replaced(&before, &nodes(environment)?);
        ensure!(touched.len() == 1, "healing touched others: {touched:?}");
        Ok(())
    })
}

fn stop(
    environment: &Environment,
    bad: &BadChange,
    before: &BTreeMap<i32, PodView>,
) -> anyhow::Result<()> {
    for type_ in [bad.condition, "RolloutStopped"] {
        let (reason, message) = wait_for_condition(environment, type_)?;
        println!("  {type_} ({reason}): {message}");
        ensure!(message.contains(bad.names), "it does not say what to do");
        let is_same = type_ != "RolloutStopped" || reason == bad.condition;
        ensure!(
            is_same,
            "it stopped for {reason}, not for {}",
            bad.condition
        );
    }
    std::thread::sleep(WATCHED);
    let touched = replaced(before, &nodes(environment)?);
    ensure!(touched.len() == 1, "touched {touched:?}, expected one pod");
    println!("  stopped after {}", touched[0]);
    Ok(())
}

fn replaced(before: &BTreeMap<i32, PodView>, now: &BTreeMap<i32, PodView>) -> Vec<String> {
    let differs = |old: &&PodView| now.get(&old.id).is_none_or(|new| new.uid != old.uid);
    before
        .values()
        .filter(differs)
        .map(|old| old.name.clone())
        .collect()
}

/// The reason and the message of a condition that holds.
fn wait_for_condition(environment: &Environment, type_: &str) -> anyhow::Result<(String, String)> {
    let what = format!("condition {type_}");
    environment
        .kubernetes
        .wait(&what, NOTICE_LIMIT, |kubernetes| {
            let status = kubernetes.cluster_status(&environment.cluster)?;
            let conditions = status["conditions"].as_array().cloned().unwrap_or_default();
            let found = conditions
                .into_iter()
                .find(|condition| condition["type"] == type_ && condition["status"] == "True");
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            Ok(found
                .map(|one| (text(&one["reason"]), text(&one["message"])))
                .ok_or_else(|| "it does not hold".to_owned()))
        })
}
