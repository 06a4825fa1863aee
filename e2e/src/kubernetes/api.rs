//! Blocking calls to the API server, for tests that are otherwise threads and waits.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use k8s_openapi::api::core::v1::{Event, PersistentVolumeClaim, Pod};
use kube::api::{
    Api, ApiResource, DeleteParams, DynamicObject, ListParams, LogParams, Patch, PatchParams,
};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config, ResourceExt};
use tokio::runtime::Runtime;

use super::{CLUSTER_LABEL, NODE_ID_LABEL, ROLE_LABEL};

/// How long one call may take.
const CALL_LIMIT: Duration = Duration::from_secs(15);
/// The time between two looks.
const LOOK_INTERVAL: Duration = Duration::from_millis(200);
/// Who writes, for server-side apply.
pub(super) const FIELD_MANAGER: &str = "kintsugi-e2e";

/// One namespace of a Kubernetes cluster.
pub struct Kubernetes {
    runtime: Arc<Runtime>,
    pub(super) client: Client,
    /// The namespace.
    pub namespace: String,
}

/// A pod of a cluster under test.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PodView {
    /// Its name.
    pub name: String,
    /// Its unique id.
    pub uid: String,
    /// The broker's or controller's id.
    pub id: i32,
    /// Its address, once it has one.
    pub ip: Option<String>,
    /// Whether it is Ready and not being deleted.
    pub ready: bool,
    /// How often its container was restarted.
    pub restarts: i32,
    /// When it was last seen to begin to run, RFC 3339.
    pub started: Option<String>,
}

impl Kubernetes {
    /// Connects by a kubeconfig file.
    ///
    /// # Errors
    /// If the file cannot be read or names no reachable cluster.
    pub fn connect(kubeconfig: &Path, namespace: &str) -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .context("failed to start the runtime of the Kubernetes client")?;
        let client = runtime.block_on(async {
            let kubeconfig = Kubeconfig::read_from(kubeconfig)
                .with_context(|| format!("failed to read {}", kubeconfig.display()))?;
            let options = KubeConfigOptions::default();
            let config = Config::from_custom_kubeconfig(kubeconfig, &options).await?;
            anyhow::Ok(Client::try_from(config)?)
        })?;
        Ok(Self {
            runtime: Arc::new(runtime),
            client,
            namespace: namespace.to_owned(),
        })
    }

    /// The same cluster, another namespace.
    #[must_use]
    pub fn in_namespace(&self, namespace: &str) -> Self {
        Self {
            runtime: Arc::clone(&self.runtime),
            client: self.client.clone(),
            namespace: namespace.to_owned(),
        }
    }

    pub(super) fn call<T>(&self, work: impl Future<Output = kube::Result<T>>) -> anyhow::Result<T> {
        let bounded = async { tokio::time::timeout(CALL_LIMIT, work).await };
        let result = self.runtime.block_on(bounded);
        Ok(
            result
                .with_context(|| format!("the API server did not answer in {CALL_LIMIT:?}"))??,
        )
    }

    pub(super) fn pods_api(&self) -> Api<Pod> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    pub(super) fn clusters_api(&self) -> Api<DynamicObject> {
        self.resources("KafkaCluster", "kafkaclusters")
    }

    /// Kintsugi's own resources of one kind.
    pub(super) fn resources(&self, kind: &str, plural: &str) -> Api<DynamicObject> {
        let resource = ApiResource {
            group: "kintsugi.dev".to_owned(),
            version: "v1alpha1".to_owned(),
            api_version: "kintsugi.dev/v1alpha1".to_owned(),
            kind: kind.to_owned(),
            plural: plural.to_owned(),
        };
        Api::namespaced_with(self.client.clone(), &self.namespace, &resource)
    }

    /// The pods of one role of a cluster, by id.
    ///
    /// # Errors
    /// If they cannot be listed.
    pub fn pods(&self, cluster: &str, role: &str) -> anyhow::Result<BTreeMap<i32, PodView>> {
        let selector = format!("{CLUSTER_LABEL}={cluster},{ROLE_LABEL}={role}");
        let parameters = ListParams::default().labels(&selector);
        let pods = self.call(self.pods_api().list(&parameters))?;
        let views = pods.items.iter().filter_map(view);
        Ok(views.map(|pod| (pod.id, pod)).collect())
    }

    /// The pods that a label selector finds, by name, whatever they are.
    ///
    /// # Errors
    /// If they cannot be listed.
    pub fn pods_labelled(&self, selector: &str) -> anyhow::Result<Vec<Pod>> {
        Ok(self
            .call(
                self.pods_api()
                    .list(&ListParams::default().labels(selector)),
            )?
            .items)
    }

    /// Deletes a pod, with Kubernetes' own grace period.
    ///
    /// # Errors
    /// If the API server refuses.
    pub fn delete_pod(&self, name: &str, grace_seconds: Option<u32>) -> anyhow::Result<()> {
        let parameters = DeleteParams {
            grace_period_seconds: grace_seconds,
            ..DeleteParams::default()
        };
        self.call(self.pods_api().delete(name, &parameters))
            .map(drop)
    }

    /// Deletes a volume claim.
    ///
    /// # Errors
    /// If the API server refuses.
    pub fn delete_claim(&self, name: &str) -> anyhow::Result<()> {
        let claims: Api<PersistentVolumeClaim> =
            Api::namespaced(self.client.clone(), &self.namespace);
        self.call(claims.delete(name, &DeleteParams::default()))
            .map(drop)
    }

    /// What a pod's container has logged, of its present run or the one before.
    ///
    /// # Errors
    /// If there is none.
    pub fn logs(&self, pod: &str, previous: bool) -> anyhow::Result<String> {
        let parameters = LogParams {
            previous,
            ..LogParams::default()
        };
        self.call(self.pods_api().logs(pod, &parameters))
    }

    /// The namespace's Events: time, reason, what about, and what they say.
    ///
    /// # Errors
    /// If they cannot be listed.
    pub fn events(&self) -> anyhow::Result<Vec<String>> {
        let events: Api<Event> = Api::namespaced(self.client.clone(), &self.namespace);
        let list = self.call(events.list(&ListParams::default()))?;
        let line = |event: &Event| {
            let reason = event.reason.as_deref().unwrap_or_default();
            let about = event.involved_object.name.as_deref().unwrap_or_default();
            format!(
                "{reason} {about}: {}",
                event.message.as_deref().unwrap_or_default()
            )
        };
        Ok(list.items.iter().map(line).collect())
    }

    /// The namespace's Events that carry a precise time: when, the reason, and what they say.
    ///
    /// # Errors
    /// If they cannot be listed.
    pub fn events_with_times(&self) -> anyhow::Result<Vec<(jiff::Timestamp, String, String)>> {
        let timed = self.timed_events()?.into_iter().filter_map(|event| {
            let at = event.event_time?.0;
            Some((
                at,
                event.reason.unwrap_or_default(),
                event.note.unwrap_or_default(),
            ))
        });
        Ok(timed.collect())
    }

    /// When an Event of this reason was first told about an object of this name.
    ///
    /// # Errors
    /// If Events cannot be listed.
    pub fn first_event(
        &self,
        reason: &str,
        about: &str,
    ) -> anyhow::Result<Option<jiff::Timestamp>> {
        let events = self.timed_events()?.into_iter().filter(|event| {
            let regarding = event.regarding.as_ref().and_then(|it| it.name.as_deref());
            event.reason.as_deref() == Some(reason) && regarding == Some(about)
        });
        Ok(events.filter_map(|event| Some(event.event_time?.0)).min())
    }

    fn timed_events(&self) -> anyhow::Result<Vec<k8s_openapi::api::events::v1::Event>> {
        let events = Api::namespaced(self.client.clone(), &self.namespace);
        Ok(self.call(events.list(&ListParams::default()))?.items)
    }

    /// Applies a KafkaCluster (server-side apply).
    ///
    /// # Errors
    /// If the API server refuses it: the message is what a user of kubectl would read.
    pub fn apply_cluster(&self, manifest: &str) -> anyhow::Result<()> {
        let object: DynamicObject =
            serde_yaml_ng::from_str(manifest).context("failed to read the manifest")?;
        let parameters = PatchParams::apply(FIELD_MANAGER).force();
        let name = object.name_any();
        self.call(
            self.clusters_api()
                .patch(&name, &parameters, &Patch::Apply(&object)),
        )
        .map(drop)
    }

    /// Merges a change into a KafkaCluster.
    ///
    /// # Errors
    /// If the API server refuses it.
    pub fn patch_cluster(&self, name: &str, change: &serde_json::Value) -> anyhow::Result<()> {
        let parameters = PatchParams::default();
        self.call(
            self.clusters_api()
                .patch(name, &parameters, &Patch::Merge(change)),
        )
        .map(drop)
    }

    /// Asks for so many brokers by the scale subresource, as `kubectl scale` does.
    ///
    /// # Errors
    /// If the API server refuses it.
    pub fn scale_cluster(&self, name: &str, brokers: usize) -> anyhow::Result<()> {
        let parameters = PatchParams::default();
        let change = serde_json::json!({"spec": {"replicas": brokers}});
        self.call(
            self.clusters_api()
                .patch_scale(name, &parameters, &Patch::Merge(&change)),
        )
        .map(drop)
    }

    /// The status of a KafkaCluster; null before the operator wrote one.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn cluster_status(&self, name: &str) -> anyhow::Result<serde_json::Value> {
        let object = self.call(self.clusters_api().get(name))?;
        Ok(object.data.get("status").cloned().unwrap_or_default())
    }

    /// Waits until something holds; prints what it waits for every few seconds.
    ///
    /// # Errors
    /// If it does not hold within `limit`: the message says how it was last.
    pub fn wait<T>(
        &self,
        what: &str,
        limit: Duration,
        look: impl Fn(&Self) -> anyhow::Result<Result<T, String>>,
    ) -> anyhow::Result<T> {
        let started = Instant::now();
        let mut said = started;
        loop {
            let state = match look(self) {
                Ok(Ok(found)) => return Ok(found),
                Ok(Err(state)) => state,
                Err(error) => format!("{error:#}"),
            };
            if started.elapsed() > limit {
                bail!("waited {limit:?} for {what}, but: {state}");
            }
            if said.elapsed() > Duration::from_secs(5) {
                said = Instant::now();
                eprintln!("  waiting for {what} ({:.0?}): {state}", started.elapsed());
            }
            std::thread::sleep(LOOK_INTERVAL);
        }
    }
}

fn view(pod: &Pod) -> Option<PodView> {
    let id = pod.labels().get(NODE_ID_LABEL)?.parse().ok()?;
    let status = pod.status.clone().unwrap_or_default();
    let is_ready = status
        .conditions
        .iter()
        .flatten()
        .any(|c| c.type_ == "Ready" && c.status == "True");
    let container = status.container_statuses.iter().flatten().next();
    let running = container.and_then(|c| c.state.as_ref()?.running.as_ref()?.started_at.as_ref());
    Some(PodView {
        name: pod.name_any(),
        uid: pod.uid().unwrap_or_default(),
        id,
        ip: status.pod_ip,
        ready: is_ready && pod.metadata.deletion_timestamp.is_none(),
        restarts: container.map_or(0, |c| c.restart_count),
        started: running.map(|time| time.0.to_string()),
    })
}
