//! Kill -9 of the broker that leads most, again and again, under the verifying load.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

use super::probe::{PROBE_INTERVAL, ProbePlan, probe};
use super::topology::{Topology, create_topic, wait_for};
use crate::host::steal::{ProcessorTime, Shares};
use crate::load::consumer::read_topic;
use crate::load::gaps::Gaps;
use crate::load::history::{History, Micros};
use crate::load::producer::{Load, LoadSettings};
use crate::verify::{Duplicates, Verdict, verify};

/// How long a cluster may take to be whole again, and for leaders to be spread again.
const HEAL_LIMIT: Duration = Duration::from_secs(120);
/// How long a partition may take to be written again before it counts as never.
const GAP_LIMIT: Duration = Duration::from_secs(60);
/// How long the load runs before the first kill, and between healing and the next kill.
const CALM: Duration = Duration::from_secs(2);
/// How long reading everything back may take.
const READ_LIMIT: Duration = Duration::from_secs(300);

/// A cluster whose brokers can be killed.
pub trait Target {
    /// `bootstrap.servers`.
    fn bootstrap(&self) -> String;

    /// Ends a broker's process with SIGKILL; gives how long ago the signal was sent.
    ///
    /// # Errors
    /// If it cannot be killed.
    fn kill(&mut self, broker: i32) -> anyhow::Result<Duration>;

    /// Brings it back, if nobody else does.
    ///
    /// # Errors
    /// If it cannot be started.
    fn revive(&mut self, broker: i32) -> anyhow::Result<()>;
}

/// What to run.
#[derive(Clone, Debug)]
pub struct FailoverSettings {
    /// The topic; created if it is not there.
    pub topic: String,
    /// Its number of partitions.
    pub partitions: i32,
    /// How many times to kill.
    pub kills: usize,
    /// The time between two records of one partition.
    pub interval: Duration,
    /// Whether probes run beside the load.
    pub probes: bool,
    /// The least number of acknowledged records for the run to mean anything.
    pub acked_min: u64,
    /// Settings of librdkafka.
    pub client: BTreeMap<String, String>,
}

/// What was measured.
#[derive(Clone, Debug)]
pub struct FailoverReport {
    /// The load's gaps in partitions that the dead broker led.
    pub led: Gaps,
    /// The load's gaps in partitions that it only followed.
    pub followed: Gaps,
    /// Kill to the first acknowledged probe, in partitions that it led.
    pub served: Gaps,
    /// Kill to every replica in sync again, of each kill.
    pub healed: Vec<Duration>,
    /// What the log held against what producers were told.
    pub verdict: Verdict,
    /// Records acknowledged from each kill until its healing.
    pub acked_in_outages: u64,
    /// What the host did meanwhile.
    pub shares: Shares,
}

/// Runs it.
///
/// # Errors
/// If the cluster does not become whole, too little was acknowledged, or a tool fails. A verdict
/// with findings is no error here: the caller judges the report.
pub fn run(target: &mut dyn Target, settings: &FailoverSettings) -> anyhow::Result<FailoverReport> {
    let bootstrap = target.bootstrap();
    let partitions = settings.partitions.unsigned_abs() as usize;
    create_topic(
        &bootstrap,
        &settings.topic,
        settings.partitions,
        3,
        HEAL_LIMIT,
    )?;
    let run = fastrand::u64(..);
    let load = Load::start(
        LoadSettings {
            bootstrap: bootstrap.clone(),
            topic: settings.topic.clone(),
            partitions: settings.partitions,
            interval: settings.interval,
            value_size_bytes: 100,
            client: settings.client.clone(),
        },
        run,
    )?;
    let before = ProcessorTime::now()?;
    let (mut led, mut followed, mut served) = (Gaps::default(), Gaps::default(), Gaps::default());
    let (mut healed, mut outages) = (Vec::new(), Vec::new());
    let mut kills_of: BTreeMap<i32, usize> = BTreeMap::new();
    for kill in 1..=settings.kills {
        let baseline =
            |topology: &Topology| topology.is_healthy(partitions) && topology.is_balanced();
        let what = "a clean baseline (all in sync, leaders spread)";
        wait_for(&bootstrap, &settings.topic, what, HEAL_LIMIT, baseline)?;
        std::thread::sleep(CALM);
        let round = kill_once(target, settings, &load, &kills_of)
            .with_context(|| format!("kill {kill}"))?;
        eprintln!(
            "  kill {kill}/{}: broker {}; led {}; followed {}; served {}; healed after {:.1?}",
            settings.kills, round.broker, round.led, round.followed, round.served, round.healed
        );
        *kills_of.entry(round.broker).or_default() += 1;
        led.add(&round.led);
        followed.add(&round.followed);
        served.add(&round.served);
        healed.push(round.healed);
        outages.push(round.outage);
    }
    let shares = ProcessorTime::now()?.since(before);
    let history = load.stop(Duration::from_secs(30))?;
    let read = read_topic(&bootstrap, &settings.topic, settings.partitions, READ_LIMIT)?;
    let verdict = verify(run, &history, &read, Duplicates::Forbidden);
    ensure!(
        verdict.acked >= settings.acked_min,
        "the run means nothing: only {} records were acknowledged, at least {} are needed",
        verdict.acked,
        settings.acked_min
    );
    let acked_in_outages = outages
        .iter()
        .map(|(from, to)| history.acked_between(*from, *to))
        .sum();
    Ok(FailoverReport {
        led,
        followed,
        served,
        healed,
        verdict,
        acked_in_outages,
        shares,
    })
}

struct Round {
    broker: i32,
    led: Gaps,
    followed: Gaps,
    served: Gaps,
    healed: Duration,
    outage: (Micros, Micros),
}

fn kill_once(
    target: &mut dyn Target,
    settings: &FailoverSettings,
    load: &Load,
    kills_of: &BTreeMap<i32, usize>,
) -> anyhow::Result<Round> {
    let bootstrap = target.bootstrap();
    let topology = Topology::fetch(&bootstrap, &settings.topic)?;
    let broker = topology
        .leads_most_of(kills_of)
        .context("the cluster has no brokers")?;
    let (led, followed) = (topology.led_by(broker), topology.followed_by(broker));
    let others = topology.brokers.iter().filter(|(id, _)| **id != broker);
    let plan = ProbePlan {
        topic: settings.topic.clone(),
        run: load.run,
        partitions: if settings.probes {
            led.clone()
        } else {
            Default::default()
        },
        brokers: others.map(|(_, address)| address.clone()).collect(),
    };
    let ago = target.kill(broker)?;
    let started = Instant::now().checked_sub(ago).unwrap_or_else(Instant::now);
    let fault = load
        .now()
        .saturating_sub(Micros::try_from(ago.as_micros())?);
    let served_at = probe(&plan, started, GAP_LIMIT);
    let all: Vec<i32> = led.iter().chain(&followed).copied().collect();
    wait_for_acks(load, fault, &all);
    target.revive(broker)?;
    let partitions = settings.partitions.unsigned_abs() as usize;
    let what = "every replica to be in sync again";
    wait_for(&bootstrap, &settings.topic, what, HEAL_LIMIT, |t| {
        t.is_healthy(partitions)
    })?;
    let healed = started.elapsed();
    let history = load.history();
    Ok(Round {
        broker,
        led: Gaps::after(&history, fault, led.iter().copied()),
        followed: Gaps::after(&history, fault, followed),
        served: served_gaps(&plan, &served_at),
        healed,
        outage: (fault, load.now()),
    })
}

/// Waits until each of these partitions acknowledged a record that was sent after the fault.
fn wait_for_acks(load: &Load, fault: Micros, partitions: &[i32]) {
    let deadline = Instant::now() + GAP_LIMIT;
    let missing = |history: &History| {
        partitions
            .iter()
            .any(|partition| history.gap_after(*partition, fault).is_none())
    };
    while Instant::now() < deadline && missing(&load.history()) {
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn served_gaps(plan: &ProbePlan, served_at: &BTreeMap<i32, Duration>) -> Gaps {
    let gaps = plan
        .partitions
        .iter()
        .map(|partition| served_at.get(partition).copied());
    Gaps::from_durations(gaps)
}

impl fmt::Display for FailoverReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut healed = self.healed.clone();
        healed.sort_unstable();
        let median = healed.get(healed.len() / 2).copied().unwrap_or_default();
        writeln!(
            f,
            "new leaders serving (probe, {PROBE_INTERVAL:?} apart): {}",
            self.served
        )?;
        writeln!(
            f,
            "ack gap, partitions led by the dead broker:      {}",
            self.led
        )?;
        writeln!(
            f,
            "ack gap, partitions it only followed:            {}",
            self.followed
        )?;
        writeln!(
            f,
            "every replica in sync again: median {median:.1?} after {} kills",
            healed.len()
        )?;
        writeln!(
            f,
            "acked during the outages: {}; {}",
            self.acked_in_outages, self.shares
        )?;
        write!(f, "verdict after {} kills: {}", healed.len(), self.verdict)
    }
}
