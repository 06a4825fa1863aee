//! The reads of one observation.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::time::Duration;

use futures::future::join_all;
use k8s_openapi::api::core::v1::{ConfigMap, Node, PersistentVolumeClaim, Pod, Service};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kintsugi_crds::{KafkaCluster, KafkaRebalance};
use kube::api::ListParams;
use kube::{Api, Client, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{
    Observed, ObservedPod, ObservedRebalance, ObservedVolume, QuorumView, controllers, secret,
    storage_class, zones,
};
use crate::names::{CLUSTER_LABEL, Member, Role};

/// Time for one request to the API server.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// Objects a page. Small pages keep the operator's memory flat.
const PAGE_SIZE: u32 = 50;
/// Nodes that are asked at once whether they still answer.
const ASKED_MAX: usize = 20;
/// Pages a list: 5,000 objects of one cluster are more than its limits allow.
const PAGES_MAX: usize = 100;

/// Why a cluster could not be observed.
#[derive(Debug, thiserror::Error)]
pub enum ObserveError {
    /// The API server refused or broke off.
    #[error("failed to list {kind} of the cluster")]
    List {
        /// What was listed.
        kind: String,
        /// The cause.
        #[source]
        source: Box<kube::Error>,
    },
    /// The API server did not answer in time.
    #[error("failed to read {kind}: no answer from the API server within {} s", REQUEST_TIMEOUT.as_secs())]
    Timeout {
        /// What was read.
        kind: String,
    },
    /// The list did not end.
    #[error("failed to list {kind}: more than {} objects", PAGES_MAX * PAGE_SIZE as usize)]
    TooMany {
        /// What was listed.
        kind: String,
    },
    /// The API server refused or broke off while one object, or one short list, was read.
    #[error("failed to read {what}")]
    Read {
        /// What was read.
        what: String,
        /// The cause.
        #[source]
        source: Box<kube::Error>,
    },
}

/// Reads the resource itself, live. None if it is gone.
///
/// # Errors
/// [`ObserveError`] if the API server does not answer, or the resource does not decode.
pub async fn read_cluster(
    client: &Client,
    namespace: &str,
    name: &str,
) -> Result<Option<KafkaCluster>, ObserveError> {
    let api: Api<KafkaCluster> = Api::namespaced(client.clone(), namespace);
    let what = format!("KafkaCluster {namespace}/{name}");
    bounded(what, api.get_opt(name)).await
}

/// Bounds one read in time.
///
/// # Errors
/// [`ObserveError::Read`] or [`ObserveError::Timeout`].
pub async fn bounded<T>(
    what: String,
    read: impl Future<Output = kube::Result<T>>,
) -> Result<T, ObserveError> {
    match tokio::time::timeout(REQUEST_TIMEOUT, read).await {
        Err(_) => Err(ObserveError::Timeout { kind: what }),
        Ok(read) => read.map_err(|source| ObserveError::Read {
            what,
            source: Box::new(source),
        }),
    }
}

/// Reads everything that belongs to `cluster`.
///
/// # Errors
/// [`ObserveError`] if any list fails.
pub async fn observe(client: &Client, cluster: &KafkaCluster) -> Result<Observed, ObserveError> {
    let namespace = cluster.metadata.namespace.as_deref().unwrap_or_default();
    let name = cluster.metadata.name.as_deref().unwrap_or_default();
    let selector = format!("{CLUSTER_LABEL}={name}");
    let (mut pods, mut volumes, mut objects) = (Vec::new(), Vec::new(), Vec::new());
    let (read_pods, read_volumes) = tokio::join!(
        list::<Pod>(
            Api::namespaced(client.clone(), namespace),
            &selector,
            |page| {
                pods.extend(page.iter().filter_map(ObservedPod::from_pod));
            }
        ),
        list::<PersistentVolumeClaim>(
            Api::namespaced(client.clone(), namespace),
            &selector,
            |page| volumes.extend(page.iter().filter_map(ObservedVolume::from_claim)),
        ),
    );
    read_pods?;
    read_volumes?;
    list_values::<Service>(client, namespace, &selector, &mut objects).await?;
    list_values::<ConfigMap>(client, namespace, &selector, &mut objects).await?;
    list_values::<PodDisruptionBudget>(client, namespace, &selector, &mut objects).await?;
    list_values::<NetworkPolicy>(client, namespace, &selector, &mut objects).await?;
    let rebalances = read_rebalances(client, namespace, name).await?;
    let secret = secret::read(client, namespace, name).await?;
    let addresses = controller_addresses(&pods);
    let (quorum, ()) = tokio::join!(controllers::ask(&addresses), ask_unready(&mut pods));
    let mut observed = Observed {
        pods,
        volumes,
        secret,
        objects,
        zones: Vec::new(),
        rebalances,
        disks: BTreeMap::new(),
        expandable: BTreeMap::new(),
        quorum,
    };
    if cluster.spec.brokers.storage.autoscaling.is_some() {
        observed.expandable = storage_class::read(client, &observed.volumes).await?;
    }
    observed.zones = read_zones(client, cluster, &observed).await?;
    Ok(observed)
}

/// Reads the pods of `cluster`, and what its controllers say. Enough for those who act on Kafka
/// alone.
///
/// # Errors
/// [`ObserveError`] if the list of pods fails.
pub async fn observe_nodes(
    client: &Client,
    namespace: &str,
    cluster: &str,
) -> Result<(Vec<ObservedPod>, Option<QuorumView>), ObserveError> {
    let api: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let selector = format!("{CLUSTER_LABEL}={cluster}");
    let mut pods = Vec::new();
    list(api, &selector, |page| {
        pods.extend(page.iter().filter_map(ObservedPod::from_pod));
    })
    .await?;
    let quorum = controllers::ask(&controller_addresses(&pods)).await;
    Ok((pods, quorum))
}

/// Asks the nodes that run and are not ready whether they still answer.
async fn ask_unready(pods: &mut [ObservedPod]) {
    let unready = pods
        .iter_mut()
        .filter(|pod| pod.is_running() && !pod.ready)
        .take(ASKED_MAX);
    join_all(unready.map(|pod| async move {
        if let Some(ip) = &pod.ip {
            pod.silent = controllers::is_silent(ip).await;
        }
    }))
    .await;
}

fn controller_addresses(pods: &[ObservedPod]) -> Vec<(Member, String)> {
    pods.iter()
        .filter(|pod| pod.member.role == Role::Controller && pod.is_running())
        .filter_map(|pod| Some((pod.member, pod.ip.clone()?)))
        .collect()
}

/// Those of this cluster: by spec and not by label, for people make some too.
async fn read_rebalances(
    client: &Client,
    namespace: &str,
    name: &str,
) -> Result<Vec<ObservedRebalance>, ObserveError> {
    let mut rebalances = Vec::new();
    let api: Api<KafkaRebalance> = Api::namespaced(client.clone(), namespace);
    list::<KafkaRebalance>(api, "", |page| {
        let own = page.iter().filter(|one| one.spec.cluster_name == name);
        rebalances.extend(own.filter_map(ObservedRebalance::from_rebalance));
    })
    .await?;
    Ok(rebalances)
}

/// Zones are read only while brokers are to be born, because nodes are large and many.
async fn read_zones(
    client: &Client,
    cluster: &KafkaCluster,
    observed: &Observed,
) -> Result<Vec<String>, ObserveError> {
    let Some(racks) = &cluster.spec.brokers.racks else {
        return Ok(Vec::new());
    };
    if !zones::are_needed(cluster, observed) {
        return Ok(Vec::new());
    }
    let mut found = BTreeSet::new();
    let (key, pod) = (&racks.topology_key, &cluster.spec.brokers.pod);
    let selector = zones::selector(key, pod);
    list::<Node>(Api::all(client.clone()), &selector, |page| {
        zones::collect(page, key, &pod.tolerations, &mut found);
    })
    .await?;
    Ok(found.into_iter().collect())
}

async fn list_values<K>(
    client: &Client,
    namespace: &str,
    selector: &str,
    into: &mut Vec<serde_json::Value>,
) -> Result<(), ObserveError>
where
    K: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
        + Clone
        + DeserializeOwned
        + Serialize
        + Debug,
{
    list::<K>(
        Api::namespaced(client.clone(), namespace),
        selector,
        |page| {
            for object in page {
                let mut value = serde_json::to_value(object).unwrap_or_default();
                value["kind"] = K::kind(&()).as_ref().into();
                value["apiVersion"] = K::api_version(&()).as_ref().into();
                if let Some(metadata) = value["metadata"].as_object_mut() {
                    metadata.remove("managedFields");
                }
                into.push(value);
            }
        },
    )
    .await
}

/// Lists page by page and hands each page on, so that no more than one is held.
///
/// # Errors
/// [`ObserveError`] if any page fails, or the list does not end.
pub async fn list<K>(
    api: Api<K>,
    selector: &str,
    mut each_page: impl FnMut(&[K]),
) -> Result<(), ObserveError>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug,
{
    let kind = K::plural(&()).into_owned();
    let mut parameters = ListParams::default().labels(selector).limit(PAGE_SIZE);
    for _ in 0..PAGES_MAX {
        let page = match tokio::time::timeout(REQUEST_TIMEOUT, api.list(&parameters)).await {
            Ok(page) => page.map_err(|source| ObserveError::List {
                kind: kind.clone(),
                source: Box::new(source),
            })?,
            Err(_) => return Err(ObserveError::Timeout { kind }),
        };
        each_page(&page.items);
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => parameters = parameters.continue_token(&token),
            None => return Ok(()),
        }
    }
    Err(ObserveError::TooMany { kind })
}
