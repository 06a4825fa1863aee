//! The status of a KafkaTopic: computed from what was observed, never from what was meant.

use std::borrow::Cow;
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use kintsugi_crds::{Condition, ConditionStatus, KafkaTopicStatus};

use super::observe::TopicView;
use crate::decide::{Finding, condition};

/// The one condition.
const READY: &str = "Ready";
/// The shortest wait of a topic that is not ready.
const BACKOFF_MIN: Duration = Duration::from_secs(1);
/// The longest wait of a topic that is not ready: as long as that of one that is.
const BACKOFF_MAX: Duration = Duration::from_secs(60);

/// Ready, with nothing to say.
pub(super) fn ready() -> Finding {
    Finding {
        holds: true,
        reason: Cow::Borrowed("InSync"),
        message: "the topic is as spec says".to_owned(),
    }
}

/// Not ready, and why.
pub(super) fn not_ready(reason: &'static str, message: String) -> Finding {
    Finding {
        holds: false,
        reason: Cow::Borrowed(reason),
        message,
    }
}

/// The status that tells `finding`. While nobody answered for the topic, what was last seen of it
/// stays.
pub(super) fn status(
    generation: i64,
    view: Option<&TopicView>,
    finding: Finding,
    written: Option<&KafkaTopicStatus>,
    now: Timestamp,
) -> KafkaTopicStatus {
    let mut status = written.cloned().unwrap_or_default();
    if let Some(TopicView { description, .. }) = view {
        status.topic_id = Some(description.id.to_string());
        status.partitions = Some(description.partitions);
        status.replication_factor = Some(description.replicas_min);
    }
    let ready = condition(READY, finding, generation, &status.conditions, now);
    status.conditions = vec![ready];
    status.observed_generation = Some(generation);
    status
}

/// The Ready condition.
fn ready_of(status: &KafkaTopicStatus) -> Option<&Condition> {
    let mut conditions = status.conditions.iter();
    conditions.find(|condition| condition.type_ == READY)
}

/// Whether the status says Ready.
pub(super) fn is_ready(status: Option<&KafkaTopicStatus>) -> bool {
    status
        .and_then(ready_of)
        .is_some_and(|ready| ready.status == ConditionStatus::True)
}

/// How long to wait before a topic that is not ready is looked at again: half as long as it has not
/// been, so that waits grow without anything being remembered. `jitter` is below one second.
pub(super) fn backoff(status: &KafkaTopicStatus, jitter: Duration, now: Timestamp) -> Duration {
    let since = ready_of(status).and_then(|ready| ready.last_transition_time.parse().ok());
    let waited = since.map_or(Duration::ZERO, |since: Timestamp| {
        now.duration_since(since).try_into().unwrap_or_default()
    });
    (waited / 2).clamp(BACKOFF_MIN, BACKOFF_MAX) + jitter
}
