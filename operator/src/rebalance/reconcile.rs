//! One look at one rebalance: observe, validate, decide, act.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use kintsugi_crds::{KafkaRebalance, KafkaRebalanceStatus, RebalancePhase};
use kube::ResourceExt;
use kube::core::PartialObjectMeta;
use kube::runtime::controller::Action;

use super::act::{RebalanceActError, act};
use super::decide::{Look, decide};
use super::held::Held;
use super::observe::{Observed, observe, read_rebalance};
use super::plan::{Command, MarkChange, Marks, Plan};
use super::status::{Told, tell_invalid};
use super::validate::{Rebalance, ValidateError, is_held, validate};
use crate::act::ActError;
use crate::act::resource::Hands;
use crate::causes::with_causes;
use crate::metrics::Kind;
use crate::names::CLUSTER_LABEL;
use crate::observe::ObserveError;
use crate::plan::Announcement;
use crate::reconcile::Context;

/// When to look again after the resource changed under the plan.
const REQUEUE_CONFLICT: Duration = Duration::from_millis(500);
/// When to look again after a failure.
const REQUEUE_FAILED: Duration = Duration::from_secs(2);
/// When to try again what a broker refused.
const REQUEUE_REFUSED: Duration = Duration::from_secs(5);
/// When to look again at a resource that cannot be acted on: only its change can help.
const REQUEUE_INVALID: Duration = Duration::from_secs(300);
/// Rebalances whose plans are remembered; one above it is planned with each look.
const HELD_MAX: usize = 200;

/// Why a look ended early.
#[derive(Debug, thiserror::Error)]
pub enum RebalanceError {
    /// It could not be observed.
    #[error("failed to observe the rebalance")]
    Observe(#[from] ObserveError),
    /// The plan could not be carried out to its end.
    #[error("failed to carry out the plan")]
    Act(#[from] RebalanceActError),
    /// Planning broke off.
    #[error("failed to plan")]
    Planning(#[from] tokio::task::JoinError),
}

/// What is remembered of rebalances, by `namespace/name/uid`.
#[derive(Default)]
pub struct Memory {
    entries: Mutex<BTreeMap<String, Held>>,
}

impl Memory {
    fn get(&self, key: &str) -> Option<Held> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.get(key).cloned()
    }

    fn set(&self, key: String, held: Option<Held>) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        match held {
            Some(held) if entries.len() < HELD_MAX || entries.contains_key(&key) => {
                entries.insert(key, held);
            }
            _ => {
                entries.remove(&key);
            }
        }
    }

    fn forget(&self, namespace: &str, name: &str) {
        let prefix = format!("{namespace}/{name}/");
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.retain(|key, _| !key.starts_with(&prefix));
    }
}

impl Context {
    /// A rebalance is gone.
    pub fn forget_rebalance(&self, namespace: &str, name: &str) {
        self.rebalances.forget(namespace, name);
        self.metrics.forget_rebalance(namespace, name);
    }
}

/// Looks once at the rebalance that `trigger` names.
///
/// # Errors
/// [`RebalanceError`]; [`error_policy`] says when to try again.
pub async fn reconcile(
    trigger: Arc<PartialObjectMeta<KafkaRebalance>>,
    context: Arc<Context>,
) -> Result<Action, RebalanceError> {
    let (namespace, name) = (trigger.namespace().unwrap_or_default(), trigger.name_any());
    let _running = context.metrics.begin(Kind::Rebalance, &namespace, &name);
    let Some(resource) = read_rebalance(&context.client, &namespace, &name).await? else {
        context.forget_rebalance(&namespace, &name);
        return Ok(Action::await_change());
    };
    let requeue = look(&context, &resource).await?;
    Ok(requeue.map_or_else(Action::await_change, Action::requeue))
}

/// Looks, acts, and says when to look again.
async fn look(
    context: &Context,
    resource: &KafkaRebalance,
) -> Result<Option<Duration>, RebalanceError> {
    let mut hands = Hands {
        client: &context.client,
        recorder: &context.recorder,
        metrics: &context.metrics,
        session: None,
    };
    let rebalance = match validate(resource) {
        Ok(rebalance) => rebalance,
        Err(error) => {
            let commands = on_invalid(resource, &error, Timestamp::now());
            act(hands, resource, &commands).await?;
            return Ok(Some(REQUEUE_INVALID));
        }
    };
    let key = format!(
        "{}/{}/{}",
        rebalance.namespace, rebalance.name, rebalance.uid
    );
    let held = context.rebalances.get(&key);
    let wants_loads = held.is_none() && !rebalance.marks.ended;
    let (observed, session) = observe(
        &context.client,
        &context.kafka,
        &context.loads,
        &context.default_image,
        &rebalance,
        wants_loads,
    )
    .await?;
    hands.session = session.as_ref();
    let before = held.clone();
    let (namespace, name) = (rebalance.namespace.clone(), rebalance.name.clone());
    let plan = planned(rebalance, observed, held, resource.status.clone()).await?;
    let acted = act(hands, resource, &plan.commands).await;
    context
        .metrics
        .rebalance(&namespace, &name, resource.status.as_ref());
    match acted {
        Ok(()) => {
            context.rebalances.set(key, plan.held);
            Ok(plan.requeue)
        }
        Err(RebalanceActError::Kafka(error)) if error.code().is_some() => {
            // What was told to brokers is not known for sure, so it is told again.
            let forgetful = |held: Held| Held {
                told_bytes_per_second: None,
                ..held
            };
            let held = plan.held.or(before).map(forgetful);
            context.rebalances.set(key, held);
            let commands = refused(resource, with_causes(&error));
            act(hands, resource, &commands).await?;
            Ok(Some(REQUEUE_REFUSED))
        }
        Err(error) => {
            context.rebalances.set(key, before);
            Err(error.into())
        }
    }
}

/// A plan for a large cluster takes a while of computing, for which no worker is kept.
async fn planned(
    rebalance: Rebalance,
    observed: Observed,
    held: Option<Held>,
    written: Option<KafkaRebalanceStatus>,
) -> Result<Plan, RebalanceError> {
    let now = Timestamp::now();
    let planning = tokio::task::spawn_blocking(move || {
        decide(&Look {
            rebalance: &rebalance,
            observed: &observed,
            held: held.as_ref(),
            written: written.as_ref(),
            now,
        })
    });
    Ok(planning.await?)
}

/// What a broker refused is told, in its own words.
fn refused(resource: &KafkaRebalance, message: String) -> Vec<Command> {
    vec![Command::Announce(Announcement {
        reason: "ActFailed",
        subject: resource.name_any(),
        note: message,
        warning: true,
    })]
}

/// A resource that cannot be acted on says so; one that is being deleted goes, for nothing that it
/// may have left in Kafka can be read from it.
pub(super) fn on_invalid(
    resource: &KafkaRebalance,
    error: &ValidateError,
    now: Timestamp,
) -> Vec<Command> {
    if resource.metadata.deletion_timestamp.is_some() {
        let labels = resource.metadata.labels.as_ref();
        let marks = Marks {
            cluster: labels.and_then(|labels| labels.get(CLUSTER_LABEL).cloned()),
            ..Marks::default()
        };
        return match is_held(resource) {
            true => vec![Command::Mark(MarkChange {
                marks,
                clears_word: false,
            })],
            false => Vec::new(),
        };
    }
    let told = Told::of(RebalancePhase::Failed, None, &error.to_string());
    tell_invalid(resource, told, now)
}

/// When to look again after `error`.
pub fn error_policy(
    trigger: Arc<PartialObjectMeta<KafkaRebalance>>,
    error: &RebalanceError,
    context: Arc<Context>,
) -> Action {
    if let RebalanceError::Act(RebalanceActError::Kubernetes(ActError::Conflict { .. })) = error {
        return Action::requeue(REQUEUE_CONFLICT);
    }
    let cluster = trigger.labels().get(CLUSTER_LABEL);
    context.metrics.failed(
        Kind::Rebalance,
        &trigger.namespace().unwrap_or_default(),
        cluster.map_or("", String::as_str),
    );
    tracing::warn!(
        rebalance = trigger.name_any(),
        namespace = trigger.namespace(),
        error = with_causes(error),
        "a look at the rebalance failed"
    );
    Action::requeue(REQUEUE_FAILED)
}
