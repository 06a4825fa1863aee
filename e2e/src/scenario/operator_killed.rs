//! The operator is killed while a broker's pod is deleted.

use anyhow::ensure;
use kube::ResourceExt;

use super::delete_pod::wait_for_replacement;
use super::environment::Environment;
use super::under_load;
use crate::kubernetes::api::Kubernetes;
use crate::kubernetes::operators::OPERATOR_SELECTOR;
use crate::kubernetes::signals::Signal;

/// Kills the operator, deletes a broker's pod, kills the operator again; the pod is replaced.
///
/// # Errors
/// If it is not replaced, or the verdict has findings.
pub fn run(environment: &mut Environment) -> anyhow::Result<()> {
    let operators = environment.operators();
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
        let name = pod.name_any();
        environment.signal(&operators.namespace, &name, Signal::Kill)?;
        println!("  killed the operator in {name}");
    }
    Ok(())
}
