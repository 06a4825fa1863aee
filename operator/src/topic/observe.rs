//! The reads of one look at a topic: the Kubernetes API, then one broker.
//!
//! Guarantees: every read is live, bounded in count and time. A list that fails fails the look:
//! absence is never concluded from an error. Brokers that do not answer are told as that.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::jiff::Timestamp;
use kintsugi_crds::{KafkaCluster, KafkaTopic};
use kintsugi_types::Endpoint;
use kube::api::ListParams;
use kube::{Api, Client};

use super::validate::{Topic, topic_name};
use crate::causes::with_causes;
use crate::kafka::{
    KafkaError, Known, Pool, Session, TopicDescription, cluster_id, describe_topic, topic_configs,
};
use crate::names::{Role, TOPIC_KEY_LABEL, role_selector_text};
use crate::observe::{ObservedPod, REQUEST_TIMEOUT, read_cluster};

/// KafkaTopics with one key that are looked at. More than two are a mistake already.
const RIVALS_MAX: u32 = 50;
/// Broker pods that are listed; a cluster has at most 100, and one that answers is enough.
const PODS_MAX: u32 = 100;
/// Brokers that are tried in one look; the next look goes on with the next.
const BROKERS_TRIED: usize = 2;

/// Where the last look began among a cluster's brokers, so that a frozen one does not come first
/// for ever.
static TURN: AtomicUsize = AtomicUsize::new(0);

/// Everything that was seen of one topic.
#[derive(Clone, Debug, PartialEq)]
pub struct Observed {
    /// Its KafkaCluster.
    pub cluster: ClusterView,
    /// Other KafkaTopics that name the same topic.
    pub rivals: Vec<Rival>,
    /// What a broker said.
    pub kafka: KafkaView,
}

/// The KafkaCluster, as far as topics go by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClusterView {
    /// It is not there, or is being deleted.
    Gone,
    /// It is there.
    Present {
        /// Whether people stopped the operator for it.
        paused: bool,
    },
}

/// Another KafkaTopic that names the same topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rival {
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
    /// When it was created.
    pub created: Option<Timestamp>,
    /// Whether it is being deleted.
    pub is_terminating: bool,
}

/// What a broker said.
#[derive(Clone, Debug, PartialEq)]
pub enum KafkaView {
    /// None was asked: there is no cluster.
    NotAsked,
    /// None answered, and why.
    Silent(String),
    /// One answered: the topic, if it knows it.
    Answered(Option<TopicView>),
}

/// A topic as it is.
#[derive(Clone, Debug, PartialEq)]
pub struct TopicView {
    /// Its id and size.
    pub description: TopicDescription,
    /// The settings that it carries itself.
    pub config: BTreeMap<String, String>,
}

/// Why a topic could not be observed.
#[derive(Debug, thiserror::Error)]
pub enum ObserveError {
    /// The KafkaCluster could not be read.
    #[error(transparent)]
    Cluster(#[from] crate::observe::ObserveError),
    /// The API server refused or broke off.
    #[error("failed to read {what}")]
    Read {
        /// What was read.
        what: String,
        /// The cause.
        #[source]
        source: Box<kube::Error>,
    },
    /// The API server did not answer in time.
    #[error("failed to read {what}: no answer from the API server within {} s", REQUEST_TIMEOUT.as_secs())]
    Timeout {
        /// What was read.
        what: String,
    },
}

/// Reads the resource itself, live. None if it is gone.
///
/// # Errors
/// [`ObserveError`].
pub async fn read_topic(
    client: &Client,
    namespace: &str,
    name: &str,
) -> Result<Option<KafkaTopic>, ObserveError> {
    let api: Api<KafkaTopic> = Api::namespaced(client.clone(), namespace);
    bounded(format!("KafkaTopic {namespace}/{name}"), api.get_opt(name)).await
}

/// Reads what concerns `topic`; the session is for the acts that follow.
///
/// # Errors
/// [`ObserveError`] if the API server does not tell.
pub async fn observe(
    client: &Client,
    pool: &Pool,
    topic: &Topic,
) -> Result<(Observed, Option<Session>), ObserveError> {
    let rivals = rivals(client, topic).await?;
    let cluster = read_cluster(client, &topic.namespace, &topic.cluster).await?;
    let present = cluster.filter(|cluster| cluster.metadata.deletion_timestamp.is_none());
    let Some(cluster) = present else {
        let observed = Observed {
            cluster: ClusterView::Gone,
            rivals,
            kafka: KafkaView::NotAsked,
        };
        return Ok((observed, None));
    };
    let (kafka, session) = match ask_brokers(client, pool, &cluster, topic).await? {
        Ok((view, session)) => (KafkaView::Answered(view), Some(session)),
        Err(why) => (KafkaView::Silent(why), None),
    };
    let observed = Observed {
        cluster: ClusterView::Present {
            paused: cluster.spec.paused,
        },
        rivals,
        kafka,
    };
    Ok((observed, session))
}

/// Asks the cluster's session, and another broker where that one does not answer any more: while
/// one of several is dead or frozen, the topic is fine.
async fn ask_brokers(
    client: &Client,
    pool: &Pool,
    cluster: &KafkaCluster,
    topic: &Topic,
) -> Result<Result<(Option<TopicView>, Session), String>, ObserveError> {
    let uid = cluster.metadata.uid.as_deref().unwrap_or_default();
    let mut failed: Option<(Endpoint, String)> = None;
    for _ in 0..BROKERS_TRIED {
        let except = failed.as_ref().map(|(endpoint, _)| endpoint);
        let session = match session(client, pool, cluster, except).await? {
            Ok(session) => session,
            Err(why) => return Ok(Err(failed.map_or(why, |(_, first)| first))),
        };
        match ask(&session, topic).await {
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

async fn ask(session: &Session, topic: &Topic) -> Result<Option<TopicView>, KafkaError> {
    let name = topic.topic.as_str();
    let Some(description) = describe_topic(session, name).await? else {
        return Ok(None);
    };
    let config = topic_configs(session, name).await?;
    Ok(config.map(|config| TopicView {
        description,
        config,
    }))
}

async fn rivals(client: &Client, topic: &Topic) -> Result<Vec<Rival>, ObserveError> {
    let api: Api<KafkaTopic> = Api::namespaced(client.clone(), &topic.namespace);
    let selector = format!("{TOPIC_KEY_LABEL}={}", topic.key());
    let parameters = ListParams::default().labels(&selector).limit(RIVALS_MAX);
    let list = bounded("KafkaTopics".to_owned(), api.list(&parameters)).await?;
    // The label holds a hash, so the names decide.
    let same = list.items.into_iter().filter(|other| {
        other.metadata.uid.as_ref() != Some(&topic.uid)
            && other.spec.cluster_name == topic.cluster
            && topic_name(other) == topic.topic.as_str()
    });
    let rivals = same.map(|other| Rival {
        name: other.metadata.name.unwrap_or_default(),
        uid: other.metadata.uid.unwrap_or_default(),
        created: other.metadata.creation_timestamp.map(|time| time.0),
        is_terminating: other.metadata.deletion_timestamp.is_some(),
    });
    Ok(rivals.collect())
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
    let parameters = ListParams::default().labels(&selector).limit(PODS_MAX);
    let list = bounded("pods".to_owned(), api.list(&parameters)).await?;
    let running = list.items.iter().filter_map(ObservedPod::from_pod);
    let mut pods: Vec<ObservedPod> = running.filter(ObservedPod::is_running).collect();
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

async fn bounded<T>(
    what: String,
    read: impl Future<Output = kube::Result<T>>,
) -> Result<T, ObserveError> {
    match tokio::time::timeout(REQUEST_TIMEOUT, read).await {
        Err(_) => Err(ObserveError::Timeout { what }),
        Ok(Err(source)) => Err(ObserveError::Read {
            what,
            source: Box::new(source),
        }),
        Ok(Ok(value)) => Ok(value),
    }
}
