//! The demo of scaling: real bytes rise and fall, brokers join and leave, and a verdict.
//!
//! The size is the operator's own decision throughout: the demo sends records, waits, and tells what
//! the status and the Events say. A chart shows, second by second, what the operator exports.
//! Guarantees: every wait has a limit; the chart is written also where an act fails.
//! Assumes a cluster of three brokers, or none yet, and that pods' addresses are in reach.
//! Never does: choose a number of brokers, or draw a figure that was not exported.

mod act;
mod chart;
mod exported;
mod loads;
mod sampler;

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use serde_json::json;

use self::loads::{Running, Stage};
use self::sampler::Sampler;
use crate::host::machine;
use crate::scenario::baseline;
use crate::scenario::environment::{Environment, HEAL_LIMIT};
use crate::scenario::sent_load::SentLoad;

/// The least and the most brokers.
const LEAST: usize = 3;
const MOST: usize = 5;
/// Bytes a second that a broker is said to be able to receive: little, so that two cores and a few
/// hundred records a second are enough to fill five brokers.
const RECEIVES: u32 = 200_000;
/// How much of that is aimed for.
const TARGET_PERCENT: u32 = 70;
/// The next broker is decided so long after the one before at the earliest, so that each is seen to be
/// filled.
const JOIN_SECONDS: u32 = 90;
/// A size must have been enough for so long before brokers leave.
const SHRINK_WINDOW_SECONDS: u32 = 30;

/// What three brokers carry below their target.
const BASE: Stage = Stage {
    topic: "base",
    partitions: 24,
    interval: Duration::from_millis(230),
};
/// With it, four are asked for.
const MORE: Stage = Stage {
    topic: "more",
    partitions: 12,
    interval: Duration::from_millis(190),
};
/// With it too, five are.
const MOST_LOAD: Stage = Stage {
    topic: "most",
    partitions: 12,
    interval: Duration::from_millis(240),
};

/// How long the cluster may take to form.
const FORM_LIMIT: Duration = Duration::from_secs(180);
/// How long the base load runs before there is more.
const CALM: Duration = Duration::from_secs(30);
/// How long all of the load runs once five brokers carry it.
const PLATEAU: Duration = Duration::from_secs(15);

/// Runs the demo, and writes the chart.
///
/// # Errors
/// If the cluster does not form, a decision or its effect does not come, a record is lost, or the
/// chart cannot be written.
pub fn run(environment: &mut Environment, svg: &Path) -> anyhow::Result<()> {
    let began = Instant::now();
    form(environment)?;
    let sampler = Sampler::start(environment)?;
    let outcome = acts(environment, &sampler);
    let samples = sampler.stop();
    let title = format!("make demo-scale, {}", machine::describe());
    std::fs::write(svg, chart::draw(&samples, &title))
        .with_context(|| format!("failed to write {}", svg.display()))?;
    if outcome.is_ok() {
        println!("all acts in {:.0?}\n", began.elapsed());
        say_what_next(environment);
    }
    let path = svg.canonicalize().unwrap_or_else(|_| svg.to_owned());
    println!("the chart is {}", path.display());
    outcome
}

/// Applies the KafkaCluster and turns autoscaling on.
fn form(environment: &Environment) -> anyhow::Result<()> {
    let began = Instant::now();
    println!("applying the KafkaCluster {:?}", environment.cluster);
    environment
        .kubernetes
        .apply_cluster(&environment.manifest)?;
    baseline::wait(environment, FORM_LIMIT)?;
    println!("the cluster is Ready after {:.1?}", began.elapsed());
    let brokers = environment.brokers()?.len();
    ensure!(
        brokers == LEAST,
        "there are {brokers} brokers, and the demo begins with {LEAST}: run make demo-down, and begin anew"
    );
    let policy = |seconds| json!([{"type": "Pods", "value": 1, "periodSeconds": seconds}]);
    let network_in = json!({"bytesPerSecond": RECEIVES, "percent": TARGET_PERCENT});
    let autoscaling = json!({
        "minReplicas": LEAST,
        "maxReplicas": MOST,
        "targets": {"cpuPercent": 0, "networkIn": network_in},
        "behavior": {
            "scaleUp": {"policies": policy(JOIN_SECONDS)},
            "scaleDown": {
                "stabilizationWindowSeconds": SHRINK_WINDOW_SECONDS,
                "policies": policy(SHRINK_WINDOW_SECONDS),
            },
        },
    });
    let change = json!({"spec": {"brokers": {"autoscaling": autoscaling}}});
    environment
        .kubernetes
        .patch_cluster(&environment.cluster, &change)?;
    println!(
        "autoscaling is on: {LEAST} to {MOST} brokers, each said to be able to receive {} kB/s, of which {TARGET_PERCENT} % are aimed for\n",
        RECEIVES / 1_000
    );
    Ok(())
}

fn acts(environment: &Environment, sampler: &Sampler) -> anyhow::Result<()> {
    println!("ACT 1: load that {LEAST} brokers carry");
    sampler.mark("base load");
    let base = begin(environment, BASE)?;
    std::thread::sleep(CALM);
    let mut loads = vec![base];
    for (act, stage, size) in [(2, MORE, LEAST + 1), (3, MOST_LOAD, MOST)] {
        println!("\nACT {act}: more load than {} brokers carry", size - 1);
        loads.push(begin(environment, stage)?);
        act::grow(environment, sampler, &loads, size)?;
    }
    std::thread::sleep(PLATEAU);

    println!("ACT 4: the load falls to what it was at first");
    sampler.mark("load falls");
    let mut sent = Vec::new();
    for load in loads.drain(1..) {
        sent.push(load.stop()?);
    }
    for size in (LEAST..MOST).rev() {
        act::shrink(environment, sampler, size)?;
    }
    for load in loads {
        sent.push(load.stop()?);
    }
    baseline::wait(environment, HEAL_LIMIT)?;
    judge(environment, &sent)
}

fn begin(environment: &Environment, stage: Stage) -> anyhow::Result<Running> {
    let running = stage.start(environment)?;
    println!(
        "  writing to {} partitions of {}, acks=all: {:.0} kB of values a second for the brokers to receive, copies too",
        stage.partitions,
        stage.topic,
        stage.received_bytes_per_second() / 1_000.0
    );
    Ok(running)
}

/// Reads every record of every load back.
fn judge(environment: &Environment, sent: &[SentLoad]) -> anyhow::Result<()> {
    println!("ACT 5: reading everything back");
    let (mut records, mut acked) = (0, 0);
    for load in sent {
        let verdict = loads::judge(load, environment)?;
        (records, acked) = (records + verdict.sent, acked + verdict.acked);
    }
    println!(
        "VERDICT: of {records} records {acked} were acknowledged, none is lost, none is there twice, no send failed"
    );
    Ok(())
}

fn say_what_next(environment: &Environment) {
    let kubectl = format!("kubectl --kubeconfig {}", environment.kubeconfig.display());
    let (namespace, cluster) = (&environment.kubernetes.namespace, &environment.cluster);
    println!("The cluster is left up, with autoscaling on. To try next:");
    println!(
        "  {kubectl} -n {namespace} get kafkacluster {cluster} -o jsonpath='{{.status.autoscaling}}'"
    );
    println!("  {kubectl} -n {namespace} get events --sort-by=.lastTimestamp");
    println!("  make demo-down");
}
