//! The status: computed from what was observed, never from what was meant.

mod racks;
mod restarts;
mod troubles;

use std::borrow::Cow;
use std::collections::BTreeSet;

use k8s_openapi::jiff::Timestamp;
use kintsugi_crds::{
    AutoscalingStatus, Condition, ConditionStatus, KafkaClusterStatus, PartitionCounts, Phase,
    RoleStatus, StorageStatus,
};

use self::troubles::{join, troubles};
use super::Draft;
use super::gates::Gate;
use super::members::Members;
use super::rollout::Rollout;
use crate::cluster::Cluster;
use crate::history::History;
use crate::names::{Role, bootstrap_service, role_selector_text};
use crate::observe::{Observed, ObservedPod};
use crate::told::seconds;

/// Characters of a condition's message; the schema allows this many.
const MESSAGE_CHARACTERS_MAX: usize = 2048;
/// Characters of a condition's reason; the schema allows this many.
const REASON_CHARACTERS_MAX: usize = 128;

/// What was found of one aspect: whether it holds, a reason, a message.
pub(crate) struct Finding {
    pub(crate) holds: bool,
    pub(crate) reason: Cow<'static, str>,
    pub(crate) message: String,
}

impl Finding {
    fn no(reason: &'static str) -> Self {
        Self {
            holds: false,
            reason: Cow::Borrowed(reason),
            message: String::new(),
        }
    }

    fn yes(reason: &'static str, message: String) -> Self {
        Self {
            holds: true,
            reason: Cow::Borrowed(reason),
            message,
        }
    }
}

fn partitions(observed: &Observed) -> Option<PartitionCounts> {
    let counts = observed.quorum.as_ref()?.partitions?;
    Some(PartitionCounts {
        total: counts.total,
        leaderless: counts.leaderless,
        under_replicated: counts.under_replicated,
        under_min_isr: counts.under_min_isr,
    })
}

/// The status of a valid cluster.
pub fn status(
    cluster: &Cluster,
    observed: &Observed,
    members: &Members<'_>,
    rollout: &Rollout<'_>,
    draft: &Draft,
    written: Option<&KafkaClusterStatus>,
    history: &History,
    now: Timestamp,
) -> KafkaClusterStatus {
    let troubles = troubles(observed, members);
    let degraded = degraded(observed, members, &troubles);
    let ready = match troubles.first() {
        None => Finding::yes(
            "AllNodesReady",
            "every node is ready and every partition led".into(),
        ),
        Some(first) => Finding {
            holds: false,
            reason: Cow::Borrowed(first.0),
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
        ("ShrinkRefused", shrink_refused(members, draft)),
        ("RestartPending", restarts::pending(rollout, draft)),
        (
            "RolloutStopped",
            restarts::stopped(cluster, rollout, draft, history),
        ),
        ("RacksUneven", racks::uneven(cluster, members)),
        ("StorageBlocked", storage_blocked(cluster)),
    ];
    let of_pods = restarts::pod_troubles(cluster, observed, now);
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
            &cluster.controller_ids().collect(),
        ),
        brokers: role_status(cluster, observed, Role::Broker, &members.broker_ids),
        autoscaling: autoscaling(cluster),
        balance: cluster.balancing.as_ref().map(|one| one.status.clone()),
        storage: storage(cluster),
        partitions: partitions(observed),
        conditions: findings
            .into_iter()
            .chain(of_pods)
            .map(|(type_, finding)| condition(type_, finding, cluster.generation, former, now))
            .collect(),
    }
}

/// What was decided of the size, now or before.
fn autoscaling(cluster: &Cluster) -> Option<AutoscalingStatus> {
    cluster.autoscaling.as_ref()?;
    let decided = cluster.sizing.as_ref().map(|sizing| sizing.status.clone());
    decided.or_else(|| cluster.autoscaling_written.clone())
}

/// What was found of the brokers' volumes, where they grow by themselves.
fn storage(cluster: &Cluster) -> Option<StorageStatus> {
    cluster
        .storing
        .as_ref()
        .map(|storing| storing.status.clone())
}

/// What keeps volumes from growing as they should.
fn storage_blocked(cluster: &Cluster) -> Finding {
    match cluster.storing.as_ref().map(|storing| &storing.blocked) {
        None => Finding::no("NoAutoscaling"),
        Some(None) => Finding::no("NotBlocked"),
        Some(Some((word, why))) => Finding::yes(word, why.clone()),
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
        reason: Cow::Borrowed("Invalid"),
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

fn role_status(
    cluster: &Cluster,
    observed: &Observed,
    role: Role,
    in_force: &BTreeSet<i32>,
) -> RoleStatus {
    let pods = || {
        observed
            .pods
            .iter()
            .filter(move |pod| pod.member.role == role)
    };
    // A pod that is about to be taken away counts no more.
    let is_in_force = |pod: &&ObservedPod| in_force.contains(&pod.member.id);
    let ready = pods().filter(|pod| pod.ready).filter(is_in_force).count();
    let size = in_force.len();
    let count = |number: usize| i32::try_from(number).unwrap_or(i32::MAX);
    RoleStatus {
        replicas: count(pods().filter(|pod| !pod.is_terminating()).count()),
        ready: count(ready),
        summary: format!("{ready}/{size}"),
        selector: role_selector_text(&cluster.name, role),
    }
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
            [members.lost_controllers(), members.replaced_controllers()].concat()
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

fn shrink_refused(members: &Members<'_>, draft: &Draft) -> Finding {
    match &draft.shrink_held {
        Some((reason, message)) => Finding::yes(reason, message.clone()),
        None if members.excess > 0 => Finding::no("Shrinking"),
        None => Finding::no("SizeInForce"),
    }
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

/// A condition whose transition time moves only when its status does.
pub(crate) fn condition(
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
        reason: finding.reason.chars().take(REASON_CHARACTERS_MAX).collect(),
        message: finding
            .message
            .chars()
            .take(MESSAGE_CHARACTERS_MAX)
            .collect(),
        last_transition_time: match unchanged {
            Some(former) => former.last_transition_time.clone(),
            None => seconds(now),
        },
        observed_generation: generation,
    }
}
