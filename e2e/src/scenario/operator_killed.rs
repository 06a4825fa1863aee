//! The operator is killed while a broker's pod is deleted.

use anyhow::ensure;
use kube::ResourceExt;

use super::delete_pod::wait_for_replacement;
use super::environment::Environment;
use super::memory::OPERATOR_SELECTOR;
use super::under_load;
use crate::kubernetes::api::Kubernetes;

/// Kills the operator, deletes a broker's pod, kills the operator again; the pod is replaced.
///
/// # Errors
/// If it is not replaced, or the verdict has findings.
pub fn run(environment: &mut Environment) -> anyhow::Result<()> {
    let operators = Kubernetes::connect(&environment.kubeconfig, &environment.operator_namespace)?;
    under_load::run(environment, "operator-killed", |environment, topology| {
        kill_operator(environment, &operators)?;
        let broker = topology.leads_most().unwrap_or_default();
        let before = environment.broker(broker)?;
        environment.kubernetes.delete_pod(&before.name, None)?;
        wait_for_replacement(environment, &before)?;
        let pods = environment.brokers()?;
        ensure!(
            pods.len() == 3,
            "expected three brokers, found {}",
            pods.len()
        );
        Ok(())
    })
}

/// Kills the operator's processes.
///
/// # Errors
/// If there is none.
pub fn kill_operator(environment: &Environment, operators: &Kubernetes) -> anyhow::Result<()> {
    let pods = operators.pods_labelled(OPERATOR_SELECTOR)?;
    ensure!(
        !pods.is_empty(),
        "no operator runs in namespace {}",
        operators.namespace
    );
    for pod in pods {
        let target = format!("{}/{}", operators.namespace, pod.name_any());
        environment.localkube.run(&["kill", &target])?;
        println!("  killed the operator in {target}");
    }
    Ok(())
}
