//! An image that no node can pull.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::ensure;
use serde_json::{Value, json};

use super::environment::Environment;
use super::rolling_restart::nodes;
use super::under_load;
use crate::kubernetes::api::PodView;

/// An image in a registry that does not exist.
const IMAGE: &str = "127.0.0.1:1/kintsugi/none:none";
/// How long the kubelet and the operator may take to notice.
const NOTICE_LIMIT: Duration = Duration::from_secs(90);
/// How long the stopped rollout is watched.
const WATCHED: Duration = Duration::from_secs(20);

/// Sets the image under load: one pod falls to it, the conditions say what to do, and setting the
/// image back heals it.
///
/// # Errors
/// If a second pod is touched, a condition is missing, or a send fails.
pub fn run(environment: &mut Environment) -> anyhow::Result<()> {
    under_load::run_planned(environment, "bad-image", |environment, _| {
        let before = nodes(environment)?;
        let cluster = environment.cluster.clone();
        let kubernetes = &environment.kubernetes;
        kubernetes.patch_cluster(&cluster, &json!({"spec": {"image": IMAGE}}))?;
        for type_ in ["ImagePullBackOff", "RolloutStopped"] {
            let message = wait_for_condition(environment, type_)?;
            println!("  {type_}: {message}");
            ensure!(message.contains("spec.image"), "it does not say what to do");
        }
        std::thread::sleep(WATCHED);
        let touched = replaced(&before, &nodes(environment)?);
        ensure!(touched.len() == 1, "touched {touched:?}, expected one pod");
        println!("  stopped after {}", touched[0]);
        kubernetes.patch_cluster(&cluster, &json!({"spec": {"image": null}}))?;
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

fn replaced(before: &BTreeMap<i32, PodView>, now: &BTreeMap<i32, PodView>) -> Vec<String> {
    let differs = |old: &&PodView| now.get(&old.id).is_none_or(|new| new.uid != old.uid);
    before
        .values()
        .filter(differs)
        .map(|old| old.name.clone())
        .collect()
}

fn wait_for_condition(environment: &Environment, type_: &str) -> anyhow::Result<String> {
    let what = format!("condition {type_}");
    environment
        .kubernetes
        .wait(&what, NOTICE_LIMIT, |kubernetes| {
            let status = kubernetes.cluster_status(&environment.cluster)?;
            let conditions = status["conditions"].as_array().cloned().unwrap_or_default();
            let found = conditions
                .into_iter()
                .find(|condition| condition["type"] == type_ && condition["status"] == "True");
            let message =
                |condition: Value| condition["message"].as_str().unwrap_or_default().to_owned();
            Ok(found
                .map(message)
                .ok_or_else(|| "it does not hold".to_owned()))
        })
}
