//! One look at one cluster: observe, validate, decide, act.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use kintsugi_crds::KafkaCluster;
use kube::core::PartialObjectMeta;
use kube::runtime::controller::Action;
use kube::runtime::events::Recorder;
use kube::{Client, ResourceExt};

use crate::act::{ActError, act};
use crate::balance::Balances;
use crate::causes::with_causes;
use crate::cluster::Cluster;
use crate::decide::{decide, invalid_status, suspicions, unsettled};
use crate::history::{History, Refusal};
use crate::kafka;
use crate::learned::Learned;
use crate::load::Loads;
use crate::metrics::{Kind, Metrics};
use crate::observe::{ObserveError, Observed, observe, read_cluster};
use crate::plan::{Command, Plan};
use crate::rebalance;
use crate::remembered::Key;
use crate::scale::Scales;
use crate::storage::Storages;
use crate::topic::growth::Growths;
use crate::validate::validate;

/// When to look again after something changed under the plan.
const REQUEUE_CONFLICT: Duration = Duration::from_millis(200);
/// When to look again after a failure.
const REQUEUE_FAILED: Duration = Duration::from_secs(2);
/// When to look again at a resource that cannot be acted on: only its change can help.
const REQUEUE_INVALID: Duration = Duration::from_secs(300);
/// Clusters that are remembered; one above it is looked at without memory, so nothing of it is
/// replaced.
const REMEMBERED_MAX: usize = 1000;

/// What every look shares.
pub struct Context {
    /// The client, without retries of its own: a look that fails is repeated whole.
    pub client: Client,
    /// The one recorder.
    pub recorder: Recorder,
    /// The one set of metrics.
    pub metrics: Metrics,
    /// The image of clusters that name none.
    pub default_image: String,
    /// What is remembered of each cluster, by `namespace/name/uid`.
    pub histories: Mutex<BTreeMap<String, History>>,
    /// How long to wait between a decision to delete a pod and the act. Zero but in tests, which
    /// freeze the process in between.
    pub hold_before_act: Duration,
    /// Sessions with brokers, for topics and rebalances.
    pub kafka: kafka::Pool,
    /// The plans of rebalances under way.
    pub rebalances: rebalance::reconcile::Memory,
    /// What brokers and groups do.
    pub loads: Loads,
    /// What is learned for the sizes of clusters.
    pub scales: Scales,
    /// What is remembered of the balance of load.
    pub balances: Balances,
    /// What is remembered of topics that grow by load.
    pub growths: Growths,
    /// What is remembered of how volumes fill.
    pub storages: Storages,
    /// Which parts of what is learned were read and written.
    pub learned: Learned,
}

/// Why a look ended early.
#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    /// The cluster could not be observed.
    #[error("failed to observe the cluster")]
    Observe(#[from] ObserveError),
    /// The plan could not be carried out to its end.
    #[error("failed to carry out the plan")]
    Act(#[from] ActError),
}

/// Looks once at the cluster that `trigger` names.
///
/// # Errors
/// [`ReconcileError`]; [`error_policy`] says when to try again.
pub async fn reconcile(
    trigger: Arc<PartialObjectMeta<KafkaCluster>>,
    context: Arc<Context>,
) -> Result<Action, ReconcileError> {
    let (namespace, name) = (trigger.namespace().unwrap_or_default(), trigger.name_any());
    let _running = context.metrics.begin(Kind::Cluster, &namespace, &name);
    let Some(resource) = read_cluster(&context.client, &namespace, &name).await? else {
        context.forget(&namespace, &name);
        return Ok(Action::await_change());
    };
    // Its objects go by their owner references; nothing is created for it any more.
    if resource.metadata.deletion_timestamp.is_some() {
        context.forget(&namespace, &name);
        return Ok(Action::await_change());
    }
    let mut observed = observe(&context.client, &resource).await?;
    let watched = (namespace.clone(), name.clone());
    observed.disks = context.loads.disks(&watched);
    let now = Timestamp::now();
    let written = resource.status.as_ref();
    let mut cluster = match validate(&resource, &observed, &context.default_image) {
        Ok(cluster) => cluster,
        Err(error) => {
            let generation = resource.metadata.generation.unwrap_or(0);
            let status = invalid_status(error.to_string(), generation, written, now);
            if written != Some(&status) {
                let write = [Command::WriteStatus(Box::new(status))];
                let (client, recorder) = (&context.client, &context.recorder);
                act(client, recorder, &resource, None, &write).await?;
            }
            return Ok(Action::requeue(REQUEUE_INVALID));
        }
    };
    context.loads.watch(&watched, &cluster, &observed);
    context.take_up(&resource, &cluster, now).await?;
    context.size(&watched, &mut cluster, &observed, now);
    context.balance(&watched, &mut cluster, &observed, now);
    context.store(&watched, &mut cluster, &observed, now);
    let amiss = unsettled(&cluster, &observed, now);
    context.loads.found(&watched, &cluster, amiss);
    let key = format!("{namespace}/{name}/{}", cluster.uid);
    let mut history = context.recall(&key);
    history.remember_secret(&observed.secret);
    history.record(&suspicions(&cluster, &observed, now), now);
    let plan = decide(&cluster, &observed, written, &history, now);
    history.remember_closed(&plan.closed);
    context.metrics.gates(&namespace, &name, &plan.closed);
    context.hold(&plan).await;
    let keys = observed.secret.keys().filter(|_| cluster.authenticated);
    let token = keys.map(|keys| keys.token(&cluster.cluster_id));
    let acted = act(
        &context.client,
        &context.recorder,
        &resource,
        token.as_deref(),
        &plan.commands,
    )
    .await;
    remember_outcome(&mut history, &cluster, &plan, &acted, now);
    context.remember(key, history);
    context.keep(&watched, &cluster.uid, now, false).await;
    context.metrics.acts(Kind::Cluster, acted?);
    Ok(Action::requeue(plan.requeue))
}

/// What came of a plan: what the API server refused, and what else failed.
fn remember_outcome(
    history: &mut History,
    cluster: &Cluster,
    plan: &Plan,
    acted: &Result<usize, ActError>,
    now: Timestamp,
) {
    let rehearsed = |command: &Command| matches!(command, Command::RehearsePod(_));
    match acted {
        Err(ActError::Refused { pod, message }) => {
            history.refusal = Some(Refusal {
                generation: cluster.generation,
                at: now,
                message: format!("{pod}: {message}"),
            });
        }
        Ok(_) if plan.commands.iter().any(rehearsed) => history.refusal = None,
        _ => {}
    }
    history.last_failure = match acted {
        Err(error) if !matches!(error, ActError::Conflict { .. }) => Some(error.to_string()),
        _ => None,
    };
}

/// When to look again after `error`.
pub fn error_policy(
    trigger: Arc<PartialObjectMeta<KafkaCluster>>,
    error: &ReconcileError,
    context: Arc<Context>,
) -> Action {
    if let ReconcileError::Act(ActError::Conflict { .. }) = error {
        tracing::info!(
            cluster = trigger.name_any(),
            error = with_causes(error),
            "looking again"
        );
        return Action::requeue(REQUEUE_CONFLICT);
    }
    context.metrics.failed(
        Kind::Cluster,
        &trigger.namespace().unwrap_or_default(),
        &trigger.name_any(),
    );
    tracing::warn!(
        cluster = trigger.name_any(),
        error = with_causes(error),
        "a look at the cluster failed"
    );
    Action::requeue(REQUEUE_FAILED)
}

impl Context {
    /// Has the cluster the size that was decided last, and decides anew.
    fn size(&self, key: &Key, cluster: &mut Cluster, observed: &Observed, now: Timestamp) {
        if cluster.autoscaling_written.is_none()
            && let Some(last) = self.scales.last(key, &cluster.uid)
        {
            cluster.take_back_size(last, observed);
        }
        cluster.sizing = self.scales.look(key, cluster, observed, &self.loads, now);
        self.metrics.size(&key.0, &key.1, cluster.sizing.as_ref());
    }

    /// Finds how even the brokers' load is, and what is to be done about it. After the size, which
    /// goes first.
    fn balance(&self, key: &Key, cluster: &mut Cluster, observed: &Observed, now: Timestamp) {
        let found = self.balances.look(key, cluster, observed, &self.loads, now);
        cluster.balancing = found;
        let balancing = cluster.balancing.as_ref();
        self.metrics.balance(&key.0, &key.1, balancing);
    }

    /// Finds how full volumes are, and has the cluster the size of volumes that is to be asked for.
    fn store(&self, key: &Key, cluster: &mut Cluster, observed: &Observed, now: Timestamp) {
        let found = self.storages.look(key, cluster, observed, now);
        self.metrics.storage(&key.0, &key.1, found.as_ref());
        if let Some(storing) = &found {
            cluster.brokers.size.clone_from(&storing.size);
        }
        cluster.storing = found;
    }

    async fn hold(&self, plan: &Plan) {
        let deletes = |command: &Command| matches!(command, Command::DeletePod(_));
        if self.hold_before_act.is_zero() || !plan.commands.iter().any(deletes) {
            return;
        }
        for command in &plan.commands {
            if let Command::DeletePod(deletion) = command {
                tracing::warn!(pod = deletion.name, "holding before an act");
            }
        }
        tokio::time::sleep(self.hold_before_act).await;
    }

    fn recall(&self, key: &str) -> History {
        let histories = self
            .histories
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        histories.get(key).cloned().unwrap_or_default()
    }

    fn remember(&self, key: String, history: History) {
        let mut histories = self
            .histories
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if histories.len() < REMEMBERED_MAX || histories.contains_key(&key) {
            histories.insert(key, history);
        }
    }

    /// A KafkaTopic is gone.
    pub fn forget_topic(&self, namespace: &str, name: &str) {
        self.metrics.forget_topic(namespace, name);
        self.growths.forget(namespace, name);
    }

    fn forget(&self, namespace: &str, name: &str) {
        let prefix = format!("{namespace}/{name}/");
        let mut histories = self
            .histories
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        histories.retain(|key, _| !key.starts_with(&prefix));
        drop(histories);
        self.metrics.forget(namespace, name);
        self.loads.forget(namespace, name);
        self.scales.forget(namespace, name);
        self.balances.forget(namespace, name);
        self.storages.forget(namespace, name);
        self.learned.forget(namespace, name);
    }
}
