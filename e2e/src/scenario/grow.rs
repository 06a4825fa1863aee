//! A fourth broker joins, and new topics use it.

use std::time::Duration;

use anyhow::ensure;

use super::baseline;
use super::environment::{Environment, HEAL_LIMIT};
use super::under_load;
use crate::bench::topology::{Topology, create_topic, wait_for};

/// How long the new broker may take to be ready.
const JOIN_LIMIT: Duration = Duration::from_secs(90);
/// Partitions of the new topic.
const NEW_PARTITIONS: i32 = 24;

/// Waits until so many brokers are ready.
///
/// # Errors
/// If they do not become so in time.
pub fn wait_for_brokers(environment: &Environment, count: usize) -> anyhow::Result<()> {
    let what = format!("{count} brokers to be ready");
    environment.kubernetes.wait(&what, JOIN_LIMIT, |_| {
        let brokers = environment.brokers()?;
        let ready = brokers.values().filter(|pod| pod.ready).count();
        let is_done = ready == count;
        Ok(if is_done {
            Ok(())
        } else {
            Err(format!("{ready} brokers are ready"))
        })
    })
}

/// Raises the number of brokers under load, as `kubectl scale` does, and creates a topic.
///
/// # Errors
/// If the broker does not join, gets no replicas, or the verdict has findings.
pub fn run(environment: &mut Environment) -> anyhow::Result<()> {
    under_load::run(environment, "grow", |environment, _| {
        environment
            .kubernetes
            .scale_cluster(&environment.cluster, 4)?;
        wait_for_brokers(environment, 4)?;
        baseline::wait(environment, HEAL_LIMIT)?;
        let bootstrap = environment.bootstrap()?;
        let topic = "made-after-growing";
        create_topic(&bootstrap, topic, NEW_PARTITIONS, 3, HEAL_LIMIT)?;
        let partitions = usize::try_from(NEW_PARTITIONS)?;
        let whole = |topology: &Topology| topology.is_healthy(partitions);
        let topology = wait_for(
            &bootstrap,
            topic,
            "the new topic to be whole",
            HEAL_LIMIT,
            whole,
        )?;
        let (led, followed) = (topology.led_by(3).len(), topology.followed_by(3).len());
        println!("  broker 3 leads {led} and follows {followed} of {partitions} new partitions");
        ensure!(
            led > 0 && followed > 0,
            "the new broker received no replicas"
        );
        Ok(())
    })
}
