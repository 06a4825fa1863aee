//! The only writer for rebalances: to the resource through the API server, to partitions and their
//! throttles through a broker.
//!
//! Guarantees: commands are carried out in order, and the first failure ends them; every write is
//! bounded in time; writes to the resource name the version that the decision saw, or that its own
//! earlier write gave.

use std::collections::{BTreeMap, BTreeSet};

use kintsugi_crds::{KafkaRebalance, REBALANCE_ANNOTATION};
use kintsugi_types::ErrorCode;
use serde_json::{Value, json};

use super::plan::{Command, Intent, MarkChange};
use super::validate::ENDED;
use crate::act::ActError;
use crate::act::resource::{Hands, mark, write_status};
use crate::kafka::{
    Alteration, ConfigResource, KafkaError, Operation, Session, alter_configs, cancel,
    elect_preferred, reassign,
};
use crate::metrics::Kind;
use crate::names::{
    CLUSTER_LABEL, REBALANCE_ENDED_ANNOTATION, REBALANCE_FINALIZER, REBALANCE_UNDERWAY_ANNOTATION,
};

/// The settings of brokers that bound what moves copy (KIP-73).
const RATES: [&str; 2] = [
    "leader.replication.throttled.rate",
    "follower.replication.throttled.rate",
];
/// The settings of topics with the replicas that those bound.
const LEADER_REPLICAS: &str = "leader.replication.throttled.replicas";
const FOLLOWER_REPLICAS: &str = "follower.replication.throttled.replicas";

/// Why a command was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum RebalanceActError {
    /// The API server did not take it.
    #[error(transparent)]
    Kubernetes(#[from] ActError),
    /// The broker did not take it.
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    /// The notes for the resource cannot be written as text.
    #[error("failed to note what was begun")]
    Note(#[from] serde_json::Error),
    /// The plan has an act in Kafka though no broker answered: a mistake in the decision.
    #[error("failed to {0}: no broker answered in this look")]
    NoSession(&'static str),
}

/// Carries out `commands` for `resource`.
///
/// # Errors
/// The first failure.
pub async fn act(
    hands: Hands<'_>,
    resource: &KafkaRebalance,
    commands: &[Command],
) -> Result<(), RebalanceActError> {
    let mut version = resource.metadata.resource_version.clone();
    for command in commands {
        carry_out(hands, resource, &mut version, command).await?;
        let told = command.announcement();
        hands.done(Kind::Rebalance, resource, told).await;
    }
    Ok(())
}

async fn carry_out(
    hands: Hands<'_>,
    resource: &KafkaRebalance,
    version: &mut Option<String>,
    command: &Command,
) -> Result<(), RebalanceActError> {
    match command {
        Command::Announce(_) => {}
        Command::Mark(change) => {
            let metadata = marks(resource, version.as_ref(), change)?;
            *version = mark(hands.client, resource, &metadata).await?;
        }
        Command::WriteStatus(status) => {
            let (seen, written) = (version.as_ref(), resource.status.as_ref());
            let wrote = write_status(hands.client, resource, seen, written, status.as_ref());
            *version = wrote.await?;
        }
        _ => {
            let session = hands
                .session
                .ok_or(RebalanceActError::NoSession(command.name()))?;
            in_kafka(session, command).await?;
        }
    }
    Ok(())
}

/// Carries out what concerns Kafka; what does not is done elsewhere.
///
/// # Errors
/// [`KafkaError`].
pub async fn in_kafka(session: &Session, command: &Command) -> Result<(), KafkaError> {
    match command {
        Command::Mark(_) | Command::WriteStatus(_) | Command::Announce(_) => Ok(()),
        Command::SetRates {
            brokers,
            bytes_per_second,
            ..
        } => {
            let value = Operation::Set(bytes_per_second.to_string());
            alter_configs(session, &rates(brokers, &value), &[]).await
        }
        Command::ClearRates(brokers) => {
            let gone = [ErrorCode::BrokerIdNotRegistered];
            alter_configs(session, &rates(brokers, &Operation::Delete), &gone).await
        }
        Command::Throttle(intents) => {
            alter_configs(session, &entries(intents, Operation::Append), &[]).await
        }
        Command::Unthrottle(intents) => {
            let gone = [ErrorCode::UnknownTopicOrPartition];
            alter_configs(session, &entries(intents, Operation::Subtract), &gone).await
        }
        Command::Reassign(targets) => reassign(session, targets).await,
        Command::Cancel(partitions) => cancel(session, partitions).await,
        Command::Elect(partitions) => elect_preferred(session, partitions).await,
    }
}

fn rates(brokers: &BTreeSet<i32>, operation: &Operation) -> BTreeMap<ConfigResource, Alteration> {
    let each = RATES.map(|key| (key.to_owned(), operation.clone()));
    let changes = Alteration::from(each);
    let brokers = brokers.iter().map(|id| ConfigResource::Broker(*id));
    brokers.map(|broker| (broker, changes.clone())).collect()
}

/// The replicas that send, and those that receive, as `kafka-reassign-partitions` lists them: the
/// replicas from before as senders, those that come as receivers.
pub(super) fn entries(
    intents: &[Intent],
    operation: impl Fn(String) -> Operation,
) -> BTreeMap<ConfigResource, Alteration> {
    let mut topics: BTreeMap<&str, (Vec<String>, Vec<String>)> = BTreeMap::new();
    for intent in intents {
        let (senders, receivers) = topics.entry(&intent.topic).or_default();
        let entry = |broker: i32| format!("{}:{broker}", intent.partition);
        senders.extend(intent.from.iter().copied().map(entry));
        receivers.extend(intent.adding().map(entry));
    }
    let topics = topics.into_iter().map(|(topic, (senders, receivers))| {
        let lists = [(LEADER_REPLICAS, senders), (FOLLOWER_REPLICAS, receivers)];
        let changes = lists
            .into_iter()
            .filter(|(_, entries)| !entries.is_empty())
            .map(|(key, entries)| (key.to_owned(), operation(entries.join(","))));
        (ConfigResource::Topic(topic.to_owned()), changes.collect())
    });
    topics.collect()
}

/// The metadata to merge. Null takes an annotation off.
///
/// # Errors
/// When the notes cannot be written as text.
pub fn marks(
    resource: &KafkaRebalance,
    version: Option<&String>,
    change: &MarkChange,
) -> Result<Value, serde_json::Error> {
    let marks = &change.marks;
    let mut finalizers = resource.metadata.finalizers.clone().unwrap_or_default();
    finalizers.retain(|name| name != REBALANCE_FINALIZER);
    if marks.is_held {
        finalizers.push(REBALANCE_FINALIZER.to_owned());
    }
    let underway = marks.underway.as_ref().map(serde_json::to_string);
    let mut annotations = json!({
        REBALANCE_UNDERWAY_ANNOTATION: underway.transpose()?,
        REBALANCE_ENDED_ANNOTATION: marks.ended.then_some(ENDED),
    });
    if change.clears_word {
        annotations[REBALANCE_ANNOTATION] = Value::Null;
    }
    let mut metadata = json!({
        "uid": resource.metadata.uid,
        "resourceVersion": version,
        "finalizers": finalizers,
        "annotations": annotations,
    });
    if let Some(cluster) = &marks.cluster {
        metadata["labels"][CLUSTER_LABEL] = Value::from(cluster.as_str());
    }
    Ok(metadata)
}
