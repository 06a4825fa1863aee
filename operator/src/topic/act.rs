//! The only writer for topics: to the resource through the API server, to the topic through a broker.
//!
//! Guarantees: commands are carried out in order, and the first failure of one that others build on
//! ends them; every write is bounded in time; writes to the resource name the version that the
//! decision saw.

use kintsugi_crds::KafkaTopic;
use serde_json::{Value, json};

use super::plan::{Command, Marks};
use crate::act::ActError;
use crate::act::resource::{Hands, mark, write_status};
use crate::kafka::{
    KafkaError, alter_topic_configs, create_partitions, create_topic, delete_topic,
};
use crate::metrics::Kind;
use crate::names::{APPLIED_SETTINGS_ANNOTATION, CLUSTER_LABEL, TOPIC_KEY_LABEL};

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
        let told = command.announcement();
        hands.done(Kind::Topic, resource, told).await;
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
        Command::Mark(marks) => {
            mark(hands.client, resource, &metadata(resource, marks)).await?;
        }
        Command::WriteStatus(status) => {
            let version = resource.metadata.resource_version.as_ref();
            let written = resource.status.as_ref();
            write_status(hands.client, resource, version, written, status.as_ref()).await?;
        }
        Command::Create { topic, .. } => create_topic(session?, topic).await?,
        Command::Grow {
            topic, partitions, ..
        } => {
            create_partitions(session?, topic, *partitions).await?;
        }
        Command::Configure { topic, set, reset } => {
            alter_topic_configs(session?, topic, set, reset).await?;
        }
        Command::Delete { topic, id } => delete_topic(session?, topic, *id).await?,
    }
    Ok(())
}

/// The metadata to merge.
fn metadata(resource: &KafkaTopic, marks: &Marks) -> Value {
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
    metadata
}
