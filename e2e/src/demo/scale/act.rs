//! The acts: the load rises and a broker joins; the load is gone and a broker leaves.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::ensure;

use super::loads::Running;
use super::sampler::Sampler;
use crate::demo::timeline::Timeline;
use crate::scenario::autoscale::{wait_for_size, wait_until_filled};
use crate::scenario::baseline;
use crate::scenario::environment::{Environment, HEAL_LIMIT};
use crate::scenario::grow::wait_for_brokers;

/// How long a decision to grow may take: the load is averaged with a half-life of 30 s, and the next
/// broker is decided 90 s after the one before at the earliest.
const GROW_DECISION_LIMIT: Duration = Duration::from_secs(180);
/// How long a decision to shrink may take: nothing shrinks before 300 s of load were observed.
const SHRINK_DECISION_LIMIT: Duration = Duration::from_secs(420);
/// How long a broker that joined may take to get its share.
const FILL_LIMIT: Duration = Duration::from_secs(240);
/// How long a broker that leaves may take to be drained and gone.
const DRAIN_LIMIT: Duration = Duration::from_secs(300);

/// What of the operator's Events belongs on the timelines.
const REASONS: [&str; 13] = [
    "ScaledUp",
    "ScaledDown",
    "VolumeCreated",
    "PodCreated",
    "PodDeleted",
    "RebalanceCreated",
    "RebalanceCompleted",
    "RebalanceFailed",
    "BrokerCordoned",
    "BrokerDrained",
    "BrokerUnregistered",
    "VolumeDeleted",
    "GateClosed",
];

/// Waits until the operator decides for `size` brokers, and the one that joins carries its share.
///
/// # Errors
/// If any of it takes too long.
pub fn grow(
    environment: &Environment,
    sampler: &Sampler,
    loads: &[Running],
    size: usize,
) -> anyhow::Result<()> {
    let before: BTreeSet<i32> = environment.brokers()?.into_keys().collect();
    let mut timeline = Timeline::begin("more load");
    sampler.mark("more load");
    decided(environment, sampler, size, GROW_DECISION_LIMIT)?;
    wait_for_brokers(environment, size)?;
    timeline.add_now("every broker is ready");
    baseline::wait(environment, HEAL_LIMIT)?;
    let (broker, led, followed) = share(environment, loads, &before)?;
    timeline.add_now(&format!(
        "broker {broker} leads {led} partitions and follows {followed}"
    ));
    sampler.mark(&format!("broker {broker} filled"));
    baseline::wait(environment, HEAL_LIMIT)?;
    timeline.add_events(environment, &REASONS);
    timeline.print();
    println!();
    Ok(())
}

/// Waits until the operator decides for `size` brokers, and the one that leaves is gone.
///
/// # Errors
/// If any of it takes too long.
pub fn shrink(environment: &Environment, sampler: &Sampler, size: usize) -> anyhow::Result<()> {
    let mut timeline = Timeline::begin("waiting for fewer brokers");
    decided(environment, sampler, size, SHRINK_DECISION_LIMIT)?;
    let what = "the broker that leaves to be gone";
    environment.kubernetes.wait(what, DRAIN_LIMIT, |_| {
        let pods = environment.brokers()?.len();
        Ok((pods == size).then_some(()).ok_or(format!("{pods} pods")))
    })?;
    timeline.add_now(&format!("{size} brokers are left"));
    sampler.mark(&format!("{size} are left"));
    baseline::wait(environment, HEAL_LIMIT)?;
    timeline.add_events(environment, &REASONS);
    timeline.print();
    println!();
    Ok(())
}

/// Waits for the decision; prints it in the status's words, and how long it took.
fn decided(
    environment: &Environment,
    sampler: &Sampler,
    size: usize,
    limit: Duration,
) -> anyhow::Result<()> {
    let began = Instant::now();
    let reason = wait_for_size(environment, size, limit)?;
    println!(
        "  DECIDED after {:.1?}: {size} brokers; the status says: {reason}",
        began.elapsed()
    );
    sampler.mark(&format!("{size} decided"));
    Ok(())
}

/// Waits until a broker that was not there before is filled: who it is, and how many partitions it
/// leads and follows.
fn share(
    environment: &Environment,
    loads: &[Running],
    before: &BTreeSet<i32>,
) -> anyhow::Result<(i32, usize, usize)> {
    let broker = wait_until_filled(environment, before, FILL_LIMIT)?;
    let bootstrap = environment.bootstrap()?;
    let (mut led, mut followed) = (0, 0);
    for load in loads {
        let (leads, follows) = load.share_of(&bootstrap, broker)?;
        (led, followed) = (led + leads, followed + follows);
    }
    ensure!(led > 0, "broker {broker} was filled and leads nothing");
    Ok((broker, led, followed))
}
