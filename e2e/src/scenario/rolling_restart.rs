//! Every node is restarted for a change of its settings.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::ensure;

use super::environment::Environment;
use super::under_load;
use crate::kubernetes::api::PodView;

/// How long a rollout of six nodes may take: each stops within its grace period and catches up.
pub const ROLL_LIMIT: Duration = Duration::from_secs(420);
/// The setting that is changed: nothing that the load would notice.
const SETTING: &str = "log.retention.ms";

/// Changes a setting under load; every pod is replaced, one at a time, and no send fails.
///
/// # Errors
/// If a pod is not replaced, two are down at once, or a send fails.
pub fn run(environment: &mut Environment) -> anyhow::Result<()> {
    under_load::run_planned(environment, "rolling-restart", |environment, _| {
        let before = nodes(environment)?;
        change_setting(environment)?;
        wait_for_new_pods(environment, &before)
    })
}

/// Changes a setting, so that every node is to be restarted.
///
/// # Errors
/// If the API server refuses.
pub fn change_setting(environment: &Environment) -> anyhow::Result<()> {
    let value = Duration::from_secs(7 * 86_400 + fastrand::u64(1..1_000)).as_millis();
    let change = serde_json::json!({"spec": {"config": {SETTING: value.to_string()}}});
    let cluster = &environment.cluster;
    environment.kubernetes.patch_cluster(cluster, &change)
}

/// Controllers and brokers by node id; the two never share one.
///
/// # Errors
/// If the pods cannot be listed.
pub fn nodes(environment: &Environment) -> anyhow::Result<BTreeMap<i32, PodView>> {
    let mut nodes = environment.controllers()?;
    nodes.extend(environment.brokers()?);
    Ok(nodes)
}

/// Waits until every node of `before` has another pod; prints each that is back.
///
/// # Errors
/// If one is not replaced, two are down at once, or brokers come before controllers.
pub fn wait_for_new_pods(
    environment: &Environment,
    before: &BTreeMap<i32, PodView>,
) -> anyhow::Result<()> {
    let started = Instant::now();
    let order = RefCell::new(Vec::new());
    let ready_min = Cell::new(before.len());
    environment
        .kubernetes
        .wait("every pod to be replaced", ROLL_LIMIT, |_| {
            let now = nodes(environment)?;
            let is_new = |pod: &PodView| before.get(&pod.id).is_none_or(|old| old.uid != pod.uid);
            let ready = now.values().filter(|pod| pod.ready).count();
            ready_min.set(ready_min.get().min(ready));
            for pod in now.values().filter(|pod| pod.ready && is_new(pod)) {
                let mut order = order.borrow_mut();
                if !order.contains(&pod.id) {
                    println!("  {} is back after {:.1?}", pod.name, started.elapsed());
                    order.push(pod.id);
                }
            }
            let back = order.borrow().len();
            Ok(if back == before.len() {
                Ok(())
            } else {
                Err(format!("{back} of {} are back", before.len()))
            })
        })?;
    let (order, ready) = (order.into_inner(), ready_min.get());
    println!("  never less than {ready} of {} nodes ready", before.len());
    ensure!(
        ready + 1 >= before.len(),
        "more than one node was down at once"
    );
    let sorted_by_role = order
        .iter()
        .is_sorted_by_key(|id| !before[id].name.contains("-controller-"));
    ensure!(
        sorted_by_role,
        "controllers must come before brokers: {order:?}"
    );
    Ok(())
}
