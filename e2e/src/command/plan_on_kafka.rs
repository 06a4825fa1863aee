//! `plan-on-kafka`: what `kintsugi-plan` advises for Apache Kafka, carried out by Kafka's own tool.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use serde_json::Value;

use crate::bench::topology::{Topology, create_topic, create_topic_on, wait_for};
use crate::host::machine;
use crate::load::consumer::read_topic;
use crate::load::producer::{Load, LoadSettings};
use crate::processes::{Cluster, Kafka, KafkaTools, Placement, Size, run};
use crate::verify::{Duplicates, verify};

/// Four brokers, of which two begin without most of the load.
const SIZE: Size = Size {
    controllers: 1,
    brokers: 4,
};
/// The brokers that hold every replica of the heavy topic at first.
const HEAPED: [i32; 2] = [0, 1];
/// How long brokers, topics and leaders may take to be there.
const FORM_LIMIT: Duration = Duration::from_secs(120);
/// How long the load runs before the first plan.
const FILL: Duration = Duration::from_secs(20);
/// Between the two looks of a plan.
const OBSERVE_SECONDS: u64 = 10;
/// How long a plan may take.
const PLAN_LIMIT: Duration = Duration::from_secs(120);
/// How long the moves may take.
const MOVE_LIMIT: Duration = Duration::from_secs(300);
/// How long what was sent may take to be acknowledged or read back.
const READ_LIMIT: Duration = Duration::from_secs(120);
/// Of what the first plan moved, in percent, the second may move so much at most: rates are
/// measured anew, and partitions at the edge of a band fall on either side.
const AGAIN_MAX_PERCENT: u64 = 10;

/// Plans for Apache Kafka by its bootstrap address, and has kafka-reassign-partitions carry it out.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The binary `kintsugi-plan`.
    #[arg(long)]
    plan: PathBuf,
    /// A folder of Apache Kafka's jars.
    #[arg(long)]
    kafka: PathBuf,
    /// Apache Kafka's version, for what is printed.
    #[arg(long, default_value = "4.1.1")]
    kafka_version: String,
}

/// Runs it.
///
/// # Errors
/// If the plan changes anything by itself, Kafka's tools do not accept it or end elsewhere, much is
/// left to plan, or a record is lost.
pub fn main(arguments: &Arguments) -> anyhow::Result<()> {
    println!("machine: {}", machine::describe());
    let kafka = Kafka {
        jars: arguments.kafka.clone(),
        version: arguments.kafka_version.clone(),
        heap: "256m".to_owned(),
    };
    let folder = tempfile::tempdir().context("failed to make a folder for the cluster")?;
    let cluster = Cluster::start_of(SIZE, kafka.clone(), folder.path(), BTreeMap::new())?;
    let bootstrap = cluster.bootstrap();
    println!(
        "{}: {} brokers at {bootstrap}",
        cluster.name(),
        SIZE.brokers
    );
    let loads = topics(&bootstrap)?;
    let running: Result<Vec<Load>, _> = loads
        .iter()
        .map(|settings| Load::start(settings.clone(), fastrand::u64(..)))
        .collect();
    let running = running?;
    std::thread::sleep(FILL);

    let tools = KafkaTools { kafka, bootstrap };
    let before = tools.placement()?;
    let planner = Planner {
        binary: &arguments.plan,
        bootstrap: &tools.bootstrap,
        folder: folder.path(),
    };
    let first = planner.plan("moves")?;
    ensure!(
        first.replicas > 0,
        "there is nothing to move: the load is not skewed"
    );
    ensure_untouched(&tools, &before)?;
    let planned = carry_out(&tools, &first.moves, &before)?;
    let second = planner.plan("again")?;
    ensure!(
        second.replicas * 100 <= first.replicas * AGAIN_MAX_PERCENT,
        "{} replicas are to be moved again after {} were: the plan did not reach its end",
        second.replicas,
        first.replicas
    );
    ensure_untouched(&tools, &planned)?;

    println!("\ntaken back, by the file of --rollback-json:");
    let back = carry_out(&tools, &first.rollback, &planned)?;
    ensure!(
        back == before,
        "the rollback did not bring back what was there"
    );
    for (settings, load) in loads.iter().zip(running) {
        judge(settings, load)?;
    }
    println!(
        "\n{} replicas moved by kintsugi-plan's file on {}, {} left to move after it",
        first.replicas,
        cluster.name(),
        second.replicas
    );
    Ok(())
}

/// A topic with two megabytes a second on two brokers, and one with little on all.
fn topics(bootstrap: &str) -> anyhow::Result<[LoadSettings; 2]> {
    let brokers = usize::try_from(SIZE.brokers)?;
    let all_are_live = |topology: &Topology| topology.brokers.len() == brokers;
    let what = "all brokers to register";
    wait_for(bootstrap, "heavy", what, FORM_LIMIT, all_are_live)?;
    let load = |topic: &str, partitions, value_size_bytes| LoadSettings {
        bootstrap: bootstrap.to_owned(),
        topic: topic.to_owned(),
        partitions,
        interval: Duration::from_millis(50),
        value_size_bytes,
        client: BTreeMap::new(),
    };
    let loads = [load("heavy", 24, 4_096), load("light", 12, 256)];
    create_topic_on(bootstrap, "heavy", 24, &HEAPED, FORM_LIMIT)?;
    create_topic(bootstrap, "light", 12, 3, FORM_LIMIT)?;
    for settings in &loads {
        let partitions = usize::try_from(settings.partitions)?;
        let whole = |topology: &Topology| topology.is_healthy(partitions);
        let what = format!("topic {} to be whole", settings.topic);
        wait_for(bootstrap, &settings.topic, &what, FORM_LIMIT, whole)?;
    }
    Ok(loads)
}

/// Runs `kintsugi-plan` as its user does.
struct Planner<'a> {
    binary: &'a Path,
    bootstrap: &'a str,
    folder: &'a Path,
}

/// What one run said and wrote.
struct Planned {
    /// How many replicas it would move.
    replicas: u64,
    moves: PathBuf,
    rollback: PathBuf,
}

impl Planner<'_> {
    fn plan(&self, name: &str) -> anyhow::Result<Planned> {
        // One address is enough: the cluster names the others.
        let first = self.bootstrap.split(',').next().unwrap_or_default();
        let file = |suffix: &str| self.folder.join(format!("{name}{suffix}.json"));
        let (moves, rollback) = (file(""), file("-rollback"));
        let mut command = Command::new(self.binary);
        command
            .args(["--bootstrap", first])
            .args(["--observe-seconds", &OBSERVE_SECONDS.to_string()])
            .arg("--json")
            .arg(&moves)
            .arg("--rollback-json")
            .arg(&rollback);
        println!("\n$ kintsugi-plan --bootstrap {first} --json {name}.json");
        let told = run(command, PLAN_LIMIT)?;
        println!("{told}");
        let cost = told
            .lines()
            .find_map(|line| line.split_once(" replicas and "));
        let (replicas, _) = cost.context("kintsugi-plan did not say how many replicas move")?;
        let replicas = replicas.parse()?;
        Ok(Planned {
            replicas,
            moves,
            rollback,
        })
    }
}

/// Planning changed nothing, and began nothing.
fn ensure_untouched(tools: &KafkaTools, before: &Placement) -> anyhow::Result<()> {
    let now = tools.placement()?;
    ensure!(
        now == *before,
        "planning changed the assignment: {now:?}, it was {before:?}"
    );
    let under_way = tools.reassign(&["--list"])?;
    ensure!(
        under_way.contains("No partition reassignments found."),
        "planning began moves: {under_way}"
    );
    println!(
        "nothing was changed: {} partitions are where they were",
        now.len()
    );
    Ok(())
}

/// Has Kafka's tool carry out a file, and checks by Kafka's own description that everything is then
/// where the file says, led by its first replica, and all else where it was. Gives that.
fn carry_out(tools: &KafkaTools, file: &Path, before: &Placement) -> anyhow::Result<Placement> {
    let wanted = wanted(file)?;
    let path = file.to_str().context("the file's path is no text")?;
    let started = Instant::now();
    let begun = tools.reassign(&["--execute", "--reassignment-json-file", path])?;
    let success = "Successfully started partition reassignment";
    ensure!(
        begun.contains(success),
        "kafka-reassign-partitions said: {begun}"
    );
    println!(
        "$ kafka-reassign-partitions --execute: {success}s of {} partitions",
        wanted.len()
    );
    loop {
        let verified = tools.reassign(&["--verify", "--reassignment-json-file", path])?;
        let done = verified.matches(" is completed.").count();
        if done == wanted.len() {
            break;
        }
        ensure!(
            started.elapsed() < MOVE_LIMIT,
            "after {MOVE_LIMIT:?} only {done} of {} moves were complete: {verified}",
            wanted.len()
        );
    }
    println!(
        "$ kafka-reassign-partitions --verify: all {} complete after {:.1?}",
        wanted.len(),
        started.elapsed()
    );
    tools.elect_preferred()?;
    let mut expected = before.clone();
    for (partition, replicas) in wanted {
        let placed = expected.get_mut(&partition);
        let placed = placed.with_context(|| format!("the file names {partition:?}"))?;
        placed.replicas = replicas;
    }
    for placed in expected.values_mut() {
        placed.leader = placed.replicas[0];
    }
    let now = tools.placement()?;
    ensure!(
        now == expected,
        "Kafka describes {now:?}, the plan was {expected:?}"
    );
    println!(
        "$ kafka-topics --describe: every partition is where the plan wants it, led by its first replica"
    );
    Ok(now)
}

/// The replicas that a reassignment file gives to each partition that it names.
fn wanted(file: &Path) -> anyhow::Result<BTreeMap<(String, i32), Vec<i32>>> {
    let text = std::fs::read_to_string(file)?;
    let file: Value = serde_json::from_str(&text).context("the reassignment is no JSON")?;
    let entries = file["partitions"].as_array();
    let entries = entries.context("the reassignment names no partitions")?;
    let entry = |entry: &Value| {
        let topic = entry["topic"].as_str().context("an entry names no topic")?;
        let number = serde_json::from_value(entry["partition"].clone())?;
        let replicas = serde_json::from_value(entry["replicas"].clone())?;
        Ok(((topic.to_owned(), number), replicas))
    };
    entries.iter().map(entry).collect()
}

/// Nothing that was acknowledged may be lost by being moved.
fn judge(settings: &LoadSettings, load: Load) -> anyhow::Result<()> {
    let run = load.run;
    let history = load.stop(READ_LIMIT)?;
    let (topic, partitions) = (&settings.topic, settings.partitions);
    let read = read_topic(&settings.bootstrap, topic, partitions, READ_LIMIT)?;
    let verdict = verify(run, &history, &read, Duplicates::Forbidden);
    println!("verdict on {topic}: {verdict}");
    ensure!(
        verdict.is_clean() && verdict.acked > 0,
        "the log of {topic} and what its producer was told differ"
    );
    Ok(())
}
