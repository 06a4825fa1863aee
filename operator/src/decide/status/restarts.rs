//! What is said of rolling restarts, and of the troubles of pods that stop them.

use k8s_openapi::jiff::Timestamp;

use super::Finding;
use crate::cluster::Cluster;
use crate::decide::Draft;
use crate::decide::gates::{Closed, Gate};
use crate::decide::rollout::{Rollout, is_troubled, refusal_text};
use crate::history::History;
use crate::names::Role;
use crate::observe::{Observed, ObservedPod, PodTrouble, TroubleKind};

/// Pods that a message names before it only counts.
const NAMED_MAX: usize = 10;

/// Whether pods wait to be restarted, and what the next of them waits for.
pub fn pending(rollout: &Rollout<'_>, draft: &Draft) -> Finding {
    let outdated = &rollout.outdated;
    let Some(next) = outdated.first() else {
        return Finding::no("UpToDate");
    };
    let names: Vec<&str> = outdated
        .iter()
        .take(NAMED_MAX)
        .map(|outdated| outdated.pod.name.as_str())
        .collect();
    let waits = closed_for(draft, next.pod).map_or_else(
        || "the first of them is being restarted".to_owned(),
        |closed| format!("the first of them waits: {}", closed.reason),
    );
    Finding::yes(
        "OlderTemplate",
        format!(
            "{} pods run with an older configuration, image or resources and are restarted one at \
             a time, in this order: {}; {waits}",
            outdated.len(),
            names.join(", ")
        ),
    )
}

/// Whether a rolling restart waits for people.
pub fn stopped(
    cluster: &Cluster,
    rollout: &Rollout<'_>,
    draft: &Draft,
    history: &History,
) -> Finding {
    let outdated = &rollout.outdated;
    let Some(next) = outdated.first() else {
        return Finding::no("NoneHeld");
    };
    if history.refusal_of(cluster.generation).is_some() {
        return Finding::yes("ReplacementRefused", refusal_text(cluster, history));
    }
    if let Some(pod) = rollout.failing.first() {
        let (reason, advice) = match &pod.trouble {
            Some(trouble) => (trouble.kind.condition(), advice(cluster, pod, trouble)),
            None => (
                "NotReady",
                format!(
                    "it takes long to be ready: its log says why (kubectl logs {})",
                    pod.name
                ),
            ),
        };
        return Finding::yes(
            reason,
            format!(
                "the first pod with the new template, {}, does not run as it should; {} others keep \
                 the former one until it does, or until spec is set back: {advice}",
                pod.name,
                outdated.len(),
            ),
        );
    }
    match closed_for(draft, next.pod) {
        Some(closed) if closed.gate == Gate::Pause => Finding::yes("Paused", closed.reason.clone()),
        _ => Finding::no("NoneHeld"),
    }
}

fn closed_for<'a>(draft: &'a Draft, pod: &ObservedPod) -> Option<&'a Closed> {
    draft
        .closed
        .iter()
        .find(|closed| closed.subject == pod.name)
}

/// A condition for each kind of trouble that pods may have.
pub fn pod_troubles(
    cluster: &Cluster,
    observed: &Observed,
    now: Timestamp,
) -> [(&'static str, Finding); 4] {
    TroubleKind::ALL.map(|kind| {
        let pods: Vec<(&ObservedPod, &PodTrouble)> = observed
            .pods
            .iter()
            .filter(|pod| is_troubled(pod, now))
            .filter_map(|pod| Some((pod, pod.trouble.as_ref()?)))
            .filter(|(_, trouble)| trouble.kind == kind)
            .collect();
        let finding = match pods.first() {
            None => Finding::no("None"),
            Some((_, first)) => {
                let advices: Vec<String> = pods
                    .iter()
                    .take(NAMED_MAX)
                    .map(|(pod, trouble)| advice(cluster, pod, trouble))
                    .collect();
                Finding {
                    holds: true,
                    reason: first.reason.clone().into(),
                    message: advices.join("; "),
                }
            }
        };
        (kind.condition(), finding)
    })
}

/// What is wrong with a pod, and what to do about it.
fn advice(cluster: &Cluster, pod: &ObservedPod, trouble: &PodTrouble) -> String {
    let (name, reason, detail) = (&pod.name, &trouble.reason, &trouble.detail);
    let role = match pod.member.role {
        Role::Controller => "controllers",
        Role::Broker => "brokers",
    };
    match trouble.kind {
        TroubleKind::OomKilled => format!(
            "{name} was killed because it used more memory than its limit: raise \
             spec.{role}.resources.limits.memory (now {})",
            cluster.role(pod.member.role).amounts.memory_limit
        ),
        TroubleKind::ImagePull => format!(
            "{name} cannot get the image {detail} ({reason}): set spec.image, or the chart's \
             brokerImage, to one that its node can pull, or make the registry reachable"
        ),
        TroubleKind::Pending if reason == "Unschedulable" => format!(
            "no node takes {name}: {detail}: lower spec.{role}.resources.requests, or add nodes or \
             volumes"
        ),
        TroubleKind::Pending => format!("{name} cannot start ({reason}): {detail}"),
        TroubleKind::CrashLoop => format!(
            "the container of {name} ends again and again ({detail}): its log says why (kubectl \
             logs {name} --previous); if this began with a change of spec, set that back"
        ),
    }
}
