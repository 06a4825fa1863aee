//! A rolling restart under the verifying load: SIGTERM, wait, start again, broker after broker.

use std::fmt;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

use super::failover::{
    CALM, FailoverSettings, HEAL_LIMIT, READ_LIMIT, STOP_LIMIT, wait_for_first_acks,
};
use super::topology::{Topology, create_topic, wait_for};
use crate::host::steal::{ProcessorTime, Shares};
use crate::load::consumer::read_topic;
use crate::load::gaps::Gaps;
use crate::load::producer::Load;
use crate::verify::{Duplicates, Verdict, verify};

/// A cluster whose brokers can be stopped and started.
pub trait Rollable {
    /// `bootstrap.servers`.
    fn bootstrap(&self) -> String;

    /// Stops a broker by SIGTERM and waits for its end.
    ///
    /// # Errors
    /// If it does not end by itself.
    fn stop(&mut self, broker: i32) -> anyhow::Result<()>;

    /// Starts it again.
    ///
    /// # Errors
    /// If it cannot be started.
    fn start(&mut self, broker: i32) -> anyhow::Result<()>;
}

/// What was measured.
#[derive(Clone, Debug)]
pub struct RollReport {
    /// The longest time between two acknowledgements of each partition, in each restart.
    pub silences: Gaps,
    /// The same before the first restart: the load's own.
    pub calm: Gaps,
    /// SIGTERM to the process's end, of each restart.
    pub stops: Vec<Duration>,
    /// Records that the producer gave up on.
    pub failed: u64,
    /// What the log held against what producers were told.
    pub verdict: Verdict,
    /// What the host did meanwhile.
    pub shares: Shares,
    /// The time between two records of one partition.
    pub interval: Duration,
}

/// Restarts every broker, `settings.kills` times over.
///
/// # Errors
/// If the cluster does not become whole, too little was acknowledged, or a tool fails.
pub fn run(target: &mut dyn Rollable, settings: &FailoverSettings) -> anyhow::Result<RollReport> {
    let (bootstrap, topic) = (target.bootstrap(), settings.topic.clone());
    create_topic(&bootstrap, &topic, settings.partitions, 3, HEAL_LIMIT)?;
    let whole = settings.partitions.unsigned_abs() as usize;
    let baseline = |t: &Topology| t.is_healthy(whole) && t.is_balanced();
    let what = "a clean baseline (all in sync, leaders spread)";
    let topology = wait_for(&bootstrap, &topic, what, HEAL_LIMIT, baseline)?;
    let run = fastrand::u64(..);
    let load = settings.start_load(&bootstrap, run)?;
    let before = ProcessorTime::now()?;
    wait_for_first_acks(&load, settings.loaded)?;
    let began = load.now();
    std::thread::sleep(CALM);
    let mut report = Measured {
        calm: silences(&load, settings.loaded, began, load.now()),
        ..Measured::default()
    };
    for round in 1..=settings.kills {
        for broker in topology.brokers.keys() {
            let from = load.now();
            let started = Instant::now();
            target
                .stop(*broker)
                .with_context(|| format!("failed to stop broker {broker}"))?;
            report.stops.push(started.elapsed());
            target.start(*broker)?;
            wait_for(&bootstrap, &topic, what, HEAL_LIMIT, baseline)?;
            std::thread::sleep(CALM);
            let silences = silences(&load, settings.loaded, from, load.now());
            eprintln!(
                "  round {round}, broker {broker}: stopped in {:.0?}; longest silences {silences}",
                report.stops.last().copied().unwrap_or_default()
            );
            report.silences.add(&silences);
        }
    }
    let shares = ProcessorTime::now()?.since(before);
    let history = load.stop(STOP_LIMIT)?;
    let read = read_topic(&bootstrap, &topic, settings.loaded, READ_LIMIT)?;
    let verdict = verify(run, &history, &read, Duplicates::Forbidden);
    ensure!(
        verdict.acked >= settings.acked_min,
        "the run means nothing: only {} records were acknowledged",
        verdict.acked
    );
    Ok(RollReport {
        silences: report.silences,
        calm: report.calm,
        stops: report.stops,
        failed: history.failed(),
        interval: settings.interval,
        verdict,
        shares,
    })
}

#[derive(Default)]
struct Measured {
    silences: Gaps,
    calm: Gaps,
    stops: Vec<Duration>,
}

fn silences(load: &Load, partitions: i32, from: u64, to: u64) -> Gaps {
    load.look(|history| {
        Gaps::from_micros((0..partitions).map(|id| history.longest_silence_between(id, from, to)))
    })
}

impl fmt::Display for RollReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut stops = self.stops.clone();
        stops.sort_unstable();
        let median = stops.get(stops.len() / 2).copied().unwrap_or_default();
        let most = stops.last().copied().unwrap_or_default();
        writeln!(f, "resolution: acks {:?}", self.interval)?;
        writeln!(f, "failed sends: {}", self.failed)?;
        writeln!(f, "longest silence of a partition {}", self.silences)?;
        writeln!(f, "  without any restart          {}", self.calm)?;
        writeln!(f, "SIGTERM to the end: median {median:.0?}, max {most:.0?}")?;
        writeln!(f, "{}", self.shares)?;
        write!(
            f,
            "verdict after {} restarts: {}",
            stops.len(),
            self.verdict
        )
    }
}
