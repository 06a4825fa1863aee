//! The only writer for topics: to the resource through the API server, to the topic through a broker.
//!
//! Guarantees: commands are carried out in order, and the first failure of one that others build on
//! ends them; every write is bounded in time; writes to the resource name the version that the
//! decision saw.

use kintsugi_crds::{KafkaTopic, KafkaTopicStatus};
use kube::api::{Patch, PatchParams};
use kube::runtime::events::Recorder;
use kube::{Api, Client, Resource};
use serde_json::{Value, json};

use super::plan::{Command, Marks};
use crate::act::{ActError, announce, bounded};
use crate::kafka::{
    KafkaError, Session, alter_topic_configs, create_partitions, create_topic, delete_topic,
};
use crate::metrics::{Kind, Metrics};
use crate::names::{APPLIED_SETTINGS_ANNOTATION, CLUSTER_LABEL, OPERATOR, TOPIC_KEY_LABEL};

/// Why a command was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum TopicActError {
    /// The API server did not take it.
    #[error(transparent)]
    Kubernetes(#[from] ActError),
    /// The broker did not take it.
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    /// The plan has an act on the topic though no broker answered: a mistake in the decision.
    #[error("failed to {0} a topic: no broker answered in this look")]
    NoSession(&'static str),
}

/// What acts go through.
#[derive(Clone, Copy)]
pub struct Hands<'a> {
    /// To the API server.
    pub client: &'a Client,
    /// For Events.
    pub recorder: &'a Recorder,
    /// Counts acts.
    pub metrics: &'a Metrics,
    /// To a broker, where one answered.
    pub session: Option<&'a Session>,
}

/// Carries out `commands` for `resource`.
///
/// # Errors
/// The first failure.
pub async fn act(
    hands: Hands<'_>,
    resource: &KafkaTopic,
    commands: &[Command],
) -> Result<(), TopicActError> {
    let mut failed = None;
    for command in commands {
        match carry_out(hands, resource, command).await {
            Ok(()) => {}
            Err(error) if command.is_independent() => {
                failed = failed.or(Some(error));
                continue;
            }
            Err(error) => return Err(failed.unwrap_or(error)),
        }
        hands.metrics.acts(Kind::Topic, 1);
        if let Some(announcement) = command.announcement() {
            tracing::info!(
                topic = resource.metadata.name,
                namespace = resource.metadata.namespace,
                reason = announcement.reason,
                "{}",
                announcement.note
            );
            announce(hands.recorder, &resource.object_ref(&()), &announcement).await;
        }
    }
    failed.map_or(Ok(()), Err)
}

async fn carry_out(
    hands: Hands<'_>,
    resource: &KafkaTopic,
    command: &Command,
) -> Result<(), TopicActError> {
    let session = hands
        .session
        .ok_or(TopicActError::NoSession(command.name()));
    match command {
        Command::Announce(_) => {}
        Command::Mark(marks) => mark(hands.client, resource, marks).await?,
        Command::WriteStatus(status) => write_status(hands.client, resource, status).await?,
        Command::Create { topic, .. } => create_topic(session?, topic).await?,
        Command::Grow { topic, partitions } => {
            create_partitions(session?, topic, *partitions).await?;
        }
        Command::Configure { topic, set, reset } => {
            alter_topic_configs(session?, topic, set, reset).await?;
        }
        Command::Delete { topic, id } => delete_topic(session?, topic, *id).await?,
    }
    Ok(())
}

async fn mark(client: &Client, resource: &KafkaTopic, marks: &Marks) -> Result<(), ActError> {
    let mut metadata = json!({
        "uid": resource.metadata.uid,
        "resourceVersion": resource.metadata.resource_version,
        "finalizers": marks.finalizers,
    });
    for (label, value) in [
        (CLUSTER_LABEL, &marks.cluster),
        (TOPIC_KEY_LABEL, &marks.key),
    ] {
        if let Some(value) = value {
            metadata["labels"][label] = Value::from(value.as_str());
        }
    }
    if let Some(applied) = &marks.applied {
        let keys: Vec<&str> = applied.iter().map(String::as_str).collect();
        metadata["annotations"][APPLIED_SETTINGS_ANNOTATION] = keys.join(",").into();
    }
    let name = resource.metadata.name.as_deref().unwrap_or_default();
    let patch = Patch::Merge(json!({ "metadata": metadata }));
    let act = format!("mark KafkaTopic {name}");
    bounded(
        act,
        api(client, resource).patch(name, &parameters(), &patch),
    )
    .await
}

async fn write_status(
    client: &Client,
    resource: &KafkaTopic,
    status: &KafkaTopicStatus,
) -> Result<(), ActError> {
    let name = resource.metadata.name.as_deref().unwrap_or_default();
    let patch = Patch::Merge(json!({
        "metadata": {"resourceVersion": resource.metadata.resource_version},
        "status": status,
    }));
    let act = format!("write the status of KafkaTopic {name}");
    let api = api(client, resource);
    bounded(act, api.patch_status(name, &parameters(), &patch)).await
}

fn api(client: &Client, resource: &KafkaTopic) -> Api<KafkaTopic> {
    let namespace = resource.metadata.namespace.as_deref().unwrap_or_default();
    Api::namespaced(client.clone(), namespace)
}

fn parameters() -> PatchParams {
    PatchParams {
        field_manager: Some(OPERATOR.to_owned()),
        ..PatchParams::default()
    }
}
