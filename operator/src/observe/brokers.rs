//! One broker of a cluster that answers, found by the pods' addresses.

use std::sync::atomic::{AtomicUsize, Ordering};

use futures::future::BoxFuture;
use k8s_openapi::api::core::v1::Pod;
use kintsugi_crds::KafkaCluster;
use kintsugi_types::Endpoint;
use kube::{Api, Client};

use super::read::list;
use super::{ObserveError, ObservedPod};
use crate::causes::with_causes;
use crate::kafka::{KafkaError, Known, Pool, Session, cluster_id};
use crate::names::{Role, role_selector_text};

/// Brokers that are tried in one look; the next look goes on with the next.
const BROKERS_TRIED: usize = 2;

/// Where the last look began among a cluster's brokers, so that a frozen one does not come first
/// for ever.
static TURN: AtomicUsize = AtomicUsize::new(0);

/// Asks the cluster's session, and another broker where that one does not answer any more: while
/// one of several is dead or frozen, the others tell. Gives the session with the answer, or why
/// nobody answered.
///
/// # Errors
/// [`ObserveError`] if the API server does not tell of pods.
pub async fn ask_brokers<'a, T>(
    client: &Client,
    pool: &Pool,
    cluster: &KafkaCluster,
    ask: impl Fn(Session) -> BoxFuture<'a, Result<T, KafkaError>>,
) -> Result<Result<(T, Session), String>, ObserveError> {
    let uid = cluster.metadata.uid.as_deref().unwrap_or_default();
    let mut failed: Option<(Endpoint, String)> = None;
    for _ in 0..BROKERS_TRIED {
        let except = failed.as_ref().map(|(endpoint, _)| endpoint);
        let session = match session(client, pool, cluster, except).await? {
            Ok(session) => session,
            Err(why) => return Ok(Err(failed.map_or(why, |(_, first)| first))),
        };
        match ask(session.clone()).await {
            Ok(view) => return Ok(Ok((view, session))),
            Err(error) => {
                pool.forget(uid);
                failed = Some((session.endpoint().clone(), with_causes(&error)));
            }
        }
    }
    let why = failed.map(|(_, why)| why).unwrap_or_default();
    pool.silent(uid, why.clone());
    Ok(Err(why))
}

/// The cluster's session, or why there is none; a new one is never to `except`.
async fn session(
    client: &Client,
    pool: &Pool,
    cluster: &KafkaCluster,
    except: Option<&Endpoint>,
) -> Result<Result<Session, String>, ObserveError> {
    let uid = cluster.metadata.uid.as_deref().unwrap_or_default();
    match pool.get(uid) {
        Known::Open(session) => return Ok(Ok(*session)),
        Known::Silent(why) => return Ok(Err(why)),
        Known::Nothing => {}
    }
    let name = cluster.metadata.name.clone().unwrap_or_default();
    let mut endpoints = endpoints(client, cluster, &name).await?;
    endpoints.retain(|endpoint| Some(endpoint) != except);
    endpoints.truncate(BROKERS_TRIED);
    let mut why = KafkaError::NoBroker { cluster: name };
    for endpoint in &endpoints {
        match open(endpoint, cluster).await {
            Ok(session) => {
                pool.keep(uid, &session);
                return Ok(Ok(session));
            }
            Err(error) => why = error,
        }
    }
    let why = with_causes(&why);
    pool.silent(uid, why.clone());
    Ok(Err(why))
}

/// Addresses to try, ready brokers first.
async fn endpoints(
    client: &Client,
    cluster: &KafkaCluster,
    name: &str,
) -> Result<Vec<Endpoint>, ObserveError> {
    let namespace = cluster.metadata.namespace.as_deref().unwrap_or_default();
    let api: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let selector = role_selector_text(name, Role::Broker);
    let mut pods: Vec<ObservedPod> = Vec::new();
    list(api, &selector, |page| {
        let seen = page.iter().filter_map(ObservedPod::from_pod);
        pods.extend(seen.filter(ObservedPod::is_running));
    })
    .await?;
    if !pods.is_empty() {
        let turn = TURN.fetch_add(1, Ordering::Relaxed) % pods.len();
        pods.rotate_left(turn);
    }
    pods.sort_by_key(|pod| !pod.ready);
    let listener = cluster.spec.listeners.first();
    let port = listener.and_then(|listener| u16::try_from(listener.port).ok());
    let addresses = pods.into_iter().filter_map(|pod| {
        let (host, port) = (pod.ip?, port?);
        Some(Endpoint { host, port })
    });
    Ok(addresses.collect())
}

/// Connects, and makes sure that it is the right cluster: an address may have been given to a pod
/// of another one by now.
async fn open(endpoint: &Endpoint, cluster: &KafkaCluster) -> Result<Session, KafkaError> {
    let session = Session::open(endpoint).await?;
    let expected = cluster
        .status
        .as_ref()
        .and_then(|status| status.cluster_id.clone());
    if let Some(expected) = expected {
        let found = cluster_id(&session).await?;
        if found != expected {
            return Err(KafkaError::OtherCluster {
                endpoint: endpoint.clone(),
                found,
                expected,
            });
        }
    }
    Ok(session)
}
