//! A pod, reduced to what decisions need.

use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use k8s_openapi::jiff::Timestamp;

use super::trouble::{self, PodTrouble};
use crate::names::{CLUSTER_LABEL, Member, RESTART_ANNOTATION, TEMPLATE_HASH_ANNOTATION, secret};

/// What was seen of a pod.
#[derive(Clone, Debug, PartialEq)]
pub struct ObservedPod {
    /// Which node's incarnation it is.
    pub member: Member,
    /// Its name.
    pub name: String,
    /// Its uid: a delete names it, so that a namesake is never hit.
    pub uid: String,
    /// Its version: a delete names it, so that a pod that has changed since is left alone.
    pub resource_version: String,
    /// When it was created.
    pub created: Option<Timestamp>,
    /// Its address, once it has one.
    pub ip: Option<String>,
    /// What it does.
    pub state: PodState,
    /// Whether its readiness probe passes.
    pub ready: bool,
    /// Since when it has been ready without a break. None if it is not.
    pub ready_since: Option<Timestamp>,
    /// Whether it accepts a connection and then says nothing, as a frozen process does. Asked only
    /// of pods that run and are not ready.
    pub silent: bool,
    /// Hash of what it was started with.
    pub template_hash: String,
    /// The template hash that it is about to be restarted for, if it is.
    pub restart_for: Option<String>,
    /// The ConfigMap that it reads.
    pub config_map: Option<String>,
    /// Whether it was given the cluster's secret.
    pub knows_secret: bool,
    /// What keeps it from running, as far as Kubernetes says.
    pub trouble: Option<PodTrouble>,
}

/// What a pod does.
#[derive(Clone, Debug, PartialEq)]
pub enum PodState {
    /// Not started yet; says why where Kubernetes does.
    Pending {
        /// Such as `Unschedulable: 0/4 nodes are available`.
        why: Option<String>,
    },
    /// Its container runs.
    Running,
    /// Its container ended and the kubelet waits before it starts it again.
    CrashLoop {
        /// When the container ended.
        since: Timestamp,
        /// How it ended.
        exit_code: i32,
    },
    /// It ended for good: failed, evicted or completed.
    Finished {
        /// Such as `Evicted`.
        why: String,
    },
    /// It is being deleted.
    Terminating,
}

impl ObservedPod {
    /// Reduces `pod`. None if its labels name no member.
    pub fn from_pod(pod: &Pod) -> Option<Self> {
        let metadata = &pod.metadata;
        let annotation = |key: &str| metadata.annotations.as_ref()?.get(key).cloned();
        let status = pod.status.clone().unwrap_or_default();
        let mut conditions = status.conditions.iter().flatten();
        let ready = conditions
            .find(|condition| condition.type_ == "Ready" && condition.status == "True")
            .filter(|_| metadata.deletion_timestamp.is_none());
        Some(Self {
            member: Member::from_labels(metadata.labels.as_ref()?)?,
            name: metadata.name.clone()?,
            uid: metadata.uid.clone()?,
            resource_version: metadata.resource_version.clone()?,
            created: metadata.creation_timestamp.as_ref().map(|time| time.0),
            ip: status.pod_ip.clone().filter(|ip| !ip.is_empty()),
            ready: ready.is_some(),
            ready_since: ready.and_then(|ready| Some(ready.last_transition_time.as_ref()?.0)),
            state: state(pod),
            silent: false,
            template_hash: annotation(TEMPLATE_HASH_ANNOTATION).unwrap_or_default(),
            restart_for: annotation(RESTART_ANNOTATION),
            config_map: config_map(pod),
            knows_secret: knows_secret(pod),
            trouble: trouble::find(pod),
        })
    }

    /// Whether its container is up.
    pub fn is_running(&self) -> bool {
        self.state == PodState::Running
    }

    /// Whether it is being deleted.
    pub fn is_terminating(&self) -> bool {
        self.state == PodState::Terminating
    }
}

fn config_map(pod: &Pod) -> Option<String> {
    let volumes = pod.spec.as_ref()?.volumes.iter().flatten();
    let mut maps = volumes.filter_map(|volume| volume.config_map.as_ref());
    maps.next().map(|map| map.name.clone())
}

fn knows_secret(pod: &Pod) -> bool {
    let label = |key: &str| pod.metadata.labels.as_ref()?.get(key);
    let name = label(CLUSTER_LABEL).map(|cluster| secret(cluster));
    let volumes = pod
        .spec
        .iter()
        .flat_map(|spec| spec.volumes.iter().flatten());
    let mut secrets = volumes.filter_map(|volume| volume.secret.as_ref());
    secrets.any(|mounted| name.is_some() && mounted.secret_name == name)
}

fn state(pod: &Pod) -> PodState {
    if pod.metadata.deletion_timestamp.is_some() {
        return PodState::Terminating;
    }
    let status = pod.status.clone().unwrap_or_default();
    let phase = status.phase.as_deref().unwrap_or("Pending");
    if phase == "Failed" || phase == "Succeeded" {
        return PodState::Finished {
            why: status.reason.unwrap_or_else(|| phase.to_owned()),
        };
    }
    let container = status.container_statuses.iter().flatten().next();
    if let Some(crash) = container.and_then(crash_loop) {
        return crash;
    }
    if container.is_some_and(|c| {
        c.state
            .as_ref()
            .is_some_and(|state| state.running.is_some())
    }) {
        return PodState::Running;
    }
    let unscheduled = status
        .conditions
        .iter()
        .flatten()
        .find(|condition| condition.type_ == "PodScheduled" && condition.status == "False")
        .map(|c| {
            let reason = c.reason.as_deref().unwrap_or("Unscheduled");
            format!("{reason}: {}", c.message.as_deref().unwrap_or_default())
        });
    PodState::Pending {
        why: unscheduled.or_else(|| container.and_then(waiting)),
    }
}

fn crash_loop(container: &ContainerStatus) -> Option<PodState> {
    let waiting = container.state.as_ref()?.waiting.as_ref()?;
    if waiting.reason.as_deref() != Some("CrashLoopBackOff") {
        return None;
    }
    let last = container.last_state.as_ref()?.terminated.as_ref()?;
    Some(PodState::CrashLoop {
        since: last.finished_at.as_ref()?.0,
        exit_code: last.exit_code,
    })
}

fn waiting(container: &ContainerStatus) -> Option<String> {
    let waiting = container.state.as_ref()?.waiting.as_ref()?;
    let reason = waiting.reason.as_deref()?;
    // ContainerCreating and PodInitializing are ordinary steps, not trouble.
    if reason == "ContainerCreating" || reason == "PodInitializing" {
        return None;
    }
    Some(format!(
        "{reason}: {}",
        waiting.message.as_deref().unwrap_or_default()
    ))
}
