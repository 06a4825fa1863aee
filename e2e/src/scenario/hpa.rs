//! A HorizontalPodAutoscaler of Kubernetes drives the scale subresource by the brokers' processor
//! time: one joins under load, takes replicas, and is drained and gone once the load is.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use kube::ResourceExt;
use serde_json::{Value, json};

use super::baseline;
use super::environment::{Environment, HEAL_LIMIT};
use super::grow::wait_for_brokers;
use super::shrink::told_brokers;
use super::under_load::{self, Judged};
use crate::bench::topology::Topology;

/// The least and the most brokers.
const LEAST: usize = 3;
const MOST: usize = 4;
/// Percent of a broker's request (a tenth of a core unless spec says otherwise) that the autoscaler
/// aims at: a multiple of what brokers use without load, a fraction of what they use under it.
const TARGET_PERCENT: u32 = 50;
/// How long the number must be too high before it is lowered. The example's hour is too long here.
const SCALE_DOWN_WINDOW_SECONDS: u32 = 60;
/// How long kubelets, metrics-server and the autoscaler may take to know every broker's use: each
/// looks every 15 s, and two measurements make a rate.
const MEASURED_LIMIT: Duration = Duration::from_secs(120);
/// How long use that earlier scenarios caused may take to be over.
const CALM_LIMIT: Duration = Duration::from_secs(300);
/// How long the autoscaler may take to see load that came, or that is gone for the window above.
const DECISION_LIMIT: Duration = Duration::from_secs(240);
/// How long moves to the new broker, or away from it with its end, may take.
const MOVE_LIMIT: Duration = Duration::from_secs(300);

/// Lets Kubernetes choose the number of brokers, under load and after it.
///
/// # Errors
/// If the autoscaler cannot read what it needs, or does not raise and lower the number; if a broker
/// gets no share, or does not leave; or if a record is lost.
pub fn run(environment: &mut Environment) -> anyhow::Result<()> {
    baseline::check(environment, HEAL_LIMIT)?;
    let brokers = environment.brokers()?.len();
    ensure!(
        brokers == LEAST,
        "there are {brokers} brokers, and {LEAST} are needed to begin with"
    );
    ensure_selector(environment)?;
    let autoscaler = autoscaler(environment)?;
    let name = &autoscaler.name_any();
    environment.kubernetes.apply_autoscaler(&autoscaler)?;
    let result = grow_and_shrink(environment, name);
    environment.kubernetes.delete_autoscaler(name)?;
    // After the deletion, so that a wait that failed shows what the autoscaler did.
    result?.read_again(environment)
}

fn grow_and_shrink(environment: &mut Environment, name: &str) -> anyhow::Result<Judged> {
    wait_for_calm(environment, name)?;
    let judged = under_load::judge(environment, "hpa", |environment, topology| {
        let started = Instant::now();
        wait_for_size(environment, name, MOST)?;
        println!("  raised {:.1?} after the load began", started.elapsed());
        wait_for_brokers(environment, MOST)?;
        baseline::wait(environment, HEAL_LIMIT)?;
        fill(environment, topology)
    })?;
    let started = Instant::now();
    wait_for_size(environment, name, LEAST)?;
    println!("  lowered {:.1?} after the load's end", started.elapsed());
    let left =
        environment
            .kubernetes
            .wait("the broker to be drained and gone", MOVE_LIMIT, |_| {
                let pods = environment.brokers()?.len();
                Ok((pods == LEAST)
                    .then_some(pods)
                    .ok_or(format!("{pods} pods")))
            })?;
    println!("  {left} brokers are left, after {:.1?}", started.elapsed());
    baseline::wait(environment, HEAL_LIMIT)?;
    show(environment, name)?;
    Ok(judged)
}

/// The example for users, with a target, limits and times that suit a test.
fn autoscaler(environment: &Environment) -> anyhow::Result<HorizontalPodAutoscaler> {
    let mut example: Value = serde_yaml_ng::from_str(include_str!(
        "../../../examples/horizontalpodautoscaler.yaml"
    ))?;
    example["metadata"]["namespace"] = json!(environment.kubernetes.namespace);
    let spec = &mut example["spec"];
    spec["scaleTargetRef"]["name"] = json!(environment.cluster);
    spec["minReplicas"] = json!(LEAST);
    spec["maxReplicas"] = json!(MOST);
    spec["metrics"][0]["resource"]["target"]["averageUtilization"] = json!(TARGET_PERCENT);
    spec["behavior"]["scaleDown"]["stabilizationWindowSeconds"] = json!(SCALE_DOWN_WINDOW_SECONDS);
    serde_json::from_value(example).context("the example is no HorizontalPodAutoscaler")
}

/// The pods that the scale subresource tells autoscalers to measure are the brokers', and no others.
fn ensure_selector(environment: &Environment) -> anyhow::Result<()> {
    let (kubernetes, cluster) = (&environment.kubernetes, &environment.cluster);
    let scale = kubernetes.cluster_scale(cluster)?;
    let selector = scale.status.and_then(|status| status.selector);
    let selector = selector.context("the scale subresource names no selector")?;
    let selected = kubernetes.pods_labelled(&selector)?;
    let selected: BTreeSet<String> = selected.iter().map(ResourceExt::name_any).collect();
    let brokers = environment.brokers()?;
    let brokers: BTreeSet<String> = brokers.into_values().map(|pod| pod.name).collect();
    println!("  status.selector: {selector}");
    ensure!(
        selected == brokers,
        "the selector finds {selected:?}, the brokers are {brokers:?}"
    );
    kubernetes.wait("every broker to be measured", MEASURED_LIMIT, |_| {
        let used = kubernetes.pods_cpu_millicores(&selector)?;
        let is_whole = used.keys().eq(brokers.iter());
        let told = format!("millicores: {used:?}");
        Ok(is_whole.then(|| println!("  {told}")).ok_or(told))
    })
}

/// Waits until the autoscaler measures, and asks for no more than there is.
fn wait_for_calm(environment: &Environment, name: &str) -> anyhow::Result<()> {
    let what = "the autoscaler to measure, and to be content";
    environment
        .kubernetes
        .wait(what, CALM_LIMIT, |kubernetes| {
            let status = kubernetes.autoscaler(name)?.status.unwrap_or_default();
            let conditions = status.conditions.iter().flatten();
            let is = |kind: &str| {
                let mut of_kind = conditions.clone().filter(|one| one.type_ == kind);
                of_kind.any(|one| one.status == "True")
            };
            let is_calm = is("ScalingActive")
                && is("AbleToScale")
                && usize::try_from(status.desired_replicas) == Ok(LEAST);
            let told = || {
                let words = conditions.clone().map(|one| one.message.clone());
                words.flatten().collect::<Vec<_>>().join("; ")
            };
            Ok(is_calm.then_some(()).ok_or_else(told))
        })?;
    show(environment, name)
}

/// Waits until the autoscaler has written this number; prints each of its states on the way, and its
/// own reason.
fn wait_for_size(environment: &Environment, name: &str, size: usize) -> anyhow::Result<()> {
    let kubernetes = &environment.kubernetes;
    let said = RefCell::new(String::new());
    let what = format!("{size} brokers to be asked for by the autoscaler");
    kubernetes.wait(&what, DECISION_LIMIT, |kubernetes| {
        let state = kubernetes.autoscaler_lines(name)?.join("\n");
        if without_age(&state) != said.replace(without_age(&state)) {
            print_lines(&state);
        }
        let scale = kubernetes.cluster_scale(&environment.cluster)?;
        let asked = scale.spec.and_then(|spec| spec.replicas).unwrap_or(0);
        let is_asked = usize::try_from(asked) == Ok(size);
        Ok(is_asked.then_some(()).ok_or(format!("{asked} are")))
    })?;
    let rescaled = format!("SuccessfulRescale {name}: New size: {size};");
    let event = kubernetes.wait("the autoscaler's Event", HEAL_LIMIT, |kubernetes| {
        let mut events = kubernetes.events()?.into_iter();
        let event = events.find(|event| event.starts_with(&rescaled));
        Ok(event.ok_or_else(|| format!("no Event {rescaled}")))
    })?;
    println!("  Event: {event}");
    Ok(())
}

/// The new broker gets its share of what is there, so that taking it away is more than a stop.
fn fill(environment: &Environment, topology: &Topology) -> anyhow::Result<()> {
    let before: BTreeSet<i32> = topology.brokers.keys().copied().collect();
    let mut brokers = environment.brokers()?.into_keys();
    let joined = brokers.find(|id| !before.contains(id));
    let joined = joined.context("no broker has another id than those before")?;
    let rebalance = format!("hpa-add-{joined}");
    let spec = json!({
        "clusterName": environment.cluster,
        "scope": "AddBrokers",
        "brokers": [joined],
        "profile": "CruiseControl",
        "approval": "Automatic",
    });
    let kubernetes = &environment.kubernetes;
    kubernetes.apply_rebalance(&rebalance, &spec)?;
    let what = format!("KafkaRebalance {rebalance} to be complete");
    kubernetes.wait(&what, MOVE_LIMIT, |kubernetes| {
        let status = kubernetes.rebalance_status(&rebalance)?;
        let told = format!("{}: {}", status["phase"], status["message"]);
        Ok((status["phase"] == "Completed").then_some(()).ok_or(told))
    })?;
    kubernetes.delete_rebalance(&rebalance)?;
    // Of whichever topic: others may have more to give than that of the load.
    let brokers = told_brokers(environment)?;
    let told = brokers.iter().find(|broker| broker["id"] == joined);
    let replicas = told.and_then(|broker| broker["replicas"].as_i64());
    let replicas = replicas.context("the active controller tells no replicas of the new broker")?;
    println!("  broker {joined} has {replicas} replicas");
    ensure!(replicas > 0, "the new broker was given nothing");
    Ok(())
}

fn show(environment: &Environment, name: &str) -> anyhow::Result<()> {
    let lines = environment.kubernetes.autoscaler_lines(name)?;
    print_lines(&lines.join("\n"));
    Ok(())
}

fn print_lines(text: &str) {
    text.lines().for_each(|line| println!("  {line}"));
}

/// The table without its last column, the age, which alone changes with time.
fn without_age(table: &str) -> String {
    let lines = table.lines();
    let cut = |line: &str| {
        line.trim_end()
            .rsplit_once(' ')
            .map(|(rest, _)| rest.trim_end().to_owned())
    };
    lines.filter_map(cut).collect::<Vec<_>>().join("\n")
}
