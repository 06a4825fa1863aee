//! A fault of the broker that leads most, again and again, under the verifying load.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

use super::coordinator;
use super::probe::{ProbePlan, probe};
use super::topology::{Topology, create_topic, wait_for};
use crate::host::steal::{ProcessorTime, Shares};
use crate::load::consumer::read_topic;
use crate::load::gaps::Gaps;
use crate::load::group::{GroupMember, GroupSettings, Seen};
use crate::load::history::{History, Micros};
use crate::load::producer::{Load, LoadSettings};
use crate::processes::Steps;
use crate::verify::{Duplicates, Verdict, verify};

/// How long a cluster may take to be whole again, and for leaders to be spread again.
pub(super) const HEAL_LIMIT: Duration = Duration::from_secs(120);
/// How long a partition may take to be written again before it counts as never.
const GAP_LIMIT: Duration = Duration::from_secs(60);
/// How long the load runs before the first kill, and between healing and the next kill: long
/// enough that no broker is killed twice within 12 s. librdkafka forgets failed dials 10 s after the
/// last one (`reconnect.backoff.max.ms`); where a broker dies and leads again sooner, over and
/// over, it is the pauses between the client's dials that are measured.
pub(super) const CALM: Duration = Duration::from_secs(5);
/// The same where one broker is struck each time: as long as the client needs to forget, counted from
/// the last dial, which is the one that follows the leaderships back.
const CALM_OF_ONE: Duration = Duration::from_secs(12);
/// How long reading everything back may take.
pub(super) const READ_LIMIT: Duration = Duration::from_secs(300);
/// How long a client may take until its first acknowledgements.
const START_LIMIT: Duration = Duration::from_secs(60);
/// How long clients may take to end.
pub(super) const STOP_LIMIT: Duration = Duration::from_secs(30);

/// The most partitions that probes ask for, of those led and of those followed each: more would be
/// a load of its own.
const PROBED_MAX: usize = 200;

/// How many partitions are written by one request before anything is measured.
const WRITTEN_AT_ONCE: usize = 1_000;

/// A cluster whose brokers can be hurt.
pub trait Target {
    /// `bootstrap.servers`.
    fn bootstrap(&self) -> String;

    /// Takes a broker away, by SIGKILL unless the target says otherwise; gives how long ago the
    /// signal was sent.
    ///
    /// # Errors
    /// If it cannot be done.
    fn strike(&mut self, broker: i32) -> anyhow::Result<Duration>;

    /// What the last failover's steps were, where the target's logs tell.
    fn steps(&self) -> Option<Steps> {
        None
    }

    /// Brings back what was taken away, if nobody else does.
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
    /// How many of them, from the first, are written.
    pub loaded: i32,
    /// How many times to strike.
    pub kills: usize,
    /// The time between two records of one partition.
    pub interval: Duration,
    /// Whether probes run beside the load.
    pub probes: bool,
    /// The least number of acknowledged records for the run to mean anything.
    pub acked_min: u64,
    /// Settings of the client.
    pub client: BTreeMap<String, String>,
    /// Apache Kafka's jars, where the clients are Java's; otherwise they are librdkafka's.
    pub java: Option<PathBuf>,
    /// Whether a member of a group reads and commits meanwhile; then its coordinator is struck.
    pub with_group: bool,
    /// Settings of that member.
    pub member: BTreeMap<String, String>,
}

impl FailoverSettings {
    /// Starts the load as set.
    ///
    /// # Errors
    /// If the client cannot be run.
    pub fn start_load(&self, bootstrap: &str, run: u64) -> anyhow::Result<Load> {
        let settings = LoadSettings {
            bootstrap: bootstrap.to_owned(),
            topic: self.topic.clone(),
            partitions: self.loaded,
            interval: self.interval,
            value_size_bytes: 100,
            client: self.client.clone(),
        };
        Ok(match &self.java {
            Some(jars) => Load::start_java(&settings, run, jars)?,
            None => Load::start(settings, run)?,
        })
    }

    /// How long all is left alone between two faults.
    fn calm(&self) -> Duration {
        match self.with_group {
            true => CALM_OF_ONE,
            false => CALM,
        }
    }

    fn start_group(&self, bootstrap: &str, load: &Load) -> anyhow::Result<Option<Watch>> {
        if !self.with_group {
            return Ok(None);
        }
        let group = format!("{}-group", self.topic);
        let settings = GroupSettings {
            bootstrap: bootstrap.to_owned(),
            topic: self.topic.clone(),
            group: group.clone(),
            run: load.run,
            epoch: load.epoch(),
            work: Duration::ZERO,
            client: self.member.clone(),
        };
        let member = match &self.java {
            Some(jars) => GroupMember::start_java(&settings, jars)?,
            None => GroupMember::start(&settings)?,
        };
        Ok(Some(Watch { group, member }))
    }
}

/// A member of a group beside the load.
struct Watch {
    group: String,
    member: GroupMember,
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
    /// The same in partitions that it only followed: until it is out of their ISR.
    pub served_followed: Gaps,
    /// Kill to the first record read that was sent after it, where a group was watched.
    pub read: Gaps,
    /// Kill to the first commit that began after it and succeeded, one a kill.
    pub commits: Gaps,
    /// Kill to every replica in sync again, of each kill.
    pub healed: Vec<Duration>,
    /// The steps of each failover, where the logs tell.
    pub steps: Vec<(Steps, Served)>,
    /// What was run.
    pub settings: FailoverSettings,
    /// What the log held against what producers were told.
    pub verdict: Verdict,
    /// Records acknowledged from each kill until its healing.
    pub acked_in_outages: u64,
    /// What the host did meanwhile.
    pub shares: Shares,
}

/// When the first and the last probed partition were served.
pub type Served = (Option<Duration>, Option<Duration>);

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
    write_everywhere(settings, &bootstrap, run)?;
    let load = settings.start_load(&bootstrap, run)?;
    let watch = settings.start_group(&bootstrap, &load)?;
    wait_for_first_acks(&load, settings.loaded)?;
    if let Some(watch) = &watch {
        let all: Vec<i32> = (0..settings.loaded).collect();
        wait_for_group(watch, &load, load.now(), &all);
    }
    let before = ProcessorTime::now()?;
    let mut rounds: Vec<Round> = Vec::new();
    for kill in 1..=settings.kills {
        let baseline =
            |topology: &Topology| topology.is_healthy(partitions) && topology.is_balanced();
        let what = "a clean baseline (all in sync, leaders spread)";
        wait_for(&bootstrap, &settings.topic, what, HEAL_LIMIT, baseline)?;
        std::thread::sleep(settings.calm());
        let round = kill_once(target, settings, &load, watch.as_ref(), &rounds)
            .with_context(|| format!("kill {kill}"))?;
        eprintln!("  kill {kill}/{}: {round}", settings.kills);
        rounds.push(round);
    }
    let shares = ProcessorTime::now()?.since(before);
    if let Some(watch) = watch {
        watch.member.stop(STOP_LIMIT)?;
    }
    let history = load.stop(STOP_LIMIT)?;
    let read = read_topic(&bootstrap, &settings.topic, settings.loaded, READ_LIMIT)?;
    let verdict = verify(run, &history, &read, Duplicates::Forbidden);
    ensure!(
        verdict.acked >= settings.acked_min,
        "the run means nothing: only {} records were acknowledged, at least {} are needed",
        verdict.acked,
        settings.acked_min
    );
    let all = |gaps: fn(&Round) -> &Gaps| {
        let mut sum = Gaps::default();
        rounds.iter().for_each(|round| sum.add(gaps(round)));
        sum
    };
    let acked = rounds
        .iter()
        .map(|round| history.acked_between(round.outage.0, round.outage.1));
    Ok(FailoverReport {
        led: all(|round| &round.led),
        followed: all(|round| &round.followed),
        served: all(|round| &round.served),
        served_followed: all(|round| &round.served_followed),
        read: all(|round| &round.read),
        commits: all(|round| &round.commit),
        healed: rounds.iter().map(|round| round.healed).collect(),
        steps: rounds.iter().filter_map(|round| round.steps).collect(),
        acked_in_outages: acked.sum(),
        settings: settings.clone(),
        verdict,
        shares,
    })
}

struct Round {
    broker: i32,
    led: Gaps,
    followed: Gaps,
    served: Gaps,
    served_followed: Gaps,
    read: Gaps,
    commit: Gaps,
    steps: Option<(Steps, Served)>,
    healed: Duration,
    outage: (Micros, Micros),
}

impl fmt::Display for Round {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "broker {}; led {}; followed {}",
            self.broker, self.led, self.followed
        )?;
        if self.served.total() > 0 {
            let followed = &self.served_followed;
            write!(f, "; served led {}; followed {followed}", self.served)?;
        }
        if self.commit.total() > 0 {
            write!(f, "; read {}; commit {}", self.read, self.commit)?;
        }
        write!(f, "; healed after {:.1?}", self.healed)
    }
}

fn kill_once(
    target: &mut dyn Target,
    settings: &FailoverSettings,
    load: &Load,
    watch: Option<&Watch>,
    before: &[Round],
) -> anyhow::Result<Round> {
    let bootstrap = target.bootstrap();
    let topology = Topology::fetch(&bootstrap, &settings.topic)?;
    let broker = match watch {
        Some(watch) => coordinator::find(&bootstrap, &watch.group)?,
        None => choose(&topology, before)?,
    };
    let plans = plan_probes(settings, load, &topology, broker);
    let is_loaded = |partition: &i32| *partition < settings.loaded;
    let mut led = topology.led_by(broker);
    let mut followed = topology.followed_by(broker);
    led.retain(is_loaded);
    followed.retain(is_loaded);
    let ago = target.strike(broker)?;
    let started = Instant::now().checked_sub(ago).unwrap_or_else(Instant::now);
    let fault = load
        .now()
        .saturating_sub(Micros::try_from(ago.as_micros())?);
    let served_at = probe_all(&plans, started);
    let all: Vec<i32> = led.iter().chain(&followed).copied().collect();
    wait_for_acks(load, fault, &all);
    if let Some(watch) = watch {
        wait_for_group(watch, load, fault, &all);
    }
    let served = (
        served_at[0].values().min().copied(),
        served_at[0].values().max().copied(),
    );
    let steps = target.steps().map(|steps| (steps, served));
    target.revive(broker)?;
    let partitions = settings.partitions.unsigned_abs() as usize;
    let what = "every replica to be in sync again";
    wait_for(&bootstrap, &settings.topic, what, HEAL_LIMIT, |t| {
        t.is_healthy(partitions)
    })?;
    let healed = started.elapsed();
    let history = load.history();
    let gaps = watch.map(|watch| {
        watch
            .member
            .look(|seen| group_gaps(seen, &history, fault, &all))
    });
    let (read, commit) = gaps.unwrap_or_default();
    Ok(Round {
        broker,
        led: Gaps::after(&history, fault, led),
        followed: Gaps::after(&history, fault, followed),
        served: served_gaps(&plans[0], &served_at[0]),
        served_followed: served_gaps(&plans[1], &served_at[1]),
        read,
        commit,
        steps,
        healed,
        outage: (fault, load.now()),
    })
}

fn choose(topology: &Topology, before: &[Round]) -> anyhow::Result<i32> {
    let mut kills_of: BTreeMap<i32, usize> = BTreeMap::new();
    for round in before {
        *kills_of.entry(round.broker).or_default() += 1;
    }
    topology
        .leads_most_of(&kills_of)
        .context("the cluster has no brokers")
}

/// Probes of partitions that the broker leads, and of those that it only follows.
fn plan_probes(
    settings: &FailoverSettings,
    load: &Load,
    topology: &Topology,
    broker: i32,
) -> [ProbePlan; 2] {
    let others = topology.brokers.iter().filter(|(id, _)| **id != broker);
    let others: Vec<_> = others.map(|(_, address)| address.clone()).collect();
    [topology.led_by(broker), topology.followed_by(broker)].map(|partitions| {
        let step = partitions.len().div_ceil(PROBED_MAX).max(1);
        let probed = partitions.into_iter().step_by(step);
        ProbePlan {
            topic: settings.topic.clone(),
            run: load.run,
            partitions: match settings.probes {
                true => probed.collect(),
                false => Default::default(),
            },
            brokers: others.clone(),
        }
    })
}

/// Probes both kinds at once, each over connections of its own.
fn probe_all(plans: &[ProbePlan; 2], started: Instant) -> [BTreeMap<i32, Duration>; 2] {
    let [led, followed] = plans;
    std::thread::scope(|scope| {
        let followed = scope.spawn(move || probe(followed, started, GAP_LIMIT));
        let led = probe(led, started, GAP_LIMIT);
        // A probe that panicked served nothing.
        [led, followed.join().unwrap_or_default()]
    })
}

fn group_gaps(seen: &Seen, history: &History, fault: Micros, partitions: &[i32]) -> (Gaps, Gaps) {
    let read = partitions.iter();
    let read = read.map(|partition| seen.read_gap(history, *partition, fault));
    (
        Gaps::from_micros(read),
        Gaps::from_micros([seen.commit_gap(fault)]),
    )
}

/// Waits until the group's member read from each partition, and committed.
fn wait_for_group(watch: &Watch, load: &Load, fault: Micros, partitions: &[i32]) {
    let deadline = Instant::now() + GAP_LIMIT;
    let is_missing = || {
        watch.member.look(|seen| {
            let unread = |history: &History| {
                let mut all = partitions.iter();
                all.any(|id| seen.read_gap(history, *id, fault).is_none())
            };
            seen.commit_gap(fault).is_none() || load.look(unread)
        })
    };
    while Instant::now() < deadline && is_missing() {
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// Writes a record to every partition before anything is measured: the metadata names new replicas as
/// in sync before brokers have made their logs.
fn write_everywhere(settings: &FailoverSettings, bootstrap: &str, run: u64) -> anyhow::Result<()> {
    let partitions = settings.partitions.unsigned_abs() as usize;
    let what = "every partition to be led";
    let topology = wait_for(bootstrap, &settings.topic, what, HEAL_LIMIT, |t| {
        t.is_healthy(partitions)
    })?;
    let all: Vec<i32> = topology.partitions.keys().copied().collect();
    for asked in all.chunks(WRITTEN_AT_ONCE) {
        let plan = ProbePlan {
            topic: settings.topic.clone(),
            run,
            partitions: asked.iter().copied().collect(),
            brokers: topology.brokers.values().cloned().collect(),
        };
        let written = probe(&plan, Instant::now(), HEAL_LIMIT).len();
        ensure!(
            written == asked.len(),
            "only {written} of {} partitions were written within {HEAL_LIMIT:?}",
            asked.len()
        );
    }
    Ok(())
}

/// Waits until each partition acknowledged a record: a client may need a while to start.
pub(super) fn wait_for_first_acks(load: &Load, partitions: i32) -> anyhow::Result<()> {
    let deadline = Instant::now() + START_LIMIT;
    let mut missing: BTreeSet<i32> = (0..partitions).collect();
    loop {
        load.look(|history| missing.retain(|id| history.gap_after(*id, 0).is_none()));
        if missing.is_empty() {
            return Ok(());
        }
        ensure!(
            Instant::now() < deadline,
            "no acknowledgement from each partition in {START_LIMIT:?}"
        );
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Waits until each of these partitions acknowledged a record that was sent after the fault.
fn wait_for_acks(load: &Load, fault: Micros, partitions: &[i32]) {
    let deadline = Instant::now() + GAP_LIMIT;
    let mut missing: BTreeSet<i32> = partitions.iter().copied().collect();
    while Instant::now() < deadline && !missing.is_empty() {
        std::thread::sleep(Duration::from_millis(50));
        load.look(|history| missing.retain(|id| history.gap_after(*id, fault).is_none()));
    }
}

fn served_gaps(plan: &ProbePlan, served_at: &BTreeMap<i32, Duration>) -> Gaps {
    let gaps = plan
        .partitions
        .iter()
        .map(|partition| served_at.get(partition).copied());
    Gaps::from_durations(gaps)
}
