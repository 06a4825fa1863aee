//! The acts: a history is learned, a load comes and a broker joins, the load is gone and a broker leaves.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use jiff::Timestamp;

use super::loads::share_of;
use super::sampler::Sampler;
use super::timetable::Timetable;
use crate::demo::timeline::Timeline;
use crate::scenario::autoscale::{wait_for_size, wait_until_filled};
use crate::scenario::baseline;
use crate::scenario::environment::{Environment, HEAL_LIMIT};
use crate::scenario::grow::wait_for_brokers;

/// How long the history may take to be read: a look comes each 5 s.
const LEARN_LIMIT: Duration = Duration::from_secs(60);
/// How long a forecast may take then: the load of now must be measured, and its minute have ended.
const FORECAST_LIMIT: Duration = Duration::from_secs(120);
/// How long a decision to grow may take: the second rise comes seven minutes after it was planned, the
/// load is averaged with a half-life of 30 s, and the next broker is decided 90 s after the one before
/// at the earliest.
const GROW_DECISION_LIMIT: Duration = Duration::from_secs(600);
/// How long a decision to shrink may take: nothing shrinks before 300 s of load were observed, and the
/// forecast's level takes minutes to follow a fall.
const SHRINK_DECISION_LIMIT: Duration = Duration::from_secs(600);
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

/// Waits until the operator has learned from the history, and exports a forecast that has skill.
///
/// # Errors
/// If it does not, or what it exports is not so.
pub fn taught(environment: &Environment, sampler: &Sampler) -> anyhow::Result<()> {
    let kubernetes = &environment.kubernetes;
    let known = "the operator to learn from the history";
    let note = kubernetes.wait(known, LEARN_LIMIT, |kubernetes| {
        let events = kubernetes.events_with_times()?;
        let told = |word: &str| {
            let of = events.iter().filter(|(_, reason, _)| reason == word);
            of.max_by_key(|(at, ..)| *at).map(|(.., note)| note.clone())
        };
        Ok(told("HistoryLearned").ok_or_else(|| told("HistoryRefused").unwrap_or_default()))
    })?;
    println!("  Event HistoryLearned: {note}");
    let shown = "a forecast with skill to be exported";
    let (forecast, skill) = kubernetes.wait(shown, FORECAST_LIMIT, |_| {
        let exported = sampler.newest().unwrap_or_default();
        let forecast = exported.forecast.zip(exported.forecast_skill);
        let skilled = forecast.filter(|(_, skill)| *skill > 0.0);
        Ok(skilled.ok_or_else(|| format!("it exports {forecast:?}")))
    })?;
    println!(
        "  the operator exports a forecast of {forecast:.1} full brokers; its errors are {:.0} % below a naive forecast's",
        100.0 * skill
    );
    Ok(())
}

/// Waits until the operator decides for a size, tells how long before the load rises that was, and waits
/// until the broker that joins carries its share; gives the reason. `known` are the brokers before, and
/// after.
///
/// # Errors
/// If any of it takes too long.
pub fn grow(
    environment: &Environment,
    sampler: &Sampler,
    timetable: &Timetable,
    known: &mut BTreeSet<i32>,
    (size, rises): (usize, Timestamp),
) -> anyhow::Result<String> {
    let reason = decided(environment, sampler, size, GROW_DECISION_LIMIT)?;
    let at = decision_time(environment)?;
    let ahead = rises.duration_since(at).as_secs();
    match ahead > 0 {
        true => println!("  AHEAD of the load, by {ahead} s"),
        false => println!("  {} s after the load rose", -ahead),
    }
    // It may have been decided while the history was looked after.
    let ago = Timestamp::now().duration_since(at);
    let ago = Duration::try_from(ago).unwrap_or(Duration::ZERO);
    let mut timeline = Timeline::begin_before(ago, &format!("{size} brokers decided"));
    wait_for_brokers(environment, size)?;
    timeline.add_now("every broker is ready");
    let (broker, led, followed) = share(environment, &timetable.topics(), known)?;
    known.insert(broker);
    timeline.add_now(&format!(
        "broker {broker} leads {led} partitions and follows {followed}"
    ));
    sampler.mark(&format!("broker {broker} filled"));
    timeline.add_events(environment, &REASONS);
    timeline.print();
    println!();
    Ok(reason)
}

/// When the size in force was decided, as the status says, in whole seconds.
fn decision_time(environment: &Environment) -> anyhow::Result<Timestamp> {
    let kubernetes = &environment.kubernetes;
    let status = kubernetes.cluster_status(&environment.cluster)?;
    let told = status["autoscaling"]["lastScaleTime"].as_str();
    let told = told.context("the status does not say when the size was decided")?;
    Ok(told.parse()?)
}

/// Whether a reason in the status's words is the forecast's.
pub fn is_by_forecast(reason: &str) -> bool {
    reason.contains("when a change takes effect, the load is expected to fill")
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

/// Waits for the decision; prints it in the status's words, and how long it took; gives the words.
fn decided(
    environment: &Environment,
    sampler: &Sampler,
    size: usize,
    limit: Duration,
) -> anyhow::Result<String> {
    let began = Instant::now();
    let reason = wait_for_size(environment, size, limit)?;
    println!(
        "  DECIDED after {:.1?}: {size} brokers; the status says: {reason}",
        began.elapsed()
    );
    sampler.mark(&format!("{size} decided"));
    Ok(reason)
}

/// Waits until a broker that was not there before is filled: who it is, and how many partitions it
/// leads and follows.
fn share(
    environment: &Environment,
    topics: &[String],
    before: &BTreeSet<i32>,
) -> anyhow::Result<(i32, usize, usize)> {
    let broker = wait_until_filled(environment, before, FILL_LIMIT)?;
    let bootstrap = environment.bootstrap()?;
    let (mut led, mut followed) = (0, 0);
    for topic in topics {
        let (leads, follows) = share_of(topic, &bootstrap, broker)?;
        (led, followed) = (led + leads, followed + follows);
    }
    ensure!(led > 0, "broker {broker} was filled and leads nothing");
    Ok((broker, led, followed))
}
