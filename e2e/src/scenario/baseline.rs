//! The clean baseline that every scenario begins from and heals to.

use std::time::Duration;

use anyhow::ensure;

use super::environment::Environment;

/// Waits until every pod is ready and the status counts no partition as hurt.
///
/// # Errors
/// If that does not come about within `limit`.
pub fn wait(environment: &Environment, limit: Duration) -> anyhow::Result<()> {
    let what = "a whole cluster (all pods ready, nothing leaderless or under-replicated)";
    environment.kubernetes.wait(what, limit, |kubernetes| {
        let status = kubernetes.cluster_status(&environment.cluster)?;
        let count = |path: &str| status.pointer(path).and_then(serde_json::Value::as_i64);
        let brokers = environment.brokers()?;
        let controllers = environment.controllers()?;
        let ready = brokers.values().chain(controllers.values()).filter(|pod| pod.ready).count();
        let wanted = brokers.len() + controllers.len();
        let hurt = ["leaderless", "underReplicated", "underMinIsr"].map(|name| {
            count(&format!("/partitions/{name}")).unwrap_or(-1)
        });
        let phase = status.get("phase").and_then(serde_json::Value::as_str).unwrap_or("none");
        let is_whole = wanted > 0 && ready == wanted && hurt == [0, 0, 0] && phase == "Ready";
        let state = format!(
            "{ready} of {wanted} pods ready, phase {phase}, leaderless {}, under-replicated {}, under min ISR {}",
            hurt[0], hurt[1], hurt[2]
        );
        Ok(if is_whole { Ok(()) } else { Err(state) })
    })
}

/// Checks that no fault of an earlier scenario is still in force, then waits for a whole cluster.
///
/// # Errors
/// If one is, or the cluster does not become whole.
pub fn check(environment: &Environment, limit: Duration) -> anyhow::Result<()> {
    // Faults of nodes and networks are the launcher's; without it there are none to be left over.
    let status = match &environment.localkube {
        Some(localkube) => localkube.run(&["status"])?,
        None => String::new(),
    };
    let hurt: Vec<&str> = status
        .lines()
        .filter(|line| {
            line.contains("cut:") || line.contains("powered off") || line.contains("not Ready")
        })
        .collect();
    ensure!(
        hurt.is_empty(),
        "the baseline is not clean: {}",
        hurt.join("; ")
    );
    wait(environment, limit)
}
