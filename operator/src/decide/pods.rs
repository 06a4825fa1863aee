//! Pods: created where a volume has none, deleted where they cannot come back by themselves or
//! where their template has changed while they serve nobody.
//! A pod that cannot come back serves nobody, so its deletion takes nothing from any in-sync set.

use k8s_openapi::jiff::{SignedDuration, Timestamp};

use super::Draft;
use super::gates::{Gate, first_closed};
use super::members::Members;
use super::rollout::{Rollout, refusal_text};
use crate::build::pod as template;
use crate::cluster::Cluster;
use crate::history::{EVIDENCE_HELD, EVIDENCE_READS, History, Suspicion};
use crate::names::{REPLACEMENTS_ANNOTATION, Role};
use crate::observe::{Observed, ObservedPod, ObservedVolume, PodState, TroubleKind};
use crate::plan::{Command, PodDeletion, VolumeChange, format_times};
use crate::template::Template;

/// The window of `spec.healing.podReplacementsMax`; the kubelet forgets its back-off after it too.
const REPLACEMENT_WINDOW: SignedDuration = SignedDuration::from_mins(10);
/// How long an earlier replacement may take before it no longer holds up the next.
const SETTLE_MAX: SignedDuration = SignedDuration::from_secs(120);
/// A frozen process does not hear SIGTERM. One second, not zero: with zero Kubernetes would forget
/// the pod before the kubelet has killed it.
const FROZEN_GRACE_SECONDS: u32 = 1;
/// A node's own fatal refusal: its incarnation is stale, or its volume is another cluster's.
pub const EXIT_REFUSED: i32 = 70;

/// Adds a pod for each volume without one. Nothing is disturbed by that, so no gate is asked.
pub fn create(
    cluster: &Cluster,
    observed: &Observed,
    members: &Members<'_>,
    rollout: &Rollout<'_>,
    draft: &mut Draft,
) {
    // Volumes that this plan creates count too: everything is created in one go.
    let planned: Vec<_> = draft
        .commands
        .iter()
        .filter_map(|command| match command {
            Command::CreateVolume(claim) => {
                let member = crate::names::Member::from_labels(claim.metadata.labels.as_ref()?)?;
                let annotations = claim.metadata.annotations.as_ref()?;
                Some((
                    member,
                    annotations.get(crate::names::ZONE_ANNOTATION).cloned(),
                ))
            }
            _ => None,
        })
        .collect();
    let existing = members
        .controllers
        .values()
        .chain(members.brokers.values())
        .flatten()
        .map(|volume| (volume.member, volume.zone.clone()));
    let mut wanted: Vec<_> = existing.chain(planned).collect();
    wanted.sort();
    for (member, zone) in wanted {
        if observed.pod(member).is_none() {
            let volume = observed
                .volumes
                .iter()
                .find(|volume| volume.member == member);
            let made_from = rollout.template(cluster, member, volume);
            let pod = template::build_from(cluster, member, zone.as_deref(), &made_from);
            draft.commands.push(Command::CreatePod(Box::new(pod)));
        }
    }
}

/// Adds the deletion of pods that cannot come back: superseded, ended, or in a crash loop.
pub fn heal(
    cluster: &Cluster,
    observed: &Observed,
    rollout: &Rollout<'_>,
    history: &History,
    now: Timestamp,
    draft: &mut Draft,
) {
    for pod in &observed.pods {
        if !pod.is_terminating() && is_superseded(observed, pod) {
            let why = "a newer generation has taken its place".to_owned();
            draft.commands.push(delete(pod, why, None));
            continue;
        }
        let found = if rollout.is_to_be_corrected(cluster, observed, pod) {
            Some(outdated_down(pod))
        } else {
            cause(cluster, observed, pod, now)
        };
        let Some(cause) = found else {
            continue;
        };
        let volume = observed
            .volumes
            .iter()
            .find(|volume| volume.member == pod.member);
        let checks = gates(cluster, observed, history, pod, &cause, volume, draft, now);
        match first_closed(&pod.name, checks) {
            Some(closed) => draft.closed.push(closed),
            None => {
                let made_from = rollout.template(cluster, pod.member, volume);
                replace(cluster, pod, volume, &made_from, cause, now, draft);
            }
        }
    }
}

/// Why a pod cannot come back by itself.
struct Cause {
    suspicion: Suspicion,
    why: String,
    grace_seconds: Option<u32>,
    /// Whether the pod gets another template: then it does not matter how often the former one
    /// was tried.
    is_new_template: bool,
}

/// A template that did not start is undone, or corrected, without waiting for it to start.
fn outdated_down(pod: &ObservedPod) -> Cause {
    Cause {
        suspicion: Suspicion::OutdatedDown {
            uid: pod.uid.clone(),
        },
        why: "it serves nobody, and spec has changed since it was created".to_owned(),
        grace_seconds: None,
        is_new_template: true,
    }
}

fn cause(
    cluster: &Cluster,
    observed: &Observed,
    pod: &ObservedPod,
    now: Timestamp,
) -> Option<Cause> {
    let uid = pod.uid.clone();
    let why = match &pod.state {
        PodState::Finished { why } => format!("it ended for good ({why})"),
        PodState::CrashLoop { since, exit_code } => {
            let limit = SignedDuration::from_secs(cluster.healing.crash_loop_seconds.into());
            // A new pod helps against the kubelet's back-off, not against a refusal or a limit. And
            // it would forget that its template was killed for want of memory.
            let is_helpless = *exit_code == EXIT_REFUSED || is_out_of_memory(pod);
            if is_helpless || now.duration_since(*since) < limit {
                return None;
            }
            format!("its container ended with code {exit_code} and waits to be restarted")
        }
        PodState::Running if is_frozen(observed, pod) => {
            return Some(Cause {
                suspicion: Suspicion::Frozen { uid },
                why: "its process is frozen: it accepts connections and says nothing".to_owned(),
                grace_seconds: Some(FROZEN_GRACE_SECONDS),
                is_new_template: false,
            });
        }
        _ => return None,
    };
    Some(Cause {
        suspicion: Suspicion::CrashLoop { uid },
        why,
        grace_seconds: None,
        is_new_template: false,
    })
}

fn is_out_of_memory(pod: &ObservedPod) -> bool {
    let trouble = pod.trouble.as_ref();
    trouble.is_some_and(|trouble| trouble.kind == TroubleKind::OomKilled)
}

/// Whether a broker's process is there but does nothing: the quorum has fenced it, its kubelet
/// reports it not ready, and it lets a liveness question time out. A broker that is busy coming
/// back answers that question. On a node that is cut off the kubelet reports nothing, so the pod
/// still counts as ready and is left alone.
pub fn is_frozen(observed: &Observed, pod: &ObservedPod) -> bool {
    pod.silent
        && pod.is_running()
        && !pod.ready
        && pod.member.role == Role::Broker
        && observed
            .broker(pod.member.id)
            .is_some_and(|broker| broker.fenced && broker.generation == pod.member.generation)
}

fn gates(
    cluster: &Cluster,
    observed: &Observed,
    history: &History,
    pod: &ObservedPod,
    cause: &Cause,
    volume: Option<&ObservedVolume>,
    draft: &Draft,
    now: Timestamp,
) -> Vec<(Gate, bool, String)> {
    let recent = volume.map_or(0, |volume| recent_replacements(volume, now).count());
    let allowed = usize::try_from(cluster.healing.pod_replacements_max).unwrap_or(0);
    let unsettled = observed.volumes.iter().any(|other| {
        other.member.role == pod.member.role
            && other.member != pod.member
            && is_unsettled(observed, other, now)
    }) || observed.pods.iter().any(|other| {
        other.restart_for.is_some() && other.uid != pod.uid && !other.is_terminating()
    }) || draft
        .commands
        .iter()
        .any(|command| matches!(command, Command::DeletePod(_)));
    vec![
        (
            Gate::Pause,
            cluster.healing.enabled,
            "spec.healing.enabled is false".to_owned(),
        ),
        (
            Gate::Evidence,
            history.holds(&cause.suspicion),
            format!("it must be down in {EVIDENCE_HELD} of {EVIDENCE_READS} live reads"),
        ),
        (
            Gate::OneDisruption,
            !unsettled,
            "another pod is being replaced or restarted and is not ready yet".to_owned(),
        ),
        (
            Gate::HealingLimit,
            recent < allowed || cause.is_new_template,
            format!(
                "its pod was replaced {recent} times within 10 minutes, \
                 spec.healing.podReplacementsMax is {allowed}: look at its logs"
            ),
        ),
        (
            Gate::Admission,
            !history.is_refused(cluster.generation, now),
            refusal_text(cluster, history),
        ),
    ]
}

/// Whether the operator replaced the pod of `volume` lately and it is not ready yet.
fn is_unsettled(observed: &Observed, volume: &ObservedVolume, now: Timestamp) -> bool {
    let ready = observed.pod(volume.member).is_some_and(|pod| pod.ready);
    let latest = volume.replacements.last();
    !ready && latest.is_some_and(|latest| now.duration_since(*latest) < SETTLE_MAX)
}

fn recent_replacements(
    volume: &ObservedVolume,
    now: Timestamp,
) -> impl Iterator<Item = &Timestamp> {
    volume
        .replacements
        .iter()
        .filter(move |time| now.duration_since(**time) < REPLACEMENT_WINDOW)
}

/// The replacement is counted on the volume first: a restart between the two counts one too many,
/// never one too few.
fn replace(
    cluster: &Cluster,
    pod: &ObservedPod,
    volume: Option<&ObservedVolume>,
    made_from: &Template,
    cause: Cause,
    now: Timestamp,
    draft: &mut Draft,
) {
    if let Some(volume) = volume {
        let replacement =
            template::build_from(cluster, pod.member, volume.zone.as_deref(), made_from);
        draft
            .commands
            .push(Command::RehearsePod(Box::new(replacement)));
        let mut times: Vec<Timestamp> = recent_replacements(volume, now).copied().collect();
        times.push(now);
        let mut change = VolumeChange::of(volume);
        change.annotations.insert(
            REPLACEMENTS_ANNOTATION.to_owned(),
            Some(format_times(&times)),
        );
        draft.commands.push(Command::ChangeVolume(change));
    }
    draft
        .commands
        .push(delete(pod, cause.why, cause.grace_seconds));
}

/// Whether a volume of a newer generation exists. The quorum granted it, so it has given up this
/// pod's incarnation for good and will refuse it.
fn is_superseded(observed: &Observed, pod: &ObservedPod) -> bool {
    observed.volumes.iter().any(|volume| {
        volume.member.role == pod.member.role
            && volume.member.id == pod.member.id
            && volume.member.generation > pod.member.generation
    })
}

/// The deletion of `pod` as it was observed.
pub fn delete(pod: &ObservedPod, why: String, grace_seconds: Option<u32>) -> Command {
    Command::DeletePod(PodDeletion {
        name: pod.name.clone(),
        uid: pod.uid.clone(),
        resource_version: pod.resource_version.clone(),
        grace_seconds,
        why,
    })
}
