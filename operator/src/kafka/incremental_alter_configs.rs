//! IncrementalAlterConfigs: some settings of topics and brokers.

use std::collections::{BTreeMap, BTreeSet};

use kintsugi_client::messages::IncrementalAlterConfigsRequest;
use kintsugi_client::messages::incremental_alter_configs_request::{
    AlterConfigsResource, AlterableConfig,
};
use kintsugi_types::ErrorCode;

use super::describe_configs::RESOURCE_TOPIC;
use super::{KafkaError, Session, accepted, text};

/// A broker, among resources that have settings (`ConfigResource.Type`).
const RESOURCE_BROKER: i8 = 4;

/// Whose settings.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ConfigResource {
    /// A topic's.
    Topic(String),
    /// One broker's.
    Broker(i32),
}

/// What becomes of a setting (`AlterConfigOp.OpType`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// It gets this value.
    Set(String),
    /// It gets its default.
    Delete,
    /// These elements join its list.
    Append(String),
    /// These elements leave its list.
    Subtract(String),
}

impl Operation {
    fn parts(&self) -> (i8, Option<&str>) {
        match self {
            Operation::Set(value) => (0, Some(value)),
            Operation::Delete => (1, None),
            Operation::Append(value) => (2, Some(value)),
            Operation::Subtract(value) => (3, Some(value)),
        }
    }
}

/// The changes of one resource's settings, by name: all are made, or none.
pub type Alteration = BTreeMap<String, Operation>;

/// Sets the settings in `set`, and takes back those in `reset`: all of them, or none.
///
/// # Errors
/// [`KafkaError`].
pub async fn alter_topic_configs(
    session: &Session,
    name: &str,
    set: &BTreeMap<String, String>,
    reset: &BTreeSet<String>,
) -> Result<(), KafkaError> {
    let sets = set
        .iter()
        .map(|(key, value)| (key.clone(), Operation::Set(value.clone())));
    let resets = reset.iter().map(|key| (key.clone(), Operation::Delete));
    let resource = ConfigResource::Topic(name.to_owned());
    let changes = BTreeMap::from([(resource, sets.chain(resets).collect())]);
    alter_configs(session, &changes, &[]).await
}

/// Changes settings. Resources whose change is not refused are changed even if others' are.
///
/// # Errors
/// [`KafkaError`]; of several that are refused, the first. What is answered by one of `fine` counts
/// as done.
pub async fn alter_configs(
    session: &Session,
    changes: &BTreeMap<ConfigResource, Alteration>,
    fine: &[ErrorCode],
) -> Result<(), KafkaError> {
    let resources = changes.iter().map(|(resource, changes)| {
        let (kind, name) = match resource {
            ConfigResource::Topic(name) => (RESOURCE_TOPIC, name.clone()),
            ConfigResource::Broker(id) => (RESOURCE_BROKER, id.to_string()),
        };
        let configs = changes.iter().map(|(key, operation)| {
            let (operation, value) = operation.parts();
            AlterableConfig::default()
                .with_name(text(key))
                .with_config_operation(operation)
                .with_value(value.map(text))
        });
        AlterConfigsResource::default()
            .with_resource_type(kind)
            .with_resource_name(text(&name))
            .with_configs(configs.collect())
    });
    let request = IncrementalAlterConfigsRequest::default().with_resources(resources.collect());
    let answer = session.request(&request).await?;
    if answer.responses.len() != changes.len() {
        return Err(KafkaError::Answer {
            api: "IncrementalAlterConfigs",
            what: "it is not about the resources that were asked for",
        });
    }
    for result in &answer.responses {
        if fine.iter().any(|fine| fine.code() == result.error_code) {
            continue;
        }
        let kind = match result.resource_type {
            RESOURCE_BROKER => "broker",
            _ => "topic",
        };
        let act = || format!("change settings of {kind} {}", &*result.resource_name);
        accepted(act, result.error_code, result.error_message.as_ref())?;
    }
    Ok(())
}
