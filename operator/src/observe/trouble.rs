//! What keeps a pod from running, told apart by what people must do about it.

use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use k8s_openapi::jiff::Timestamp;

/// The kubelet's reasons for an image that it cannot get.
const PULL_REASONS: [&str; 6] = [
    "ErrImagePull",
    "ImagePullBackOff",
    "InvalidImageName",
    "ErrImageNeverPull",
    "ImageInspectError",
    "RegistryUnavailable",
];
/// Ordinary steps of a start.
const ORDINARY_REASONS: [&str; 2] = ["ContainerCreating", "PodInitializing"];

/// Kinds of trouble; each is a condition of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TroubleKind {
    /// The kernel killed the container for using more memory than its limit.
    OomKilled,
    /// Its image cannot be had.
    ImagePull,
    /// No node takes it, or its container cannot be created.
    Pending,
    /// Its container ends again and again.
    CrashLoop,
}

/// Trouble of one pod.
#[derive(Clone, Debug, PartialEq)]
pub struct PodTrouble {
    /// Its kind.
    pub kind: TroubleKind,
    /// Kubernetes' word for it, such as `Unschedulable`.
    pub reason: String,
    /// Kubernetes' sentence about it, the image's name, or the exit code.
    pub detail: String,
    /// When the container ended. None where none has ended.
    pub ended: Option<Timestamp>,
}

impl TroubleKind {
    /// All kinds, in the order in which they are reported.
    pub const ALL: [TroubleKind; 4] = [
        TroubleKind::OomKilled,
        TroubleKind::ImagePull,
        TroubleKind::Pending,
        TroubleKind::CrashLoop,
    ];

    /// The condition's type.
    pub fn condition(self) -> &'static str {
        match self {
            TroubleKind::OomKilled => "OOMKilled",
            TroubleKind::ImagePull => "ImagePullBackOff",
            TroubleKind::Pending => "Pending",
            TroubleKind::CrashLoop => "CrashLoopBackOff",
        }
    }
}

/// The trouble of `pod`, the most telling if there is more than one.
pub fn find(pod: &Pod) -> Option<PodTrouble> {
    if pod.metadata.deletion_timestamp.is_some() {
        return None;
    }
    let status = pod.status.as_ref()?;
    let container = status.container_statuses.iter().flatten().next();
    container
        .and_then(|container| out_of_memory(container).or_else(|| waiting(container)))
        .or_else(|| unscheduled(pod))
}

fn out_of_memory(container: &ContainerStatus) -> Option<PodTrouble> {
    let states = [container.state.as_ref(), container.last_state.as_ref()];
    let ended = states
        .into_iter()
        .flatten()
        .filter_map(|state| state.terminated.as_ref())
        .find(|ended| ended.reason.as_deref() == Some("OOMKilled"))?;
    Some(PodTrouble {
        kind: TroubleKind::OomKilled,
        reason: "OOMKilled".to_owned(),
        detail: format!("exit code {}", ended.exit_code),
        ended: ended.finished_at.as_ref().map(|time| time.0),
    })
}

fn waiting(container: &ContainerStatus) -> Option<PodTrouble> {
    let waiting = container.state.as_ref()?.waiting.as_ref()?;
    let reason = waiting.reason.as_deref()?;
    if ORDINARY_REASONS.contains(&reason) {
        return None;
    }
    if PULL_REASONS.contains(&reason) {
        // The kubelet's reason swings between two words, and its sentence with it.
        let steady = if reason == "ErrImagePull" {
            "ImagePullBackOff"
        } else {
            reason
        };
        return Some(PodTrouble {
            kind: TroubleKind::ImagePull,
            reason: steady.to_owned(),
            detail: container.image.clone(),
            ended: None,
        });
    }
    let last = container
        .last_state
        .as_ref()
        .and_then(|state| state.terminated.as_ref());
    let (kind, detail) = match (reason, last) {
        ("CrashLoopBackOff", Some(last)) => (
            TroubleKind::CrashLoop,
            format!("exit code {}", last.exit_code),
        ),
        ("CrashLoopBackOff", None) => (TroubleKind::CrashLoop, "exit code unknown".to_owned()),
        _ => (
            TroubleKind::Pending,
            waiting.message.clone().unwrap_or_default(),
        ),
    };
    Some(PodTrouble {
        kind,
        reason: reason.to_owned(),
        detail,
        ended: last
            .and_then(|last| last.finished_at.as_ref())
            .map(|time| time.0),
    })
}

fn unscheduled(pod: &Pod) -> Option<PodTrouble> {
    let conditions = pod.status.as_ref()?.conditions.iter().flatten();
    let condition = conditions
        .filter(|condition| condition.type_ == "PodScheduled")
        .find(|condition| condition.status == "False")?;
    Some(PodTrouble {
        kind: TroubleKind::Pending,
        reason: condition
            .reason
            .clone()
            .unwrap_or_else(|| "Unscheduled".to_owned()),
        detail: condition.message.clone().unwrap_or_default(),
        ended: None,
    })
}

#[cfg(test)]
mod tests;
