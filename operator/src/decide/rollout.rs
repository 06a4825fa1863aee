//! Rolling restarts: pods whose template is an older one are stopped and come back with the new
//! one, one at a time, controllers first and the active one last of them.
//!
//! A restart takes two looks. The first marks the pod; the second, which reads everything anew,
//! deletes it. Only one pod is ever marked, and the mark changes the pod's version: an operator that
//! was frozen with a deletion in hand finds that version gone as soon as another one has turned to
//! some other pod. A Lease alone would not fence it.
//!
//! The first pod of a role with a new template is watched for a while before the second is
//! restarted: a template may let pods become ready and end them soon after, as a memory limit does
//! that is a little too low.
//!
//! Pods of an older template that serve nobody are not restarted but healed, see [`super::pods`]:
//! a template that does not start is undone that way.

use std::collections::BTreeSet;

use k8s_openapi::jiff::{SignedDuration, Timestamp};

use super::Draft;
use super::gates::{Closed, Gate, first_closed};
use super::members::Members;
use super::pods::delete;
use crate::build::pod as template;
use crate::cluster::Cluster;
use crate::history::{EVIDENCE_HELD, EVIDENCE_READS, History, Suspicion};
use crate::names::{Member, PAUSE_ROLLOUT_ANNOTATION, Role};
use crate::observe::{Observed, ObservedPod, ObservedVolume, PodState, TroubleKind};
use crate::plan::{Command, PodMark};
use crate::template::Template;

pub(super) mod checks;

use checks::{Check, safety};

/// How long a container that was killed for want of memory speaks against its template.
const OOM_COUNTS: SignedDuration = SignedDuration::from_mins(10);

/// How long the first pod of a role must have been ready with a new template before the second is
/// restarted, and any pod before its template counts as one that works.
pub const WATCHED: SignedDuration = SignedDuration::from_secs(20);

/// A pod of a new template that is not ready for this long speaks against it.
const READY_WITHIN: SignedDuration = SignedDuration::from_mins(2);

/// A pod whose template is an older one.
pub struct Outdated<'a> {
    /// The pod.
    pub pod: &'a ObservedPod,
    /// The volume that it runs on.
    pub volume: &'a ObservedVolume,
    /// The hash that its template should have.
    pub wanted: String,
}

/// How pods stand to the template that spec asks for.
pub struct Rollout<'a> {
    /// Every pod whose template is an older one, in the order of the restarts.
    pub outdated: Vec<Outdated<'a>>,
    /// Pods of the template that is wanted that do not run as they should: a rollout stops at the
    /// first.
    pub failing: Vec<&'a ObservedPod>,
    /// Pods of the template that is wanted that are ready, but not for long.
    pub young: Vec<&'a ObservedPod>,
    /// Nodes whose pod has been ready for a while with the template that is wanted.
    pub proven: BTreeSet<Member>,
}

impl<'a> Rollout<'a> {
    /// Sorts the pods in force by template.
    pub fn find(
        cluster: &Cluster,
        observed: &'a Observed,
        members: &Members<'a>,
        now: Timestamp,
    ) -> Self {
        let (mut outdated, mut failing, mut young) = (Vec::new(), Vec::new(), Vec::new());
        let mut proven = BTreeSet::new();
        for (pod, volume) in current(observed, members) {
            let wanted = template::template_hash(cluster, pod.member, volume.zone.as_deref());
            if pod.template_hash != wanted {
                outdated.push(Outdated {
                    pod,
                    volume,
                    wanted,
                });
            } else if is_troubled(pod, now)
                || (is_slow(pod, now) && !has_worked(cluster, pod, volume))
            {
                failing.push(pod);
            } else if pod.ready && is_young(pod, now) {
                young.push(pod);
            } else if pod.ready {
                proven.insert(pod.member);
            }
        }
        let active = observed.quorum.as_ref().and_then(|quorum| quorum.leader);
        outdated.sort_by_key(|outdated| {
            let pod = outdated.pod;
            let is_active = pod.member.role == Role::Controller && Some(pod.member.id) == active;
            // What is marked is under way already; what is not ready is missed the least.
            let marked_last = pod.restart_for.is_none();
            (
                marked_last,
                pod.ready,
                pod.member.role,
                is_active,
                pod.member.id,
            )
        });
        Self {
            outdated,
            failing,
            young,
            proven,
        }
    }

    /// The template for a pod of `member` that is to be made. While a rollout is stopped a node
    /// comes back as it last worked: one that dies must not fall to the new template too.
    pub fn template(
        &self,
        cluster: &Cluster,
        member: Member,
        volume: Option<&ObservedVolume>,
    ) -> Template {
        let last_good = volume.and_then(|volume| volume.last_good.clone());
        match last_good {
            Some(last_good) if self.failing.iter().any(|pod| pod.member != member) => last_good,
            _ => Template::wanted(cluster, member.role),
        }
    }

    /// The first pod of `role` with the template that is wanted, while nothing shows yet that pods
    /// of it last.
    pub fn watched(&self, role: Role) -> Option<&'a ObservedPod> {
        let lasts = self.proven.iter().any(|member| member.role == role);
        let mut young = self.young.iter().filter(|pod| pod.member.role == role);
        young.next().filter(|_| !lasts).copied()
    }

    /// Whether an outdated pod that serves nobody is to be replaced: not if it would be made again
    /// as it is.
    pub fn is_to_be_corrected(
        &self,
        cluster: &Cluster,
        observed: &Observed,
        pod: &ObservedPod,
    ) -> bool {
        self.outdated
            .iter()
            .filter(|outdated| outdated.pod.uid == pod.uid && is_down(observed, pod))
            .any(|outdated| {
                let (member, volume) = (pod.member, outdated.volume);
                let next = self.template(cluster, member, Some(volume));
                let zone = volume.zone.as_deref();
                template::hash_from(cluster, member, zone, &next) != pod.template_hash
            })
    }

    /// The pod to restart next: the first that still serves.
    fn next(&self, observed: &Observed) -> Option<&Outdated<'a>> {
        self.outdated
            .iter()
            .find(|next| !is_down(observed, next.pod))
    }

    /// The restart that is next, if everything but evidence speaks for it.
    pub fn suspicion(
        &self,
        cluster: &Cluster,
        observed: &Observed,
        members: &Members<'_>,
    ) -> Option<Suspicion> {
        let next = self.next(observed)?;
        let checks = safety(cluster, observed, members, self, next.pod);
        first_closed(&next.pod.name, checks)
            .is_none()
            .then(|| Suspicion::RestartDue {
                uid: next.pod.uid.clone(),
            })
    }
}

/// The pods of the volumes in force that are not being deleted.
fn current<'a>(
    observed: &'a Observed,
    members: &Members<'a>,
) -> impl Iterator<Item = (&'a ObservedPod, &'a ObservedVolume)> {
    let volumes: Vec<&'a ObservedVolume> = members
        .controllers
        .values()
        .chain(members.brokers.values())
        .flatten()
        .copied()
        .collect();
    volumes.into_iter().filter_map(|volume| {
        let pod = observed.pod(volume.member)?;
        (!pod.is_terminating()).then_some((pod, volume))
    })
}

/// Whether a pod's trouble still says something about it.
pub fn is_troubled(pod: &ObservedPod, now: Timestamp) -> bool {
    pod.trouble.as_ref().is_some_and(|trouble| {
        let lately = trouble
            .ended
            .is_some_and(|ended| now.duration_since(ended) < OOM_COUNTS);
        !pod.ready || (trouble.kind == TroubleKind::OomKilled && lately)
    })
}

/// Whether a pod has not been ready for long.
fn is_young(pod: &ObservedPod, now: Timestamp) -> bool {
    pod.ready_since
        .is_some_and(|since| now.duration_since(since) < WATCHED)
}

/// Whether a pod takes longer to be ready than a sound one does, whatever the reason.
fn is_slow(pod: &ObservedPod, now: Timestamp) -> bool {
    let waits = |created| now.duration_since(created) > READY_WITHIN;
    !pod.ready && pod.created.is_some_and(waits)
}

/// Whether `pod` has been ready with the template that is wanted: then it is not the template that
/// keeps it from being ready now.
fn has_worked(cluster: &Cluster, pod: &ObservedPod, volume: &ObservedVolume) -> bool {
    volume.last_good.as_ref() == Some(&Template::wanted(cluster, pod.member.role))
}

/// Whether `pod` serves nobody: it does not run, or it is not ready and the quorum does without it.
pub fn is_down(observed: &Observed, pod: &ObservedPod) -> bool {
    match pod.state {
        PodState::Pending { .. } | PodState::CrashLoop { .. } | PodState::Finished { .. } => true,
        PodState::Terminating => false,
        PodState::Running if pod.ready => false,
        PodState::Running => match pod.member.role {
            Role::Broker => observed.registered().is_some_and(|registered| {
                registered
                    .get(&pod.member.id)
                    .is_none_or(|broker| broker.fenced)
            }),
            Role::Controller => observed.quorum.as_ref().is_some_and(|quorum| {
                quorum.brokers.is_some() && !quorum.answering.contains(&pod.member.id)
            }),
        },
    }
}

/// Adds the next step of a rolling restart, if one is due.
pub fn step(
    cluster: &Cluster,
    observed: &Observed,
    members: &Members<'_>,
    rollout: &Rollout<'_>,
    history: &History,
    now: Timestamp,
    draft: &mut Draft,
) {
    let next = rollout.next(observed);
    let closed = next.and_then(|next| {
        let checks = safety(cluster, observed, members, rollout, next.pod);
        closed(cluster, history, next, checks, now, draft)
    });
    // A mark is kept while evidence gathers, as after a restart of the operator; anything else
    // against the restart takes it away, and with it the version that a deletion would name.
    let keeps_mark = |pod: &ObservedPod| {
        next.is_some_and(|next| next.pod.uid == pod.uid)
            && closed
                .as_ref()
                .is_none_or(|closed| closed.gate == Gate::Evidence)
    };
    let stray = observed
        .pods
        .iter()
        .find(|pod| pod.restart_for.is_some() && !pod.is_terminating() && !keeps_mark(pod));
    if let Some(stray) = stray {
        let why = closed.as_ref().map_or_else(
            || "it needs none, or serves nobody and is replaced".to_owned(),
            ToString::to_string,
        );
        draft.commands.push(mark(stray, None, why));
    }
    match (next, closed) {
        (Some(_), Some(closed)) => draft.closed.push(closed),
        (Some(next), None) if stray.is_none() => restart(cluster, next, draft),
        _ => {}
    }
}

fn closed(
    cluster: &Cluster,
    history: &History,
    next: &Outdated<'_>,
    safety: Vec<Check>,
    now: Timestamp,
    draft: &Draft,
) -> Option<Closed> {
    let mut checks = vec![(
        Gate::Admission,
        !history.is_refused(cluster.generation, now),
        refusal_text(cluster, history),
    )];
    checks.extend(safety);
    let disruptive = |command: &Command| {
        matches!(
            command,
            Command::DeletePod(_) | Command::CreatePod(_) | Command::GrantGeneration { .. }
        )
    };
    checks.push((
        Gate::OneDisruption,
        !draft.commands.iter().any(disruptive),
        "another node is being mended".to_owned(),
    ));
    let due = Suspicion::RestartDue {
        uid: next.pod.uid.clone(),
    };
    checks.push((
        Gate::Evidence,
        history.holds(&due),
        format!("all gates must be open in {EVIDENCE_HELD} of {EVIDENCE_READS} live reads"),
    ));
    first_closed(&next.pod.name, checks)
}

/// What the API server had against a replacement, for gate and condition.
pub fn refusal_text(cluster: &Cluster, history: &History) -> String {
    let refusal = history.refusal_of(cluster.generation);
    let said = refusal.map_or("", |refusal| refusal.message.as_str());
    format!("the API server would refuse the new pod, so the old one stays: {said}")
}

/// Marks the pod, or, once it is marked, has its replacement rehearsed and deletes it: a planned
/// stop, with the whole grace period.
fn restart(cluster: &Cluster, next: &Outdated<'_>, draft: &mut Draft) {
    let why = format!(
        "its configuration, image or resources are older than spec asks for ({PAUSE_ROLLOUT_ANNOTATION}=true \
         would hold the next restarts)"
    );
    if next.pod.restart_for.is_none() {
        let wanted = Some(next.wanted.clone());
        draft.commands.push(mark(next.pod, wanted, why));
        return;
    }
    let replacement = template::build(cluster, next.pod.member, next.volume.zone.as_deref());
    draft
        .commands
        .push(Command::RehearsePod(Box::new(replacement)));
    let why = "restarted with the configuration, image and resources that spec asks for".to_owned();
    draft.commands.push(delete(next.pod, why, None));
}

fn mark(pod: &ObservedPod, restart_for: Option<String>, why: String) -> Command {
    Command::MarkPod(PodMark {
        name: pod.name.clone(),
        uid: pod.uid.clone(),
        resource_version: pod.resource_version.clone(),
        restart_for,
        why,
    })
}
