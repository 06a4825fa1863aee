//! What the operator has learned outlives it: handed over when it is stopped, kept when it is killed,
//! refused and learned anew when it is damaged.

use std::time::Duration;

use anyhow::{Context, ensure};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::baseline;
use super::environment::{Environment, HEAL_LIMIT};
use super::need::OPERATOR_PORT;
use crate::kubernetes::api::Kubernetes;
use crate::kubernetes::http;
use crate::kubernetes::signals::Signal;

/// How long load may take to be observed: rates are known after 15 s, and a minute must have ended.
const OBSERVE_LIMIT: Duration = Duration::from_secs(240);
/// How long the next operator may take: the lease runs out first, and kubelets wait before restarts.
const TAKE_OVER_LIMIT: Duration = Duration::from_secs(120);
/// How long it is observed before it is handed over: more than the next one could have by itself.
const OBSERVED_MIN: Duration = Duration::from_secs(90);
/// How late a metric or the status may be: a look comes each 5 s.
const SHOWN_LATE_SECONDS: f64 = 15.0;
/// The key of the state in its ConfigMap.
const KEY: &str = "state";
/// The parts that are kept.
const PARTS: [&str; 2] = ["autoscaling", "load"];

/// What the status says is known of the load.
#[derive(Clone, Debug, PartialEq)]
struct Known {
    observed_since: String,
    /// None before a minute of it has ended.
    learned_since: Option<String>,
}

/// Has an operator learn, and others go on with it.
///
/// # Errors
/// If the next one begins anew where it need not, or believes what is damaged.
pub fn run(environment: &mut Environment) -> anyhow::Result<()> {
    baseline::wait(environment, HEAL_LIMIT)?;
    let operators = environment.operators();
    // Nothing is to change by the load of other scenarios.
    let autoscaling = json!({"minReplicas": 3, "maxReplicas": 4, "dryRun": true});
    set(environment, &autoscaling)?;
    operators.run_operators(2, None)?;
    let shown = hand_over(environment, &operators)
        .and_then(|()| kill(environment, &operators))
        .and_then(|()| damage(environment, &operators));
    // Whatever was found, the next scenario begins with one operator and no autoscaling.
    let restored = operators.run_operators(1, None);
    set(environment, &Value::Null)?;
    shown.and(restored)?;
    baseline::wait(environment, HEAL_LIMIT)
}

/// The operator that leads is stopped as in an upgrade: the other one goes on observing.
fn hand_over(environment: &Environment, operators: &Kubernetes) -> anyhow::Result<()> {
    let before = environment.kubernetes.wait(
        "load to be observed for a while",
        OBSERVE_LIMIT,
        |kubernetes| {
            let known = known(kubernetes, environment)?;
            let since: Timestamp = known.observed_since.parse()?;
            let observed = Timestamp::now().duration_since(since).unsigned_abs();
            let is_enough = observed >= OBSERVED_MIN && known.learned_since.is_some();
            Ok(is_enough
                .then(|| known.clone())
                .ok_or_else(|| format!("{known:?}")))
        },
    )?;
    let stopped = Timestamp::now();
    let former = operators.lease_holder()?;
    operators.delete_pod(&former, None)?;
    println!("  stopped {former}: {before:?}");
    let next = wait_for_next(operators, &former)?;
    let said = told(environment, "LearnedTakenUp", "autoscaling", stopped)?;
    println!("  {next}: {said}");
    let rates = told(environment, "LearnedTakenUp", "load", stopped)?;
    println!("  {next}: {rates}");
    let seconds = observed_seconds(environment, operators, &next)?;
    let after = known(&environment.kubernetes, environment)?;
    ensure!(
        after == before,
        "the next operator began anew: {before:?} before, {after:?} after"
    );
    ensure!(
        seconds >= OBSERVED_MIN.as_secs_f64(),
        "the next operator has observed {seconds} s only"
    );
    for part in PARTS {
        let name = object(environment, part);
        let bytes = environment.kubernetes.config_map_bytes(&name, KEY)?;
        let bytes = bytes.with_context(|| format!("there is no ConfigMap {name}"))?;
        println!("  ConfigMap {name} holds {} bytes", bytes.len());
    }
    println!("  {next} has observed {seconds:.0} s of load, the same as if it had been there");
    Ok(())
}

/// The operator that leads is killed: what was written last is known to the next.
fn kill(environment: &Environment, operators: &Kubernetes) -> anyhow::Result<()> {
    let before = known(&environment.kubernetes, environment)?;
    let killed = Timestamp::now();
    let former = operators.lease_holder()?;
    environment.signal(&operators.namespace, &former, Signal::Kill)?;
    println!("  killed the operator in {former}");
    let said = told(environment, "LearnedTakenUp", "autoscaling", killed)?;
    println!("  {said}");
    let after = wait_for_known(environment)?;
    ensure!(
        after.learned_since == before.learned_since,
        "what was learned is lost: {before:?} before, {after:?} after"
    );
    println!("  after the kill: {after:?}");
    Ok(())
}

/// What is kept is damaged and the operator killed, so that it cannot write it anew: the next one
/// refuses it, says so, and observes anew.
fn damage(environment: &Environment, operators: &Kubernetes) -> anyhow::Result<()> {
    let name = object(environment, "autoscaling");
    let kubernetes = &environment.kubernetes;
    let bytes = kubernetes.config_map_bytes(&name, KEY)?;
    let mut bytes = bytes.with_context(|| format!("there is no ConfigMap {name}"))?;
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x40;
    kubernetes.set_config_map_bytes(&name, KEY, bytes)?;
    let damaged = Timestamp::now();
    let former = operators.lease_holder()?;
    environment.signal(&operators.namespace, &former, Signal::Kill)?;
    println!("  changed a bit of ConfigMap {name} and killed the operator in {former}");
    let said = told(environment, "LearnedRefused", "autoscaling", damaged)?;
    println!("  {said}");
    let after = wait_for_known(environment)?;
    let since: Timestamp = after.observed_since.parse()?;
    ensure!(
        since >= damaged,
        "the damaged state was believed: observed since {since}, damaged at {damaged}"
    );
    println!("  observes anew since {since}");
    Ok(())
}

/// Waits until the operator that leads shows what it has observed, and the status says the same.
fn wait_for_known(environment: &Environment) -> anyhow::Result<Known> {
    let operators = environment.operators();
    let what = "the next operator to observe load";
    environment
        .kubernetes
        .wait(what, TAKE_OVER_LIMIT, |kubernetes| {
            let holder = operators.lease_holder()?;
            let known = known(kubernetes, environment)?;
            let since: Timestamp = known.observed_since.parse()?;
            let by_status = Timestamp::now().duration_since(since).as_secs_f64();
            Ok(match figure(&operators, &holder, "observed")? {
                Some(seconds) if (by_status - seconds).abs() < SHOWN_LATE_SECONDS => Ok(known),
                shown => Err(format!("{holder} shows {shown:?}, the status {known:?}")),
            })
        })
}

fn wait_for_next(operators: &Kubernetes, former: &str) -> anyhow::Result<String> {
    operators.wait("the other operator to lead", TAKE_OVER_LIMIT, |operators| {
        let holder = operators.lease_holder()?;
        Ok(if holder == former {
            Err(format!("{holder} holds the lease"))
        } else {
            Ok(holder)
        })
    })
}

/// What an Event of this reason said of a part since then.
fn told(
    environment: &Environment,
    reason: &str,
    part: &str,
    since: Timestamp,
) -> anyhow::Result<String> {
    let name = object(environment, part);
    let what = format!("Event {reason} of {name}");
    environment
        .kubernetes
        .wait(&what, TAKE_OVER_LIMIT, |kubernetes| {
            let events = kubernetes.events_with_times()?.into_iter();
            let mut of_part = events.filter(|(at, found, note)| {
                *at >= since && found == reason && note.contains(&name)
            });
            let said = of_part.next().map(|(_, _, note)| note);
            Ok(said.ok_or_else(|| "it is not told yet".to_owned()))
        })
}

/// For how long the operator in this pod says that load was observed.
fn observed_seconds(
    environment: &Environment,
    operators: &Kubernetes,
    pod: &str,
) -> anyhow::Result<f64> {
    environment
        .kubernetes
        .wait("the operator's figures", TAKE_OVER_LIMIT, |_| {
            let seconds = figure(operators, pod, "observed")?;
            Ok(seconds.ok_or_else(|| format!("{pod} shows none")))
        })
}

fn figure(operators: &Kubernetes, pod: &str, what: &str) -> anyhow::Result<Option<f64>> {
    let status = operators.pod(pod)?.status;
    let ip = status.and_then(|status| status.pod_ip);
    let ip = ip.with_context(|| format!("{pod} has no address"))?;
    let text = http::get_from(&ip, OPERATOR_PORT, "/metrics")?;
    let name = "kintsugi_operator_autoscaling_known_seconds{";
    let label = format!("what=\"{what}\"");
    let mut lines = text.lines().filter(|line| line.starts_with(name));
    let line = lines.find(|line| line.contains(&label));
    Ok(line.and_then(|line| line.rsplit_once(' ')?.1.parse().ok()))
}

fn known(kubernetes: &Kubernetes, environment: &Environment) -> anyhow::Result<Known> {
    let status = kubernetes.cluster_status(&environment.cluster)?;
    let told = &status["autoscaling"];
    let text = |field: &str| told[field].as_str().map(str::to_owned);
    let observed_since = text("observedSince");
    let observed_since = observed_since
        .with_context(|| format!("status.autoscaling tells not since when: {told}"))?;
    Ok(Known {
        observed_since,
        learned_since: text("learnedSince"),
    })
}

fn object(environment: &Environment, part: &str) -> String {
    format!("{}-learned-{part}", environment.cluster)
}

fn set(environment: &Environment, autoscaling: &Value) -> anyhow::Result<()> {
    let change = json!({"spec": {"brokers": {"autoscaling": autoscaling}}});
    environment
        .kubernetes
        .patch_cluster(&environment.cluster, &change)
}
