//! Topics that ask for it are given partitions, by throughput and by a group's lag, once; one that does
//! not ask is left alone. Records and readers go on.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use serde_json::{Value, json};

use super::baseline;
use super::environment::{Environment, HEAL_LIMIT};
use super::sent_load::SentLoad;
use crate::bench::topology::{Topology, wait_for};
use crate::load::group::{GroupMember, GroupSettings};
use crate::load::history::{History, Outcome};
use crate::load::producer::{Load, LoadSettings};

/// Replicas of each partition.
const COPIES: i32 = 3;
/// How long partitions must have been too few here. The default is too long for a test.
const HOLD: Duration = Duration::from_secs(20);
/// How long after one growth the next may come: the least that the definition allows.
const COOLDOWN: Duration = Duration::from_secs(60);
/// How long after the load began partitions may be added: it is measured for 15 s, smoothed, and looked
/// at each 15 s.
const GROWTH_LIMIT: Duration = Duration::from_secs(120);
/// How long clients may take to find new partitions, with the settings of [`clients`].
const FOUND_LIMIT: Duration = Duration::from_secs(60);
/// How long nothing more may be added: cooldown, hold time, and two looks.
const WATCHED: Duration = Duration::from_secs(120);
/// How long a reader may take for what is left when the load has ended.
const READ_LIMIT: Duration = Duration::from_secs(60);
/// How many records the producer of each topic must have sent for it to mean anything.
const ACKED_MIN: u64 = 2_000;

/// Has topics grow under load.
///
/// # Errors
/// If one grows that should not, does not that should, or again; if its status does not tell why; or if a
/// record is lost, or not read.
pub fn run(environment: &mut Environment) -> anyhow::Result<()> {
    baseline::check(environment, HEAL_LIMIT)?;
    let tag = format!("{:08x}", fastrand::u32(..));
    refuse(environment, &tag)?;
    let wide = Case::begin(environment, &tag, WIDE)?;
    let alone = Case::begin(environment, &tag, ALONE)?;
    let slow = Case::begin(environment, &tag, SLOW)?;

    let by_throughput = wide.wait_for_growth(environment)?;
    ensure!(
        (8..=12).contains(&by_throughput),
        "{by_throughput} partitions are not what 600 kB/s ask for at 80 kB/s, a fifth to spare"
    );
    wide.ensure_told(environment, "lastGrowthReason", "above the target")?;
    let by_lag = slow.wait_for_growth(environment)?;
    ensure!(by_lag == 2, "one partition became {by_lag}");
    slow.ensure_told(environment, "lastGrowthReason", "does not catch up")?;

    wide.use_new(by_throughput)?;
    slow.use_new(by_lag)?;
    for case in [&wide, &slow] {
        environment.kubernetes.wipe_topic_status(&case.name)?;
    }
    let counts = [
        (&wide, by_throughput),
        (&alone, ALONE.partitions),
        (&slow, by_lag),
    ];
    left_alone(environment, &counts)?;
    wide.ensure_told(environment, "state", "Enough")?;
    wide.ensure_told(environment, "reason", "the target is")?;
    slow.ensure_told(
        environment,
        "reason",
        "more members help, more partitions do not",
    )?;
    ensure!(
        alone.growth(environment)?.is_null(),
        "the status of a topic that does not ask tells of growth"
    );

    for (case, partitions) in [
        (wide, by_throughput),
        (alone, ALONE.partitions),
        (slow, by_lag),
    ] {
        case.end(environment, partitions)?;
    }
    baseline::wait(environment, HEAL_LIMIT)
}

/// What must not be taken without a word, and what with none.
fn refuse(environment: &Environment, tag: &str) -> anyhow::Result<()> {
    let name = format!("refused-{tag}");
    let growth = |more: Value| json!({"clusterName": "demo", "partitionGrowth": more});
    let mut compacted = growth(json!({"maxPartitions": 9, "keyOrder": "NotNeeded"}));
    compacted["config"] = json!({"cleanup.policy": "compact"});
    let cases = [
        (
            growth(json!({"maxPartitions": 9})),
            "set keyOrder: NotNeeded",
        ),
        (compacted, "cannot grow a topic with cleanup.policy=compact"),
    ];
    for (spec, expected) in cases {
        let refused = environment.kubernetes.apply_topic(&name, &spec);
        let Err(error) = refused else {
            bail!("{spec} was accepted");
        };
        let said = format!("{error:#}");
        ensure!(said.contains(expected), "refused with {said}");
    }
    println!("  refused in words: without the word on the order of keys, and with compaction");
    Ok(())
}

/// Checks that each topic keeps so many partitions while the load goes on.
fn left_alone(environment: &Environment, counts: &[(&Case, i32)]) -> anyhow::Result<()> {
    let (bootstrap, started) = (environment.bootstrap()?, Instant::now());
    while started.elapsed() < WATCHED {
        for (case, count) in counts {
            let found = Topology::fetch(&bootstrap, &case.name)?.partitions.len();
            ensure!(
                i32::try_from(found)? == *count,
                "{} has {found} partitions {:.0?} after it had {count}",
                case.name,
                started.elapsed()
            );
        }
        std::thread::sleep(Duration::from_secs(2));
    }
    println!("  left alone for {WATCHED:?}, though the statuses were wiped");
    Ok(())
}

/// What a topic is to show.
#[derive(Clone, Copy)]
struct Kind {
    name: &'static str,
    /// Partitions to start with.
    partitions: i32,
    /// Bytes a second that a partition is to take, and seconds that a group may be behind; None: it does
    /// not ask.
    limits: Option<(u32, u32)>,
    /// Of its load.
    interval: Duration,
    value_size_bytes: usize,
    /// How long its reader takes for a record.
    work: Duration,
}

/// 300 records of 2,000 bytes a second.
const WIDE: Kind = Kind {
    name: "wide",
    partitions: 6,
    limits: Some((80_000, 0)),
    interval: Duration::from_millis(20),
    value_size_bytes: 2_000,
    work: Duration::ZERO,
};
/// The same, and it does not ask.
const ALONE: Kind = Kind {
    name: "alone",
    limits: None,
    ..WIDE
};
/// 50 records a second, of which its one reader takes less than 20.
const SLOW: Kind = Kind {
    name: "slow",
    partitions: 1,
    limits: Some((0, 10)),
    value_size_bytes: 200,
    work: Duration::from_millis(50),
    ..WIDE
};

/// A topic, who writes it, and who reads it.
struct Case {
    kind: Kind,
    name: String,
    generation: Option<i64>,
    load: Load,
    member: GroupMember,
    began: Instant,
}

impl Case {
    fn begin(environment: &Environment, tag: &str, kind: Kind) -> anyhow::Result<Self> {
        let (kubernetes, bootstrap) = (&environment.kubernetes, environment.bootstrap()?);
        let name = format!("{}-{tag}", kind.name);
        kubernetes.apply_topic(&name, &spec(&environment.cluster, &kind))?;
        let count = usize::try_from(kind.partitions)?;
        let whole = |topology: &Topology| topology.is_healthy(count);
        wait_for(&bootstrap, &name, "the topic", HEAL_LIMIT, whole)?;
        let settings = LoadSettings {
            bootstrap: bootstrap.clone(),
            topic: name.clone(),
            partitions: kind.partitions,
            interval: kind.interval,
            value_size_bytes: kind.value_size_bytes,
            client: clients(),
        };
        let load = Load::start(settings, fastrand::u64(..))?;
        let mut client = clients();
        // With `latest`, a reader misses what is written to a new partition before it finds it.
        client.insert("auto.offset.reset".to_owned(), "earliest".to_owned());
        let member = GroupMember::start(&GroupSettings {
            bootstrap,
            topic: name.clone(),
            group: format!("{name}-group"),
            run: load.run,
            epoch: load.epoch(),
            work: kind.work,
            client,
        })?;
        let resource = kubernetes.topic_resource(&name)?.context("no resource")?;
        Ok(Self {
            kind,
            name,
            generation: resource.metadata.generation,
            load,
            member,
            began: Instant::now(),
        })
    }

    /// `status.partitionGrowth`; null while there is none.
    fn growth(&self, environment: &Environment) -> anyhow::Result<Value> {
        let resource = environment.kubernetes.topic_resource(&self.name)?;
        let resource = resource.context("the KafkaTopic is gone")?;
        let growth = resource.data.pointer("/status/partitionGrowth");
        Ok(growth.cloned().unwrap_or_default())
    }

    /// Waits until partitions were added, and gives how many there are.
    fn wait_for_growth(&self, environment: &Environment) -> anyhow::Result<i32> {
        let (kubernetes, name) = (&environment.kubernetes, &self.name);
        let what = format!("partitions to be added to {name}");
        let growth = kubernetes.wait(&what, GROWTH_LIMIT, |_| {
            let growth = self.growth(environment)?;
            let is_grown = growth["lastGrowthTime"].is_string();
            Ok(is_grown
                .then(|| growth.clone())
                .ok_or_else(|| growth.to_string()))
        })?;
        println!(
            "  {name} {:.1?} after its load began: {}",
            self.began.elapsed(),
            growth["lastGrowthReason"]
        );
        ensure!(
            self.began.elapsed() > HOLD,
            "partitions were added before the hold time was over"
        );
        ensure!(
            kubernetes.has_event("PartitionsGrown", name)?,
            "no Event tells why {name} has grown"
        );
        let resource = kubernetes.topic_resource(name)?.context("it is gone")?;
        ensure!(
            resource.metadata.generation == self.generation,
            "spec of {name} was written"
        );
        let told = resource.data.pointer("/status/partitions");
        let count = told.and_then(Value::as_i64).context("no number is told")?;
        let (count, bootstrap) = (i32::try_from(count)?, environment.bootstrap()?);
        let partitions = usize::try_from(count)?;
        let whole = |topology: &Topology| topology.is_healthy(partitions);
        wait_for(&bootstrap, name, "the new partitions", HEAL_LIMIT, whole)?;
        Ok(count)
    }

    /// Checks that the status tells this in one of its fields.
    fn ensure_told(
        &self,
        environment: &Environment,
        field: &str,
        expected: &str,
    ) -> anyhow::Result<()> {
        let told = self.growth(environment)?[field].to_string();
        println!("  {} tells {field}: {told}", self.name);
        ensure!(
            told.contains(expected),
            "{field} of {} does not tell {expected:?}",
            self.name
        );
        Ok(())
    }

    /// Sends to the new partitions too, and waits until each was written, and read by a group that keeps
    /// up.
    fn use_new(&self, partitions: i32) -> anyhow::Result<()> {
        self.load.widen(partitions);
        let started = Instant::now();
        loop {
            let unused = self.unused(partitions);
            if unused.is_empty() {
                println!(
                    "  {}: every new partition is used, {:.1?} after the producer was told",
                    self.name,
                    started.elapsed()
                );
                return Ok(());
            }
            ensure!(
                started.elapsed() < FOUND_LIMIT,
                "the new partitions {unused:?} of {} were not used in {FOUND_LIMIT:?}",
                self.name
            );
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// Partitions that were added and not written, or not read by a group that keeps up.
    fn unused(&self, partitions: i32) -> Vec<i32> {
        let is_written = |partition: &i32| {
            self.load.look(|history| {
                let sent = history.partitions.get(partition);
                sent.is_some_and(|sent| acked(sent).next().is_some())
            })
        };
        let is_read = |partition: &i32| {
            let seen = self
                .member
                .look(|seen| seen.records.contains_key(partition));
            seen || !self.keeps_up()
        };
        let new = self.kind.partitions..partitions;
        new.filter(|partition| !is_written(partition) || !is_read(partition))
            .collect()
    }

    fn keeps_up(&self) -> bool {
        self.kind.work.is_zero()
    }

    /// Ends the load, compares what was sent with the log and with what its reader saw, and takes the topic
    /// away.
    fn end(self, environment: &Environment, partitions: i32) -> anyhow::Result<()> {
        let keeps_up = self.keeps_up();
        let sent = SentLoad {
            run: self.load.run,
            history: self.load.stop(Duration::from_secs(30))?,
            topic: self.name.clone(),
            partitions,
            copies: COPIES,
        };
        let failed = sent.history.failed();
        ensure!(failed == 0, "{failed} sends to {} failed", self.name);
        let verdict = sent.judge(environment)?;
        ensure!(
            verdict.acked >= ACKED_MIN,
            "too few records to mean anything"
        );
        // The slow one is behind on purpose.
        if keeps_up {
            wait_until_read(&self.member, &sent.history)?;
            println!("  {}: its group read every record", self.name);
        }
        self.member.stop(Duration::from_secs(10))?;
        environment.kubernetes.delete_topic_resource(&self.name)
    }
}

fn wait_until_read(member: &GroupMember, history: &History) -> anyhow::Result<()> {
    let started = Instant::now();
    loop {
        let unread = member.look(|seen| {
            let unread = |(partition, sent): (&i32, &Vec<_>)| {
                let records = seen.records.get(partition).into_iter().flatten();
                let read: BTreeSet<u64> = records.map(|(sequence, _)| *sequence).collect();
                acked(sent)
                    .filter(|sequence| !read.contains(sequence))
                    .count()
            };
            history.partitions.iter().map(unread).sum::<usize>()
        });
        if unread == 0 {
            return Ok(());
        }
        ensure!(
            started.elapsed() < READ_LIMIT,
            "{unread} acknowledged records were not read in {READ_LIMIT:?}"
        );
        std::thread::sleep(Duration::from_millis(500));
    }
}

fn acked(sent: &[crate::load::history::Sent]) -> impl Iterator<Item = u64> + '_ {
    let numbered = (0..).zip(sent);
    let acked = numbered.filter(|(_, sent)| matches!(sent.outcome, Outcome::Acked { .. }));
    acked.map(|(sequence, _)| sequence)
}

fn spec(cluster: &str, kind: &Kind) -> Value {
    let mut spec = json!({
        "clusterName": cluster,
        "partitions": kind.partitions,
        "replicationFactor": COPIES,
        "deletionPolicy": "Delete",
    });
    if let Some((target_bytes_per_second, lag_seconds)) = kind.limits {
        spec["partitionGrowth"] = json!({
            "maxPartitions": 24,
            "keyOrder": "NotNeeded",
            "targetBytesPerSecond": target_bytes_per_second,
            "lagSeconds": lag_seconds,
            "holdSeconds": HOLD.as_secs(),
            "cooldownSeconds": COOLDOWN.as_secs(),
        });
    }
    spec
}

/// Clients look for new partitions each 5 s: by default they take up to five minutes.
fn clients() -> BTreeMap<String, String> {
    let interval = ("topic.metadata.refresh.interval.ms", "5000");
    [interval]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into()
}
