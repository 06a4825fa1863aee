//! The reads of one look at a topic: the Kubernetes API, then one broker.
//!
//! Guarantees: every read is live, bounded in count and time. A list that fails fails the look:
//! absence is never concluded from an error. Brokers that do not answer are told as that.

use std::collections::BTreeMap;

use futures::FutureExt;
use k8s_openapi::jiff::Timestamp;
use kintsugi_crds::KafkaTopic;
use kube::api::ListParams;
use kube::{Api, Client};

use super::validate::{Topic, topic_name};
use crate::kafka::{KafkaError, Pool, Session, TopicDescription, describe_topic, topic_configs};
use crate::names::TOPIC_KEY_LABEL;
use crate::observe::{ObserveError, ask_brokers, bounded, read_cluster};

/// KafkaTopics with one key that are looked at. More than two are a mistake already.
const RIVALS_MAX: u32 = 50;

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
    let asked = ask_brokers(client, pool, &cluster, |session| {
        async move { ask(&session, topic).await }.boxed()
    });
    let (kafka, session) = match asked.await? {
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
