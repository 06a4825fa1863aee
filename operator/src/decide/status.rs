//! The status: computed from what was observed, never from what was meant.

use k8s_openapi::jiff::Timestamp;
use kintsugi_crds::{
    Condition, ConditionStatus, KafkaClusterStatus, PartitionCounts, Phase, RoleStatus,
};

use super::Draft;
use super::gates::Gate;
use super::members::Members;
use super::pods::EXIT_REFUSED;
use crate::build::pod::template_hash;
use crate::cluster::Cluster;
use crate::history::History;
use crate::names::{Member, Role, bootstrap_service, role_selector_text};
use crate::observe::{Observed, PodState};

/// Characters of a condition's message; the schema allows this many.
const MESSAGE_CHARACTERS_MAX: usize = 2048;
/// Nodes that a message names before it only counts.
const NAMED_MAX: usize = 10;

/// What was found of one aspect: whether it holds, a reason, a message.
struct Finding {
    holds: bool,
    reason: &'static str,
    message: String,
}

impl Finding {
    fn no(reason: &'static str) -> Self {
        Self {
            holds: false,
            reason,
            message: String::new(),
        }
    }

    fn yes(reason: &'static str, message: String) -> Self {
        Self {
            holds: true,
            reason,
            message,
        }
    }
}

/// The status of a valid cluster.
pub fn status(
    cluster: &Cluster,
    observed: &Observed,
    members: &Members<'_>,
    draft: &Draft,
    written: Option<&KafkaClusterStatus>,
    history: &History,
    now: Timestamp,
) -> KafkaClusterStatus {
    let troubles = troubles(cluster, observed, members);
    let degraded = degraded(observed, members, &troubles);
    let ready = match troubles.first() {
        None => Finding::yes(
            "AllNodesReady",
            "every node is ready and every partition led".into(),
        ),
        Some(first) => Finding {
            holds: false,
            reason: first.0,
            message: join(&troubles),
        },
    };
    let quorum_lost = quorum_lost(members);
    let phase = phase(cluster, members, &ready, &degraded, &quorum_lost);
    let findings = [
        ("Ready", ready),
        (
            "Progressing",
            progressing(draft, &troubles, members, history),
        ),
        ("Degraded", degraded),
        ("QuorumLost", quorum_lost),
        ("HealingBlocked", healing_blocked(draft)),
        ("ShrinkRefused", shrink_refused(cluster, members)),
        ("RestartPending", restart_pending(cluster, observed)),
    ];
    let former = written
        .map(|status| status.conditions.as_slice())
        .unwrap_or_default();
    KafkaClusterStatus {
        observed_generation: Some(cluster.generation),
        phase: Some(phase),
        cluster_id: Some(cluster.cluster_id.clone()),
        bootstrap: Some(format!(
            "{}.{}.svc:{}",
            bootstrap_service(&cluster.name),
            cluster.namespace,
            cluster.client_port
        )),
        controllers: role_status(
            cluster,
            observed,
            Role::Controller,
            members.controllers.len(),
        ),
        brokers: role_status(cluster, observed, Role::Broker, members.broker_ids.len()),
        partitions: observed
            .quorum
            .as_ref()
            .and_then(|quorum| quorum.partitions)
            .map(|counts| PartitionCounts {
                total: counts.total,
                leaderless: counts.leaderless,
                under_replicated: counts.under_replicated,
                under_min_isr: counts.under_min_isr,
            }),
        conditions: findings
            .into_iter()
            .map(|(type_, finding)| condition(type_, finding, cluster.generation, former, now))
            .collect(),
    }
}

/// The status of a resource that cannot be acted on.
pub fn invalid(
    message: String,
    generation: i64,
    written: Option<&KafkaClusterStatus>,
    now: Timestamp,
) -> KafkaClusterStatus {
    let mut status = written.cloned().unwrap_or_default();
    let finding = Finding {
        holds: false,
        reason: "Invalid",
        message,
    };
    let ready = condition("Ready", finding, generation, &status.conditions, now);
    status
        .conditions
        .retain(|condition| condition.type_ != "Ready");
    status.conditions.insert(0, ready);
    status.phase = Some(Phase::Invalid);
    status.observed_generation = Some(generation);
    status
}

fn role_status(cluster: &Cluster, observed: &Observed, role: Role, size: usize) -> RoleStatus {
    let pods = || {
        observed
            .pods
            .iter()
            .filter(move |pod| pod.member.role == role)
    };
    let ready = pods().filter(|pod| pod.ready).count();
    let count = |number: usize| i32::try_from(number).unwrap_or(i32::MAX);
    RoleStatus {
        replicas: count(pods().filter(|pod| !pod.is_terminating()).count()),
        ready: count(ready),
        summary: format!("{ready}/{size}"),
        selector: role_selector_text(&cluster.name, role),
    }
}

/// Everything that keeps the cluster from being ready, the most telling first.
fn troubles(
    cluster: &Cluster,
    observed: &Observed,
    members: &Members<'_>,
) -> Vec<(&'static str, String)> {
    let mut troubles = Vec::new();
    let lost = members.lost_controllers();
    if !lost.is_empty() {
        troubles.push((
            "ControllerVolumeLost",
            format!(
                "the volumes of controllers {lost:?} are gone; replacing a controller's volume is \
                 not part of this version: restore the claims data-{}-controller-<id>-1",
                cluster.name
            ),
        ));
    }
    for (role, id, volume) in members
        .controllers
        .iter()
        .map(|(id, volume)| (Role::Controller, id, volume))
        .chain(
            members
                .brokers
                .iter()
                .map(|(id, volume)| (Role::Broker, id, volume)),
        )
    {
        let trouble = match volume {
            None if observed.is_held(role, *id) => "its volume is being deleted",
            None => "it has no volume yet",
            Some(volume) if volume.lost => {
                "its claim is bound to a volume that is gone: delete the claim to have it replaced"
            }
            Some(volume) => match pod_trouble(observed, volume.member) {
                None => continue,
                Some(text) => {
                    troubles.push(("NodesNotReady", format!("{role} {id}: {text}")));
                    continue;
                }
            },
        };
        troubles.push(("NodesNotReady", format!("{role} {id}: {trouble}")));
    }
    troubles.extend(quorum_troubles(observed, members));
    troubles
}

fn pod_trouble(observed: &Observed, member: Member) -> Option<String> {
    let Some(pod) = observed.pod(member) else {
        return Some("it has no pod yet".to_owned());
    };
    match &pod.state {
        _ if pod.ready => None,
        PodState::Pending { why: Some(why) } => Some(why.clone()),
        PodState::Pending { why: None } => Some("its pod starts".to_owned()),
        PodState::Running => Some("its pod runs and is not ready".to_owned()),
        PodState::CrashLoop {
            exit_code: EXIT_REFUSED,
            ..
        } => Some(
            "it refuses to start (exit code 70): its incarnation is stale or its volume belongs \
             to another cluster; its log says which"
                .to_owned(),
        ),
        PodState::CrashLoop { exit_code, .. } => Some(format!(
            "its container ends with code {exit_code} again and again"
        )),
        PodState::Finished { why } => Some(format!("its pod ended: {why}")),
        PodState::Terminating => Some("its pod is being deleted".to_owned()),
    }
}

fn quorum_troubles(observed: &Observed, members: &Members<'_>) -> Vec<(&'static str, String)> {
    let quorum = observed.quorum.as_ref();
    let Some(brokers) = quorum.and_then(|quorum| quorum.brokers.as_ref()) else {
        return vec![(
            "NoActiveController",
            "no active controller answers".to_owned(),
        )];
    };
    let mut troubles = Vec::new();
    for id in &members.broker_ids {
        match brokers.get(id) {
            None => troubles.push(("BrokersFenced", format!("broker {id} has not registered"))),
            Some(broker) if broker.fenced => {
                troubles.push(("BrokersFenced", format!("broker {id} is fenced")));
            }
            Some(_) => {}
        }
    }
    match quorum.and_then(|quorum| quorum.partitions) {
        Some(partitions) if partitions.leaderless > 0 => troubles.push((
            "PartitionsLeaderless",
            format!("{} partitions have no leader", partitions.leaderless),
        )),
        _ => {}
    }
    troubles
}

fn degraded(
    observed: &Observed,
    members: &Members<'_>,
    troubles: &[(&'static str, String)],
) -> Finding {
    if !members.formed {
        return Finding::no("Forming");
    }
    if let Some(first) = troubles.first() {
        return Finding::yes(first.0, join(troubles));
    }
    match observed
        .quorum
        .as_ref()
        .and_then(|quorum| quorum.partitions)
    {
        Some(counts) if counts.under_replicated > 0 => Finding::yes(
            "PartitionsUnderReplicated",
            format!(
                "{} partitions have less copies than they should",
                counts.under_replicated
            ),
        ),
        _ => Finding::no("Whole"),
    }
}

fn quorum_lost(members: &Members<'_>) -> Finding {
    if !members.quorum_lost() {
        return Finding::no("QuorumHeld");
    }
    Finding::yes(
        "VolumesLost",
        format!(
            "the volumes of controllers {:?} are gone, and a majority of them with it: the \
             operator has stopped, because a new quorum would forget every topic. Restore the \
             claims; only if no record matters any more, delete all claims of this cluster",
            members.lost_controllers()
        ),
    )
}

fn progressing(
    draft: &Draft,
    troubles: &[(&'static str, String)],
    members: &Members<'_>,
    history: &History,
) -> Finding {
    let mut messages = draft.waiting.clone();
    messages.extend(
        history
            .last_failure
            .iter()
            .map(|failure| format!("last act: {failure}")),
    );
    if draft.commands.is_empty() && troubles.is_empty() && messages.is_empty() {
        return Finding::no("Settled");
    }
    let reason = if members.formed {
        "Converging"
    } else {
        "Forming"
    };
    Finding::yes(reason, messages.join("; "))
}

fn healing_blocked(draft: &Draft) -> Finding {
    // Gathering evidence takes a second and blocks nothing.
    let closed: Vec<String> = draft
        .closed
        .iter()
        .filter(|closed| closed.gate != Gate::Evidence)
        .map(ToString::to_string)
        .collect();
    if closed.is_empty() {
        return Finding::no("GatesOpen");
    }
    Finding::yes("GateClosed", closed.join("; "))
}

fn shrink_refused(cluster: &Cluster, members: &Members<'_>) -> Finding {
    let asked = usize::try_from(cluster.brokers.replicas).unwrap_or(0);
    let present = members.broker_ids.len();
    if present <= asked {
        return Finding::no("SizeInForce");
    }
    Finding::yes(
        "NotInThisVersion",
        format!(
            "spec.brokers.replicas is {asked}, but {present} brokers hold data and removing a \
             broker is not part of this version: set spec.brokers.replicas to {present}"
        ),
    )
}

fn restart_pending(cluster: &Cluster, observed: &Observed) -> Finding {
    let stale: Vec<&str> = observed
        .volumes
        .iter()
        .filter_map(|volume| {
            let pod = observed
                .pod(volume.member)
                .filter(|pod| !pod.is_terminating())?;
            let wanted = template_hash(cluster, volume.member, volume.zone.as_deref());
            (pod.template_hash != wanted).then_some(pod.name.as_str())
        })
        .collect();
    if stale.is_empty() {
        return Finding::no("UpToDate");
    }
    Finding::yes(
        "OlderTemplate",
        format!(
            "pods run with an older configuration or image, and this version does not restart them \
             by itself: delete them one at a time, each after the former is ready and no partition \
             is under-replicated: {}",
            stale.join(", ")
        ),
    )
}

fn phase(
    cluster: &Cluster,
    members: &Members<'_>,
    ready: &Finding,
    degraded: &Finding,
    quorum_lost: &Finding,
) -> Phase {
    if cluster.paused {
        Phase::Paused
    } else if quorum_lost.holds {
        Phase::QuorumLost
    } else if !ready.holds && !members.formed {
        Phase::Forming
    } else if degraded.holds || !ready.holds {
        Phase::Degraded
    } else {
        Phase::Ready
    }
}

fn join(troubles: &[(&'static str, String)]) -> String {
    let named: Vec<&str> = troubles
        .iter()
        .take(NAMED_MAX)
        .map(|(_, text)| text.as_str())
        .collect();
    let rest = troubles.len().saturating_sub(NAMED_MAX);
    let more = if rest > 0 {
        format!("; and {rest} more")
    } else {
        String::new()
    };
    format!("{}{more}", named.join("; "))
}

/// A condition whose transition time moves only when its status does.
fn condition(
    type_: &str,
    finding: Finding,
    generation: i64,
    former: &[Condition],
    now: Timestamp,
) -> Condition {
    let status = if finding.holds {
        ConditionStatus::True
    } else {
        ConditionStatus::False
    };
    let unchanged = former
        .iter()
        .find(|former| former.type_ == type_ && former.status == status);
    Condition {
        type_: type_.to_owned(),
        status,
        reason: finding.reason.to_owned(),
        message: finding
            .message
            .chars()
            .take(MESSAGE_CHARACTERS_MAX)
            .collect(),
        last_transition_time: match unchanged {
            Some(former) => former.last_transition_time.clone(),
            None => rfc3339_seconds(now),
        },
        observed_generation: generation,
    }
}

/// RFC 3339 in whole seconds, as Kubernetes writes times.
fn rfc3339_seconds(now: Timestamp) -> String {
    Timestamp::from_second(now.as_second())
        .unwrap_or(now)
        .to_string()
}
