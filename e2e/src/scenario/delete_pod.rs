//! A broker's pod is deleted, as a node drain or a person would.

use std::time::Duration;

use super::environment::{Environment, HEAL_LIMIT};
use super::under_load;
use crate::kubernetes::api::PodView;

/// How long a pod may take to go, its grace period included.
const GONE_LIMIT: Duration = Duration::from_secs(90);

/// Deletes the pod of the broker that leads most; another takes its place on the same volume.
///
/// # Errors
/// If it is not replaced, or the verdict has findings.
pub fn run(environment: &mut Environment) -> anyhow::Result<()> {
    under_load::run(environment, "delete-pod", |environment, topology| {
        let broker = topology.leads_most().unwrap_or_default();
        let before = environment.broker(broker)?;
        environment.kubernetes.delete_pod(&before.name, None)?;
        let after = wait_for_replacement(environment, &before)?;
        println!(
            "  pod {} of broker {broker} was replaced by {}",
            before.name, after.name
        );
        Ok(())
    })
}

/// Waits until another pod of the same broker is ready.
///
/// # Errors
/// If there is none in time.
pub fn wait_for_replacement(
    environment: &Environment,
    before: &PodView,
) -> anyhow::Result<PodView> {
    let limit = GONE_LIMIT + HEAL_LIMIT;
    environment
        .kubernetes
        .wait("the pod's replacement to be ready", limit, |_| {
            Ok(match environment.brokers()?.remove(&before.id) {
                Some(pod) if pod.uid != before.uid && pod.ready => Ok(pod),
                Some(pod) if pod.uid != before.uid => Err(format!("{} is not ready", pod.name)),
                Some(_) => Err("the deleted pod is still there".to_owned()),
                None => Err("there is no pod".to_owned()),
            })
        })
}
