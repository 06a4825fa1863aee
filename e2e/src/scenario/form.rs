//! An applied KafkaCluster becomes Ready; a bad one is refused in words.

use std::time::{Duration, Instant};

use anyhow::{bail, ensure};

use super::baseline;
use super::environment::Environment;
use super::memory;

/// How long a cluster may take to form on a busy machine.
const FORM_LIMIT: Duration = Duration::from_secs(120);

/// Applies the manifest, waits for Ready, and tries a manifest that must be refused.
///
/// # Errors
/// If the cluster does not form, or a bad manifest is accepted.
pub fn run(environment: &mut Environment) -> anyhow::Result<()> {
    refuse_bad_manifest(environment)?;
    let started = Instant::now();
    environment
        .kubernetes
        .apply_cluster(&environment.manifest)?;
    baseline::wait(environment, FORM_LIMIT)?;
    println!("  apply to Ready: {:.1?}", started.elapsed());
    check_pods(environment)?;
    memory::report(environment)
}

/// An even number of controllers can lose no more of them than one fewer could: refused.
fn refuse_bad_manifest(environment: &Environment) -> anyhow::Result<()> {
    let mut bad: serde_json::Value = serde_yaml_ng::from_str(&environment.manifest)?;
    bad["spec"]["controllers"]["replicas"] = 2.into();
    match environment
        .kubernetes
        .apply_cluster(&serde_json::to_string(&bad)?)
    {
        Ok(()) => bail!("a KafkaCluster with two controllers was accepted"),
        Err(error) => {
            let said = format!("{error:#}");
            println!("  refused as it should be: {said}");
            ensure!(
                said.contains("controllers"),
                "the refusal does not say what is wrong"
            );
            Ok(())
        }
    }
}

/// Every pod has requests and limits and passes Pod Security "restricted" (the namespace
/// enforces that; here the fields that people look for are checked).
fn check_pods(environment: &Environment) -> anyhow::Result<()> {
    let selector = format!(
        "{}={}",
        crate::kubernetes::CLUSTER_LABEL,
        environment.cluster
    );
    let pods = environment.kubernetes.pods_labelled(&selector)?;
    ensure!(
        pods.len() >= 6,
        "expected three controllers and three brokers, found {}",
        pods.len()
    );
    for pod in &pods {
        let name = pod.metadata.name.as_deref().unwrap_or_default();
        for container in pod.spec.iter().flat_map(|spec| &spec.containers) {
            let resources = container.resources.clone().unwrap_or_default();
            let set = |amounts: Option<std::collections::BTreeMap<_, _>>| {
                amounts.is_some_and(|a| a.contains_key("memory"))
            };
            ensure!(
                set(resources.requests) && set(resources.limits),
                "{name}: no memory limits"
            );
            let context = container.security_context.clone().unwrap_or_default();
            ensure!(
                context.allow_privilege_escalation == Some(false),
                "{name}: may escalate"
            );
        }
    }
    Ok(())
}
