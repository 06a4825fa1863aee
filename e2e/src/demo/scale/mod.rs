//! The demo of scaling: real bytes rise and fall, brokers join and leave, and a verdict.
//!
//! The size is the operator's own decision throughout: the demo sends records by a plan, waits, and tells
//! what the status and the Events say. A chart shows, second by second, what the operator exports.
//! A forecast takes weeks of load to decide: the operator is given three, which are synthetic, and the
//! chart says so. The load that is sent is real.
//! Guarantees: every wait has a limit; the chart is written also where an act fails.
//! Assumes a cluster of three brokers, or none yet, and that pods' addresses are in reach.
//! Never does: choose a number of brokers, or draw a figure that was not exported.

mod act;
mod chart;
mod exported;
mod loads;
mod plan;
mod sampler;
mod timetable;

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use jiff::Timestamp;
use serde_json::{Value, json};

use self::plan::{BASE, DAYS, Plan};
use self::sampler::Sampler;
use self::timetable::Timetable;
use crate::host::machine;
use crate::scenario::baseline;
use crate::scenario::environment::{Environment, HEAL_LIMIT};
use crate::scenario::sent_load::SentLoad;

/// The least and the most brokers.
const LEAST: usize = 3;
const MOST: usize = 5;
/// Bytes a second that a broker is said to be able to receive: little, so that two cores and a few
/// hundred records a second are enough to fill five brokers. The planned loads fill 2.0, 3.4 and 4.6.
const RECEIVES: u32 = 165_000;
/// How much of that is aimed for.
const TARGET_PERCENT: u32 = 70;
/// The next broker is decided so long after the one before at the earliest, so that each is seen to be
/// filled.
const JOIN_SECONDS: u32 = 90;
/// A size must have been enough for so long before brokers leave.
const SHRINK_WINDOW_SECONDS: u32 = 30;

/// What the ConfigMap with the history is called after the cluster.
const HISTORY_SUFFIX: &str = "load-history";
/// Its key: the default of `spec.brokers.autoscaling.history`.
const HISTORY_KEY: &str = "history.csv";

/// How long the cluster may take to form.
const FORM_LIMIT: Duration = Duration::from_secs(180);
/// How long the base load runs before it is planned by: it is averaged with a half-life of 30 s.
const CALM: Duration = Duration::from_secs(90);

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

/// Applies the KafkaCluster, without autoscaling.
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
    // An earlier run may have left it on, and learned another time of the rise.
    set_autoscaling(environment, &Value::Null)
}

fn set_autoscaling(environment: &Environment, autoscaling: &Value) -> anyhow::Result<()> {
    let change = json!({"spec": {"brokers": {"autoscaling": autoscaling}}});
    environment
        .kubernetes
        .patch_cluster(&environment.cluster, &change)
}

/// What autoscaling goes by.
fn autoscaling(history: &str) -> Value {
    let policy = |seconds| json!([{"type": "Pods", "value": 1, "periodSeconds": seconds}]);
    let network_in = json!({"bytesPerSecond": RECEIVES, "percent": TARGET_PERCENT});
    json!({
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
        "history": {"configMap": history, "key": HISTORY_KEY},
    })
}

/// Plans the load, gives the operator the history that it would have left behind, and turns autoscaling
/// on.
fn teach(environment: &Environment) -> anyhow::Result<Plan> {
    let name = format!("{}-{HISTORY_SUFFIX}", environment.cluster);
    let now = Timestamp::now();
    let plan = Plan::at(now);
    let kubernetes = &environment.kubernetes;
    kubernetes.apply_config_map(&name, HISTORY_KEY, &plan.history(now))?;
    set_autoscaling(environment, &autoscaling(&name))?;
    println!(
        "  autoscaling is on: {LEAST} to {MOST} brokers, each said to be able to receive {} kB/s, of which the rule aims for {TARGET_PERCENT} %",
        RECEIVES / 1_000
    );
    println!(
        "  ConfigMap {name} holds a SYNTHETIC history of {DAYS} days with the same load at the same time of day"
    );
    Ok(plan)
}

fn acts(environment: &Environment, sampler: &Sampler) -> anyhow::Result<()> {
    println!("ACT 1: load that {LEAST} brokers carry");
    sampler.mark("base load");
    let bootstrap = environment.bootstrap()?;
    let base = BASE.start(&bootstrap)?;
    std::thread::sleep(CALM);

    println!("\nACT 2: the operator is given a history of the load");
    // A broker may join as soon as the history is there.
    let mut known = environment.brokers()?.into_keys().collect();
    let plan = teach(environment)?;
    let [rise, second, fall] = plan.moments();
    println!("  the plan: the load rises at {rise} and at {second}, and falls at {fall}");
    sampler.mark("history given");
    let timetable = Timetable::start(plan, base, bootstrap, sampler.marker())?;
    act::taught(environment, sampler)?;
    for (size, rises) in [(LEAST + 1, rise), (MOST, second)] {
        println!(
            "\nACT {}: a load comes that {} brokers do not carry",
            size - 1,
            size - 1
        );
        let reason = act::grow(environment, sampler, &timetable, &mut known, (size, rises))?;
        ensure!(
            size > LEAST + 1 || act::is_by_forecast(&reason),
            "the first decision was not by the forecast: {reason}"
        );
    }

    println!("ACT 5: the load falls to what it was at first");
    timetable::wait_until(fall);
    for size in (LEAST..MOST).rev() {
        act::shrink(environment, sampler, size)?;
    }
    let sent = timetable.stop()?;
    baseline::wait(environment, HEAL_LIMIT)?;
    judge(environment, &sent)
}

/// Reads every record of every load back.
fn judge(environment: &Environment, sent: &[SentLoad]) -> anyhow::Result<()> {
    println!("ACT 6: reading everything back");
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
