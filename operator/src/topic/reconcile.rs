//! One look at one topic: observe, validate, decide, act.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use kintsugi_crds::KafkaTopic;
use kintsugi_types::ErrorCode;
use kube::ResourceExt;
use kube::core::PartialObjectMeta;
use kube::runtime::controller::Action;

use super::act::{TopicActError, act};
use super::decide::{decide, on_refusal};
use super::observe::{observe, read_topic};
use super::plan::{Command, Plan};
use super::status::{is_ready, not_ready, status};
use super::validate::{ValidateError, marks, validate};
use crate::act::ActError;
use crate::act::resource::Hands;
use crate::causes::with_causes;
use crate::kafka::KafkaError;
use crate::metrics::Kind;
use crate::names::{CLUSTER_LABEL, TOPIC_FINALIZER};
use crate::observe::ObserveError;
use crate::reconcile::Context;

/// When to look again after the resource or the topic changed under the plan.
const REQUEUE_CONFLICT: Duration = Duration::from_millis(500);
/// When to look again after a failure.
const REQUEUE_FAILED: Duration = Duration::from_secs(2);
/// When to look again at a resource that cannot be acted on: only its change can help.
const REQUEUE_INVALID: Duration = Duration::from_secs(300);

/// What brokers say when the topic is not what another broker's metadata made it seem.
const STALE: [ErrorCode; 4] = [
    ErrorCode::TopicAlreadyExists,
    ErrorCode::InvalidPartitions,
    ErrorCode::UnknownTopicOrPartition,
    ErrorCode::UnknownTopicId,
];

/// Why a look ended early.
#[derive(Debug, thiserror::Error)]
pub enum TopicError {
    /// The topic could not be observed.
    #[error("failed to observe the topic")]
    Observe(#[from] ObserveError),
    /// The plan could not be carried out to its end.
    #[error("failed to carry out the plan")]
    Act(#[from] TopicActError),
}

/// Looks once at the topic that `trigger` names.
///
/// # Errors
/// [`TopicError`]; [`error_policy`] says when to try again.
pub async fn reconcile(
    trigger: Arc<PartialObjectMeta<KafkaTopic>>,
    context: Arc<Context>,
) -> Result<Action, TopicError> {
    let (namespace, name) = (trigger.namespace().unwrap_or_default(), trigger.name_any());
    let _running = context.metrics.begin(Kind::Topic, &namespace, &name);
    let Some(resource) = read_topic(&context.client, &namespace, &name).await? else {
        context.forget_topic(&namespace, &name);
        return Ok(Action::await_change());
    };
    let written = resource.status.as_ref();
    context.metrics.topic(&namespace, &name, is_ready(written));
    let plan = look(&context, &resource).await?;
    if resource.metadata.deletion_timestamp.is_some() && plan.requeue.is_none() {
        context.forget_topic(&namespace, &name);
    }
    Ok(plan
        .requeue
        .map_or_else(Action::await_change, Action::requeue))
}

/// Looks, acts, and gives the plan that ended the look.
async fn look(context: &Context, resource: &KafkaTopic) -> Result<Plan, TopicError> {
    let mut hands = Hands {
        client: &context.client,
        recorder: &context.recorder,
        metrics: &context.metrics,
        session: None,
    };
    let written = resource.status.as_ref();
    let topic = match validate(resource) {
        Ok(topic) => topic,
        Err(error) => {
            let plan = on_invalid(resource, &error, Timestamp::now());
            act(hands, resource, &plan.commands).await?;
            return Ok(plan);
        }
    };
    let (observed, session) = observe(&context.client, &context.kafka, &topic).await?;
    hands.session = session.as_ref();
    let now = Timestamp::now();
    let growths = &context.growths;
    let growth = growths.look(&topic, &observed, written, &context.loads, now);
    context.metrics.growth(&topic, growth.as_ref());
    let plan = decide(&topic, &observed, growth.as_ref(), written, now);
    match act(hands, resource, &plan.commands).await {
        Ok(()) => Ok(plan),
        Err(TopicActError::Kafka(error)) if is_stale(&error) => Ok(Plan {
            requeue: Some(REQUEUE_CONFLICT),
            ..plan
        }),
        Err(TopicActError::Kafka(error)) if error.code().is_some() => {
            let plan = on_refusal(&topic, &observed, with_causes(&error), written, now);
            act(hands, resource, &plan.commands).await?;
            Ok(plan)
        }
        Err(error) => Err(error.into()),
    }
}

fn is_stale(error: &KafkaError) -> bool {
    error.code().is_some_and(|code| STALE.contains(&code))
}

/// A resource that cannot be acted on says so; one that is being deleted goes without its topic.
pub(super) fn on_invalid(resource: &KafkaTopic, error: &ValidateError, now: Timestamp) -> Plan {
    let mut marks = marks(resource);
    let is_held = marks.finalizers.iter().any(|name| name == TOPIC_FINALIZER);
    if resource.metadata.deletion_timestamp.is_some() {
        marks.finalizers.retain(|name| name != TOPIC_FINALIZER);
        let commands = match is_held {
            true => vec![Command::Mark(marks)],
            false => Vec::new(),
        };
        return Plan {
            commands,
            requeue: None,
        };
    }
    let written = resource.status.as_ref();
    let generation = resource.metadata.generation.unwrap_or(0);
    let finding = not_ready("Invalid", error.to_string());
    let status = status(generation, None, finding, written, now);
    let commands = match written == Some(&status) {
        true => Vec::new(),
        false => vec![Command::WriteStatus(Box::new(status))],
    };
    Plan {
        commands,
        requeue: Some(REQUEUE_INVALID),
    }
}

/// When to look again after `error`.
pub fn error_policy(
    trigger: Arc<PartialObjectMeta<KafkaTopic>>,
    error: &TopicError,
    context: Arc<Context>,
) -> Action {
    if let TopicError::Act(TopicActError::Kubernetes(ActError::Conflict { .. })) = error {
        return Action::requeue(REQUEUE_CONFLICT);
    }
    // By cluster and not by topic: topics are many.
    let cluster = trigger.labels().get(CLUSTER_LABEL);
    context.metrics.failed(
        Kind::Topic,
        &trigger.namespace().unwrap_or_default(),
        cluster.map_or("", String::as_str),
    );
    tracing::warn!(
        topic = trigger.name_any(),
        namespace = trigger.namespace(),
        error = with_causes(error),
        "a look at the topic failed"
    );
    Action::requeue(REQUEUE_FAILED)
}
