//! Two operators, and the one that acts is frozen between deciding and acting.

use std::time::{Duration, Instant};

use anyhow::ensure;

use super::environment::Environment;
use super::rolling_restart::{ROLL_LIMIT, change_setting, nodes};
use super::under_load;
use super::watched::Watched;
use crate::kubernetes::api::{Kubernetes, PodView};
use crate::kubernetes::signals::Signal;

/// How long each operator waits between deciding and acting: long enough to be found and frozen.
const HOLD: Duration = Duration::from_secs(4);
/// How long the other may take to act: the lease must run out first.
const TAKE_OVER_LIMIT: Duration = Duration::from_secs(90);

/// How long the operator that woke may take to find what has changed.
const WOKEN_LIMIT: Duration = Duration::from_secs(30);

/// Restarts every node under load. The operator that acts is frozen with the decision to delete a
/// controller's pod in hand, and wakes while the other has it down; then again with a broker's.
///
/// # Errors
/// If two nodes are down at once, one is restarted twice, or a send fails.
pub fn run(environment: &mut Environment) -> anyhow::Result<()> {
    under_load::run_planned(environment, "two-operators", |environment, _| {
        let operators = environment.operators();
        operators.run_operators(2, Some(HOLD))?;
        let rolled = roll(environment, &operators);
        // Whatever was found, the next scenario begins with one operator that does not wait.
        let restored = operators.run_operators(1, None);
        rolled.and(restored)
    })
}

fn roll(environment: &Environment, operators: &Kubernetes) -> anyhow::Result<()> {
    let before = nodes(environment)?;
    let watched = Watched::begin(environment)?;
    change_setting(environment)?;
    for role in ["controller", "broker"] {
        freeze_in_between(environment, operators, role)?;
    }
    environment
        .kubernetes
        .wait("every pod to be replaced", ROLL_LIMIT, |_| {
            let now = nodes(environment)?;
            let is_back = |old: &&PodView| {
                now.get(&old.id)
                    .is_some_and(|new| new.ready && new.uid != old.uid)
            };
            let back = before.values().filter(is_back).count();
            let is_done = back == before.len();
            Ok(if is_done {
                Ok(())
            } else {
                Err(format!("{back} are back"))
            })
        })?;
    // What a late act would do shows now.
    std::thread::sleep(HOLD * 2);
    watched.end()?.ensure_one_at_a_time(before.len(), 2)
}

/// Freezes the operator that acts once it has decided to delete a pod of `role`, and wakes it when
/// the other has taken over and has a node down.
fn freeze_in_between(
    environment: &Environment,
    operators: &Kubernetes,
    role: &str,
) -> anyhow::Result<()> {
    let what = format!("an operator about to delete a {role}'s pod");
    let (frozen, chosen) = environment.kubernetes.wait(&what, ROLL_LIMIT, |_| {
        let holder = operators.lease_holder()?;
        let log = operators.logs(&holder, false)?;
        let held = log.lines().rev().find_map(held_pod);
        let now = nodes(environment)?;
        let chosen = held.and_then(|name| now.into_values().find(|pod| pod.name == name));
        let is_next = |pod: &PodView| pod.ready && pod.name.contains(&format!("-{role}-"));
        let chosen = chosen
            .filter(is_next)
            .filter(|pod| is_old(environment, pod));
        Ok(match chosen {
            Some(pod) => Ok((holder, pod)),
            None => Err(format!("{holder} has not decided to")),
        })
    })?;
    environment.signal(&operators.namespace, &frozen, Signal::Freeze)?;
    let since = Instant::now();
    let still = nodes(environment)?.remove(&chosen.id);
    ensure!(
        still.is_some_and(|pod| pod.ready && pod.uid == chosen.uid),
        "the operator was frozen too late: {} is going already",
        chosen.name
    );
    println!(
        "  froze {frozen} with the decision to delete {} in hand",
        chosen.name
    );
    let woken = wake_while_down(environment, operators, &frozen, since);
    environment.signal(&operators.namespace, &frozen, Signal::Revive)?;
    woken?;
    println!("  {frozen} woke: {}", what_became(operators, &frozen)?);
    Ok(())
}

/// Whether the pod was not restarted in this rollout: it carries the mark for it.
fn is_old(environment: &Environment, pod: &PodView) -> bool {
    let marked = environment.kubernetes.pod(&pod.name).ok();
    let marks = marked.and_then(|pod| pod.metadata.annotations);
    marks.is_some_and(|marks| marks.contains_key("kintsugi.dev/restart-for"))
}

/// Waits until another operator holds the lease and a node is down.
fn wake_while_down(
    environment: &Environment,
    operators: &Kubernetes,
    frozen: &str,
    since: Instant,
) -> anyhow::Result<()> {
    let count = nodes(environment)?.len();
    let what = "the other operator to restart a node";
    let (holder, down) = environment.kubernetes.wait(what, TAKE_OVER_LIMIT, |_| {
        let holder = operators.lease_holder()?;
        let now = nodes(environment)?;
        let down: Vec<&str> = now
            .values()
            .filter(|p| !p.ready)
            .map(|p| p.name.as_str())
            .collect();
        let is_down = now.len() < count || !down.is_empty();
        Ok(if holder != frozen && is_down {
            Ok((holder, down.join(", ")))
        } else {
            Err(format!("{holder} holds the lease, all nodes are ready"))
        })
    })?;
    let after = since.elapsed();
    println!("  {holder} took over and had {down} down {after:.1?} after the freeze");
    Ok(())
}

/// What became of the act of the operator that woke, from its log: it must say.
fn what_became(operators: &Kubernetes, woken: &str) -> anyhow::Result<&'static str> {
    let what = "the operator that woke to say what became of its act";
    operators.wait(what, WOKEN_LIMIT, |operators| {
        // Its container ends, and begins anew, once it finds the lease lost.
        let logs = [false, true].map(|previous| operators.logs(woken, previous));
        let says = |text: &str| logs.iter().flatten().any(|log| log.contains(text));
        Ok(if says("has changed since it was observed") {
            Ok("its deletion was refused, for the pod had changed")
        } else if says("lost the lease") {
            Ok("it found the lease lost, and ended without acting")
        } else {
            Err("it says nothing".to_owned())
        })
    })
}

/// The pod that a line of an operator's log holds the deletion of.
fn held_pod(line: &str) -> Option<String> {
    let line: serde_json::Value = serde_json::from_str(line).ok()?;
    let fields = &line["fields"];
    let holds = fields["message"] == "holding before an act";
    holds.then(|| fields["pod"].as_str().map(str::to_owned))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pod_that_is_held_is_read_from_the_operators_log() {
        let line = r#"{"level":"WARN","fields":{"message":"holding before an act","pod":"demo-broker-1-1"}}"#;
        assert_eq!(held_pod(line).as_deref(), Some("demo-broker-1-1"));
        assert_eq!(
            held_pod(r#"{"fields":{"message":"other","pod":"x"}}"#),
            None
        );
        assert_eq!(held_pod("no JSON"), None);
    }
}
