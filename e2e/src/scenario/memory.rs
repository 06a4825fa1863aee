//! What the cluster's processes hold in memory.

use anyhow::Context;

use super::environment::Environment;
use crate::host::memory::resident_bytes;

/// Prints the resident memory of the operator and of each controller and broker, where their
/// processes are this host's.
///
/// # Errors
/// If a pod does not run.
pub fn report(environment: &Environment) -> anyhow::Result<()> {
    let Some(localkube) = environment.node_access("resident memory") else {
        return Ok(());
    };
    let operators = environment.operators();
    let namespace = &environment.kubernetes.namespace;
    let names = |pods: std::collections::BTreeMap<i32, crate::kubernetes::api::PodView>| {
        pods.into_values().map(|pod| pod.name).collect::<Vec<_>>()
    };
    for (role, namespace, pods) in [
        ("operator", &operators.namespace, operators.operators()?),
        ("controllers", namespace, names(environment.controllers()?)),
        ("brokers", namespace, names(environment.brokers()?)),
    ] {
        let mut resident_mib = Vec::new();
        for pod in pods {
            let process = localkube.process_id(namespace, &pod)?;
            let bytes = resident_bytes(process).with_context(|| format!("pod {pod}"))?;
            resident_mib.push((bytes >> 20).to_string());
        }
        println!("  resident memory, {role}: {} MiB", resident_mib.join(", "));
    }
    Ok(())
}
