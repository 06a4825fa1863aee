//! The process: client, lease, watches.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::future::join_all;
use futures::{StreamExt, TryFuture};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim, Pod, Service};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kintsugi_crds::{KafkaCluster, KafkaRebalance};
use kube::core::PartialObjectMeta;
use kube::runtime::controller::{Action, Config as ControllerConfig, Controller, Error};
use kube::runtime::events::{Recorder, Reporter};
use kube::runtime::reflector::ObjectRef;
use kube::runtime::watcher;
use kube::{Api, Client, Config, Resource};
use kube_lease_manager::{LeaseManagerBuilder, LeaseManagerError};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::balance::Balances;
use crate::definition;
use crate::learned::Learned;
use crate::load::{self, Loads};
use crate::metrics::Metrics;
use crate::names::{CLUSTER_LABEL, MANAGED_BY_LABEL, OPERATOR};
use crate::rebalance;
use crate::reconcile::{Context, error_policy, reconcile};
use crate::scale::Scales;
use crate::storage::Storages;
use crate::topic;
use crate::topic::growth::Growths;
use crate::web::{self, Health};

/// Time to connect to the API server.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a lease stands without being renewed, in seconds. It only saves work, so it is short.
const LEASE_SECONDS: u64 = 15;
/// How long before its end a lease is renewed, in seconds.
const LEASE_GRACE_SECONDS: u64 = 5;
/// Time for giving the lease back on a stop.
const RELEASE_TIMEOUT: Duration = Duration::from_secs(3);
/// How often a definition that is too old is looked at again.
const DEFINITION_INTERVAL: Duration = Duration::from_secs(5);
/// Resources of a kind that are looked at at once. Of one cluster only one KafkaRebalance moves
/// anything.
const CONCURRENCY: u16 = 4;
/// Events within this time lead to one look.
const DEBOUNCE: Duration = Duration::from_millis(50);
/// Objects a page of a watch's first list.
const WATCH_PAGE_SIZE: u32 = 50;

/// Namespaces that are watched one by one; each costs ten watches.
pub const NAMESPACES_MAX: usize = 20;

/// How the operator is run.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The image of clusters that name none.
    pub broker_image: String,
    /// The namespace of the lease.
    pub namespace: String,
    /// The namespaces to watch, at most [`NAMESPACES_MAX`]. None named: all.
    pub watch_namespaces: BTreeSet<String>,
    /// This process's name: the pod's, so that a restarted container keeps its lease.
    pub identity: String,
    /// `address:port` of metrics and probes.
    pub http: String,
    /// How long to wait before a pod is deleted, see [`Context::hold_before_act`].
    pub hold_before_act: Duration,
}

/// Why the operator ended.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// More namespaces are named than can be watched one by one.
    #[error(
        "{0} namespaces are to be watched, at most {NAMESPACES_MAX} can be: name none, to watch all"
    )]
    TooManyNamespaces(usize),
    /// No way to the API server is configured.
    #[error("failed to find the API server: run in a cluster or set KUBECONFIG")]
    Infer(#[source] Box<kube::config::InferConfigError>),
    /// The client could not be built.
    #[error("failed to build the Kubernetes client")]
    Client(#[source] Box<kube::Error>),
    /// The metrics could not be registered.
    #[error("failed to register metrics")]
    Metrics(#[from] prometheus::Error),
    /// A listener or a signal could not be set up.
    #[error("failed to set up {what}")]
    Setup {
        /// What.
        what: String,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// The lease could not be used.
    #[error("failed to manage the lease")]
    Lease(#[from] LeaseManagerError),
    /// Another operator holds the lease now.
    #[error("lost the lease: another operator acts now")]
    LeaseLost,
    /// The web server ended.
    #[error("the server of metrics and probes ended")]
    WebEnded,
}

/// Runs until a signal (Ok) or until the lease is lost.
///
/// # Errors
/// [`RunError`]; the process should end and be started again.
pub async fn run(settings: Settings) -> Result<(), RunError> {
    let namespaces = settings.watch_namespaces.len();
    if namespaces > NAMESPACES_MAX {
        return Err(RunError::TooManyNamespaces(namespaces));
    }
    let client = client().await?;
    let reporter = Reporter {
        controller: OPERATOR.to_owned(),
        instance: Some(settings.identity.clone()),
    };
    let context = Arc::new(Context {
        recorder: Recorder::new(client.clone(), reporter),
        client: client.clone(),
        metrics: Metrics::new()?,
        default_image: settings.broker_image.clone(),
        histories: std::sync::Mutex::default(),
        hold_before_act: settings.hold_before_act,
        kafka: crate::kafka::Pool::default(),
        rebalances: rebalance::reconcile::Memory::default(),
        loads: Loads::default(),
        scales: Scales::default(),
        growths: Growths::default(),
        balances: Balances::default(),
        storages: Storages::default(),
        learned: Learned::default(),
    });
    let ready = Arc::new(AtomicBool::new(false));
    let listener = TcpListener::bind(&settings.http)
        .await
        .map_err(|source| RunError::Setup {
            what: format!("listener {}", settings.http),
            source,
        })?;
    let web = web::serve(
        listener,
        Health {
            context: context.clone(),
            ready: ready.clone(),
        },
    );
    let mut terminate = signal(SignalKind::terminate()).map_err(|source| RunError::Setup {
        what: "SIGTERM".to_owned(),
        source,
    })?;
    let stop = async {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
    };
    let lead = async {
        wait_for_definition(&client).await;
        ready.store(true, Ordering::Relaxed);
        lead(&client, &settings, context, stop).await
    };
    tokio::select! {
        _ = web => Err(RunError::WebEnded),
        ended = lead => ended,
    }
}

async fn client() -> Result<Client, RunError> {
    let mut config = Config::infer()
        .await
        .map_err(|source| RunError::Infer(Box::new(source)))?;
    // The client's own retries would hide a busy API server for minutes; a look that fails is
    // repeated whole, from the present.
    config.default_retry = false;
    config.connect_timeout = Some(CONNECT_TIMEOUT);
    Client::try_from(config).map_err(|source| RunError::Client(Box::new(source)))
}

async fn wait_for_definition(client: &Client) {
    while let Err(error) = definition::check(client).await {
        tracing::error!(error = &error as &dyn std::error::Error, "cannot act yet");
        tokio::time::sleep(DEFINITION_INTERVAL).await;
    }
}

/// Waits for the lease, then controls until it is lost or `stop` ends; keeps what was learned and
/// gives the lease back then.
async fn lead(
    client: &Client,
    settings: &Settings,
    context: Arc<Context>,
    stop: impl Future<Output = ()>,
) -> Result<(), RunError> {
    let manager = LeaseManagerBuilder::new(client.clone(), OPERATOR)
        .with_namespace(&settings.namespace)
        .with_identity(&settings.identity)
        .with_field_manager(format!("{OPERATOR}-{}", settings.identity))
        .with_duration(LEASE_SECONDS)
        .with_grace(LEASE_GRACE_SECONDS)
        .build()
        .await?;
    let (mut held, task) = manager.watch().await;
    let ended = {
        let controlled = async {
            wait_for(&mut held, true).await?;
            tracing::info!(identity = settings.identity, "holding the lease");
            tokio::select! {
                () = load::run(Arc::clone(&context)) => Ok(()),
                () = control(client, &settings.watch_namespaces, Arc::clone(&context)) => Ok(()),
                lost = wait_for(&mut held, false) => lost.and(Err(RunError::LeaseLost)),
            }
        };
        tokio::select! {
            () = stop => Ok(()),
            ended = controlled => ended,
        }
    };
    // No look is under way any more. Before the lease is given back, so that the next one reads it;
    // and where it was lost too: what the other has written by then is not written over.
    context.keep_all().await;
    // The lease task gives the lease back once nobody listens to it.
    drop(held);
    if tokio::time::timeout(RELEASE_TIMEOUT, task).await.is_err() {
        tracing::warn!("the lease was not given back in time; it runs out by itself");
    }
    ended
}

async fn wait_for(held: &mut watch::Receiver<bool>, state: bool) -> Result<(), RunError> {
    match held.wait_for(|held| *held == state).await {
        Ok(_) => Ok(()),
        Err(_) => Err(RunError::LeaseLost),
    }
}

/// Controls the clusters, topics and rebalances of all `namespaces`, or of every one where none is
/// named. Each has its own watches, for which rights in that namespace are enough.
async fn control(client: &Client, namespaces: &BTreeSet<String>, context: Arc<Context>) {
    if namespaces.is_empty() {
        control_kinds(client, None, context).await;
        return;
    }
    let each = namespaces
        .iter()
        .map(|namespace| control_kinds(client, Some(namespace), Arc::clone(&context)));
    join_all(each).await;
}

async fn control_kinds(client: &Client, namespace: Option<&str>, context: Arc<Context>) {
    let clusters = control_in(client, namespace, Arc::clone(&context));
    // KafkaClusters are not watched for topics and rebalances: while a cluster fails over its status
    // changes often, and each change would call for a look at all of its topics; those that wait for
    // it look again by themselves.
    let topics = control_alone(
        scoped(client, namespace),
        Arc::clone(&context),
        topic::reconcile::reconcile,
        topic::reconcile::error_policy,
        Context::forget_topic,
    );
    let rebalances = control_alone(
        scoped(client, namespace),
        context,
        rebalance::reconcile::reconcile,
        rebalance::reconcile::error_policy,
        Context::forget_rebalance,
    );
    tokio::join!(clusters, topics, rebalances);
}

/// Looks at the resources of a kind that owns no objects, whenever one changes and whenever it is time.
/// The watch carries metadata only and only triggers: what is decided on is read live.
async fn control_alone<K, F>(
    resources: Api<PartialObjectMeta<K>>,
    context: Arc<Context>,
    reconcile: impl FnMut(Arc<PartialObjectMeta<K>>, Arc<Context>) -> F,
    error_policy: impl Fn(Arc<PartialObjectMeta<K>>, &F::Error, Arc<Context>) -> Action,
    forget: impl Fn(&Context, &str, &str),
) where
    K: Resource<DynamicType = ()> + Clone + Debug + Send + Sync + 'static,
    F: TryFuture<Ok = Action> + Send + 'static,
    F::Error: std::error::Error + Send + 'static,
{
    let main = watcher::Config::default()
        .any_semantic()
        .page_size(WATCH_PAGE_SIZE);
    let config = ControllerConfig::default()
        .concurrency(CONCURRENCY)
        .debounce(DEBOUNCE);
    Controller::new(resources, main)
        .with_config(config)
        .run(reconcile, error_policy, Arc::clone(&context))
        .for_each(|looked| {
            match looked {
                Ok(_) => {}
                // Its next look was due, and it is gone. A deletion itself calls for no look.
                Err(Error::ObjectNotFound(gone)) => {
                    let namespace = gone.namespace.as_deref().unwrap_or_default();
                    forget(&context, namespace, &gone.name);
                }
                // Failures of a look were logged by the error policy; the rest is about watches.
                Err(error) => tracing::debug!(%error, "a watch or a look failed"),
            }
            std::future::ready(())
        })
        .await;
}

/// Looks at clusters whenever a watch tells of a change. Watches carry metadata only and only
/// trigger: what is decided on is read live.
async fn control_in(client: &Client, namespace: Option<&str>, context: Arc<Context>) {
    let clusters: Api<PartialObjectMeta<KafkaCluster>> = scoped(client, namespace);
    let owned = watcher::Config::default()
        .labels(&format!("{MANAGED_BY_LABEL}={OPERATOR}"))
        .any_semantic()
        .page_size(WATCH_PAGE_SIZE);
    let config = ControllerConfig::default()
        .concurrency(CONCURRENCY)
        .debounce(DEBOUNCE);
    let main = watcher::Config::default()
        .any_semantic()
        .page_size(WATCH_PAGE_SIZE);
    Controller::new(clusters, main)
        .with_config(config)
        .watches(
            scoped::<PartialObjectMeta<Pod>>(client, namespace),
            owned.clone(),
            cluster_of,
        )
        .watches(
            scoped::<PartialObjectMeta<PersistentVolumeClaim>>(client, namespace),
            owned.clone(),
            cluster_of,
        )
        .watches(
            scoped::<PartialObjectMeta<Service>>(client, namespace),
            owned.clone(),
            cluster_of,
        )
        .watches(
            scoped::<PartialObjectMeta<ConfigMap>>(client, namespace),
            owned.clone(),
            cluster_of,
        )
        .watches(
            scoped::<PartialObjectMeta<PodDisruptionBudget>>(client, namespace),
            owned.clone(),
            cluster_of,
        )
        .watches(
            scoped::<PartialObjectMeta<NetworkPolicy>>(client, namespace),
            owned.clone(),
            cluster_of,
        )
        .watches(
            scoped::<PartialObjectMeta<KafkaRebalance>>(client, namespace),
            owned,
            cluster_of,
        )
        .run(reconcile, error_policy, context)
        .for_each(|looked| async move {
            // Failures of a look were logged by the error policy; the rest is about watches.
            if let Err(error) = looked {
                tracing::debug!(%error, "a watch or a look failed");
            }
        })
        .await;
}

fn scoped<K>(client: &Client, namespace: Option<&str>) -> Api<K>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug,
{
    match namespace {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    }
}

/// The cluster that an object's label names.
fn cluster_of<K: Resource>(object: K) -> Option<ObjectRef<PartialObjectMeta<KafkaCluster>>> {
    let metadata = object.meta();
    let name = metadata.labels.as_ref()?.get(CLUSTER_LABEL)?;
    Some(ObjectRef::new(name).within(metadata.namespace.as_deref()?))
}
