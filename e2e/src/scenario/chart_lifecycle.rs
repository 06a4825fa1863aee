//! The chart is upgraded, uninstalled and installed again over living data; then the KafkaCluster.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

use super::baseline;
use super::delete_pod::wait_for_replacement;
use super::environment::{Environment, HEAL_LIMIT};
use super::rolling_restart::nodes;
use super::under_load::{Judged, judge};
use crate::bench::topology::Topology;
use crate::kubernetes::api::PodView;
use crate::kubernetes::helm::Helm;

/// A value of the chart that makes other operator pods, and no other brokers.
const CHANGE: &str = "resources.limits.memory=112Mi";
/// How long the cluster is watched without an operator.
const WATCHED: Duration = Duration::from_secs(10);
/// How long a deleted cluster may take to be gone.
const GONE_LIMIT: Duration = Duration::from_secs(120);

/// Does all of it under load, but for the deletion of the KafkaCluster, which ends the load.
///
/// # Errors
/// If a pod is touched that need not be, the broker is not replaced, or a record is lost.
pub fn run(environment: &mut Environment) -> anyhow::Result<()> {
    let helm = environment.helm.clone().context("there is no helm")?;
    let judged = judge(environment, "chart-lifecycle", |environment, topology| {
        let before = nodes(environment)?;
        let values = helm.values()?;
        helm.upgrade(CHANGE)?;
        ensure_untouched(environment, &before, "the upgrade")?;
        println!("  upgraded the chart ({CHANGE}): no pod of the cluster was touched");
        helm.uninstall()?;
        println!("  uninstalled the chart");
        let lost = lose_broker_unattended(environment, topology, &before)?;
        reinstall(environment, &helm, &values, &lost)?;
        let others = before
            .into_iter()
            .filter(|(id, _)| *id != lost.id)
            .collect();
        ensure_untouched(environment, &others, "the new operator")
    })?;
    create_again(environment, &judged)
}

/// Sees that these pods are what they were, not restarted, and ready.
///
/// # Errors
/// If one is not: names who is to blame.
pub fn ensure_untouched(
    environment: &Environment,
    before: &BTreeMap<i32, PodView>,
    by: &str,
) -> anyhow::Result<()> {
    let now = nodes(environment)?;
    for (id, old) in before {
        let same = now.get(id).is_some_and(|new| {
            (&new.uid, new.restarts, new.ready) == (&old.uid, old.restarts, true)
        });
        ensure!(
            same,
            "{by} touched {}: it is now {:?}",
            old.name,
            now.get(id)
        );
    }
    Ok(())
}

/// Ends a broker's pod as a lost node would, and sees that nobody brings it back.
fn lose_broker_unattended(
    environment: &Environment,
    topology: &Topology,
    before: &BTreeMap<i32, PodView>,
) -> anyhow::Result<PodView> {
    let broker = topology.leads_most().context("the topic has no leaders")?;
    let lost = before
        .get(&broker)
        .context("the broker has no pod")?
        .clone();
    environment.kubernetes.delete_pod(&lost.name, Some(1))?;
    std::thread::sleep(WATCHED);
    let now = environment.broker(broker);
    ensure!(
        now.is_err(),
        "somebody replaced it without an operator: {now:?}"
    );
    let others = before
        .clone()
        .into_iter()
        .filter(|(id, _)| *id != broker)
        .collect();
    ensure_untouched(environment, &others, "nobody")?;
    println!("  broker {broker} lost its pod without an operator, and stayed away for {WATCHED:?}");
    Ok(lost)
}

fn reinstall(
    environment: &Environment,
    helm: &Helm,
    values: &str,
    lost: &PodView,
) -> anyhow::Result<()> {
    let started = Instant::now();
    helm.install(values)?;
    let installed = started.elapsed();
    let next = wait_for_replacement(environment, lost)?;
    println!(
        "  installed the chart again in {installed:.1?}; {} was ready {:.1?} after helm began",
        next.name,
        started.elapsed()
    );
    Ok(())
}

/// Deletes the KafkaCluster and creates it again: it adopts its volumes with all that is in them.
fn create_again(environment: &mut Environment, judged: &Judged) -> anyhow::Result<()> {
    let (kubernetes, cluster) = (&environment.kubernetes, &environment.cluster);
    let claims = kubernetes.claims(cluster)?;
    let id = kubernetes.cluster_status(cluster)?["clusterId"].clone();
    kubernetes.delete_cluster(cluster)?;
    kubernetes.wait(
        "the cluster's pods and Services to be gone",
        GONE_LIMIT,
        |kubernetes| {
            let left = kubernetes.count_owned(cluster)?;
            Ok(if left == 0 {
                Ok(())
            } else {
                Err(format!("{left} are left"))
            })
        },
    )?;
    ensure!(
        kubernetes.claims(cluster)? == claims,
        "deleting the cluster touched its claims"
    );
    let started = Instant::now();
    kubernetes.apply_cluster(&environment.manifest)?;
    baseline::wait(environment, HEAL_LIMIT)?;
    println!(
        "  deleted the KafkaCluster and created it again: whole after {:.1?} on the same {} claims",
        started.elapsed(),
        claims.len()
    );
    let now = kubernetes.cluster_status(cluster)?["clusterId"].clone();
    ensure!(now == id, "the cluster id was {id} and is {now}");
    ensure!(
        kubernetes.claims(cluster)? == claims,
        "the claims are others now"
    );
    judged.read_again(environment)
}
