//! The two acts: a process killed, and a pod lost with its volume.

use std::time::Duration;

use anyhow::Context;

use super::timeline::Timeline;
use crate::bench::topology::{Topology, wait_for};
use crate::load::gaps::Gaps;
use crate::load::history::Micros;
use crate::load::producer::Load;
use crate::scenario::environment::{Environment, HEAL_LIMIT};

/// How long each partition may take to be written again.
const ACK_LIMIT: Duration = Duration::from_secs(60);

/// From when until when a part of the cluster was out, on the load's clock.
pub type Outage = (Micros, Micros);

/// Act one: kill -9 of the broker that leads most.
///
/// # Errors
/// If it cannot be killed, or the cluster does not heal.
pub fn kill_process(environment: &Environment, load: &Load, topic: &str) -> anyhow::Result<Outage> {
    let (topology, broker) = choose(environment, topic)?;
    let pod = environment.broker(broker)?;
    println!(
        "ACT 1: kill -9 of broker {broker} ({}), which leads {} partitions",
        pod.name,
        topology.led_by(broker).len()
    );
    let ago = environment.kill(&pod)?;
    let fault = load
        .now()
        .saturating_sub(Micros::try_from(ago.as_micros())?);
    let mut timeline = Timeline::begin_before(ago, "killed");
    environment
        .kubernetes
        .wait("the container to be back", HEAL_LIMIT, |_| {
            let now = environment.broker(broker)?;
            let is_back = now.ready && now.restarts > pod.restarts;
            Ok(if is_back {
                Ok(())
            } else {
                Err(format!("{} is not ready", now.name))
            })
        })?;
    timeline.add_now("container back and ready");
    finish(environment, load, topic, &topology, broker, fault, timeline)
}

/// Act two: the pod of the broker that leads most is deleted together with its volume.
///
/// # Errors
/// If it cannot be deleted, is not replaced, or the cluster does not heal.
pub fn delete_volume(
    environment: &Environment,
    load: &Load,
    topic: &str,
) -> anyhow::Result<Outage> {
    let (topology, broker) = choose(environment, topic)?;
    let pod = environment.broker(broker)?;
    println!(
        "ACT 2: pod {} of broker {broker} is deleted with its volume; it leads {} partitions",
        pod.name,
        topology.led_by(broker).len()
    );
    let fault = load.now();
    let mut timeline = Timeline::begin("claim and pod deleted");
    environment
        .kubernetes
        .delete_claim(&format!("data-{}", pod.name))?;
    environment.kubernetes.delete_pod(&pod.name, Some(0))?;
    let next = environment
        .kubernetes
        .wait("another pod of the broker", HEAL_LIMIT, |_| {
            let next = environment
                .brokers()?
                .remove(&broker)
                .filter(|next| next.uid != pod.uid);
            Ok(next.ok_or_else(|| "there is none".to_owned()))
        })?;
    timeline.add_now(&format!(
        "replacement {} created by the operator",
        next.name
    ));
    environment
        .kubernetes
        .wait("the replacement to be ready", HEAL_LIMIT, |_| {
            let now = environment.broker(broker)?;
            Ok(if now.ready {
                Ok(())
            } else {
                Err(format!("{} is not ready", now.name))
            })
        })?;
    timeline.add_now("replacement ready");
    finish(environment, load, topic, &topology, broker, fault, timeline)
}

fn choose(environment: &Environment, topic: &str) -> anyhow::Result<(Topology, i32)> {
    let bootstrap = environment.bootstrap()?;
    let what = "every replica in sync and leaders spread";
    let ready = |topology: &Topology| {
        topology.is_healthy(topology.partitions.len()) && topology.is_balanced()
    };
    let topology = wait_for(&bootstrap, topic, what, HEAL_LIMIT, ready)?;
    let broker = topology
        .leads_most()
        .context("the cluster has no brokers")?;
    Ok((topology, broker))
}

/// Waits for all replicas, adds what clients and controllers saw, and prints.
fn finish(
    environment: &Environment,
    load: &Load,
    topic: &str,
    topology: &Topology,
    broker: i32,
    fault: Micros,
    mut timeline: Timeline,
) -> anyhow::Result<Outage> {
    let bootstrap = environment.bootstrap()?;
    let count = topology.partitions.len();
    let what = "every replica to be in sync again";
    wait_for(&bootstrap, topic, what, HEAL_LIMIT, |topology| {
        topology.is_healthy(count)
    })?;
    timeline.add_now("every replica in sync again");
    let (led, followed) = (topology.led_by(broker), topology.followed_by(broker));
    environment
        .kubernetes
        .wait("every partition to be written again", ACK_LIMIT, |_| {
            let history = load.history();
            let missing = led
                .iter()
                .filter(|id| history.gap_after(**id, fault).is_none())
                .count();
            Ok(if missing == 0 {
                Ok(())
            } else {
                Err(format!("{missing} are not"))
            })
        })?;
    let history = load.history();
    let (led, followed) = (
        Gaps::after(&history, fault, led),
        Gaps::after(&history, fault, followed),
    );
    let first = led
        .percentile_ms(0)
        .context("no partition was written again")?;
    timeline.add_after(
        first,
        "first ack in a partition that it led, of a record sent after",
    );
    let last = led
        .percentile_ms(100)
        .context("no partition was written again")?;
    timeline.add_after(
        last,
        "every partition that it led acknowledged such a record",
    );
    timeline.add_controllers(environment, broker);
    timeline.add_operator(environment);
    timeline.print();
    println!("  ack gap, partitions led by it:    {led}");
    println!("  ack gap, partitions it followed:  {followed}\n");
    Ok((fault, load.now()))
}
