//! Decides changes of settings.

use std::collections::BTreeMap;
use std::sync::Arc;

use kintsugi_types::{BrokerId, ErrorCode, TopicName};
use serde::{Deserialize, Serialize};

use super::broker::{self, ALTER_LOG_DIRS_RATE, Scope};
use super::dynamic::Configs;
use super::kind::{ConfigKind, elements};
use super::topic::{self, MIN_INSYNC_REPLICAS};
use super::{CONFIGS_MAX, VALUE_BYTES_MAX};
use crate::image::{Delta, Image};
use crate::record::MetadataRecord;
use crate::settings::ClusterSettings;

/// Whose settings.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum ConfigResource {
    /// A topic's.
    Topic(TopicName),
    /// One broker's.
    Broker(BrokerId),
    /// Those of every broker that has none of its own.
    AllBrokers,
}

/// What becomes of one setting.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum ConfigChange {
    /// It gets this value.
    Set(String),
    /// It gets its default.
    Delete,
    /// These elements are added to its list.
    Append(String),
    /// These elements are taken out of its list.
    Subtract(String),
}

/// Changes of one resource's settings, all or none.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ConfigAlteration {
    /// Whose.
    pub resource: ConfigResource,
    /// By name.
    pub changes: BTreeMap<String, ConfigChange>,
    /// Whether settings that are not named get their defaults (AlterConfigs; not
    /// IncrementalAlterConfigs).
    pub replaces_all: bool,
}

/// Why settings were not changed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{error}: {message}")]
pub struct ConfigRefused {
    /// What clients are told.
    pub error: ErrorCode,
    /// What people are told.
    pub message: String,
}

/// Decides a change: the records of the settings that become other than they are, and of the
/// partitions whose ELR they clear.
///
/// # Errors
/// `UnknownTopicOrPartition`, `BrokerIdNotRegistered`, `InvalidConfig`, `InvalidRequest`.
pub fn alter(
    image: &Image,
    settings: &ClusterSettings,
    alteration: &ConfigAlteration,
) -> Result<Vec<MetadataRecord>, ConfigRefused> {
    let present = present(image, &alteration.resource)?;
    let mut wanted = match alteration.replaces_all {
        true => Configs::new(),
        false => present.clone(),
    };
    if alteration.changes.len() > CONFIGS_MAX {
        let message = format!("At most {CONFIGS_MAX} settings are changed at once.");
        return Err(refused(ErrorCode::InvalidRequest, message));
    }
    for (name, change) in &alteration.changes {
        match next_value(&alteration.resource, name, change, &present)? {
            Some(value) => wanted.insert(name.clone(), value),
            None => wanted.remove(name),
        };
    }
    let mut records = Vec::new();
    for name in present.keys().chain(wanted.keys()) {
        let value = wanted.get(name);
        if value != present.get(name) {
            records.push(record(image, &alteration.resource, name, value)?);
        }
    }
    if alteration.changes.contains_key(MIN_INSYNC_REPLICAS) || alteration.replaces_all {
        records.extend(clear_elr(image, settings, &records));
    }
    Ok(records)
}

fn refused(error: ErrorCode, message: impl Into<String>) -> ConfigRefused {
    let message = message.into();
    ConfigRefused { error, message }
}

fn unknown_topic(name: &TopicName) -> ConfigRefused {
    let message = format!("The topic '{}' does not exist.", name.as_str());
    refused(ErrorCode::UnknownTopicOrPartition, message)
}

/// The resource's settings as they are.
fn present(image: &Image, resource: &ConfigResource) -> Result<Configs, ConfigRefused> {
    match resource {
        ConfigResource::Topic(name) => match image.topic_named(name) {
            Some(topic) => Ok(topic.configs.clone()),
            None => Err(unknown_topic(name)),
        },
        ConfigResource::Broker(broker) if !image.brokers.contains_key(broker) => {
            let message = format!("No broker with id {broker} found.");
            Err(refused(ErrorCode::BrokerIdNotRegistered, message))
        }
        ConfigResource::Broker(broker) => {
            let configs = image.dynamic_configs.of(Some(*broker)).cloned();
            Ok(configs.unwrap_or_default())
        }
        ConfigResource::AllBrokers => Ok(image.dynamic_configs.all_brokers.clone()),
    }
}

/// The value that a change leads to; `None`: none of its own.
fn next_value(
    resource: &ConfigResource,
    name: &str,
    change: &ConfigChange,
    present: &Configs,
) -> Result<Option<String>, ConfigRefused> {
    let kind = kind(resource, name);
    let value = match (change, &kind) {
        // Whatever is there may go, also what was legal once.
        (ConfigChange::Delete, _)
            if kind.is_ok() || present.contains_key(name) || name == ALTER_LOG_DIRS_RATE =>
        {
            return Ok(None);
        }
        (_, Err(message)) => return Err(refused(ErrorCode::InvalidConfig, message)),
        (ConfigChange::Delete, Ok(_)) => return Ok(None),
        (ConfigChange::Set(value), Ok(_)) => value.clone(),
        (ConfigChange::Append(part) | ConfigChange::Subtract(part), Ok(kind)) => {
            let is_append = matches!(change, ConfigChange::Append(_));
            if !kind.is_list() {
                let verb = if is_append {
                    "APPEND to"
                } else {
                    "SUBTRACT from"
                };
                let message = format!("Can't {verb} key {name} because its type is not LIST.");
                return Err(refused(ErrorCode::InvalidConfig, message));
            }
            let base = present.get(name).map(String::as_str);
            edit_list(base.unwrap_or_else(|| default_list(name)), part, is_append)
        }
    };
    if value.len() > VALUE_BYTES_MAX {
        let message = format!("The value of {name} is longer than {VALUE_BYTES_MAX} bytes.");
        return Err(refused(ErrorCode::InvalidConfig, message));
    }
    if let Ok(kind) = kind {
        let wrong = |message| refused(ErrorCode::InvalidConfig, message);
        kind.check(name, &value).map_err(wrong)?;
    }
    Ok(Some(value))
}

fn kind(resource: &ConfigResource, name: &str) -> Result<ConfigKind, String> {
    if let ConfigResource::Topic(_) = resource {
        let found = topic::find(name).map(|found| found.kind);
        return found.ok_or_else(|| topic::unknown(name));
    }
    let Some(found) = broker::find(name) else {
        return Err(format!(
            "Cannot update these configs dynamically: Set({name}). Brokers obey them only from their start, or not at all."
        ));
    };
    match (found.scope, resource) {
        (Scope::WholeCluster, ConfigResource::Broker(_)) => Err(format!(
            "Broker-level {name} cannot be altered: set it for all brokers (--entity-default), since controllers decide by it."
        )),
        _ => Ok(found.kind),
    }
}

fn default_list(name: &str) -> &'static str {
    topic::find(name).map_or("", |found| found.default)
}

fn edit_list(base: &str, part: &str, is_append: bool) -> String {
    let mut list: Vec<&str> = elements(base).collect();
    for element in elements(part) {
        match is_append {
            true if !list.contains(&element) => list.push(element),
            true => {}
            false => list.retain(|known| *known != element),
        }
    }
    list.join(",")
}

fn record(
    image: &Image,
    resource: &ConfigResource,
    name: &str,
    value: Option<&String>,
) -> Result<MetadataRecord, ConfigRefused> {
    let (key, value) = (name.to_owned(), value.cloned());
    let broker = match resource {
        ConfigResource::Topic(name) => {
            let topic = image.names.get(name).copied();
            let topic = topic.ok_or_else(|| unknown_topic(name))?;
            return Ok(MetadataRecord::TopicConfigChanged { topic, key, value });
        }
        ConfigResource::Broker(broker) => Some(*broker),
        ConfigResource::AllBrokers => None,
    };
    Ok(MetadataRecord::BrokerConfigChanged { broker, key, value })
}

/// Clears the ELR of every led partition whose minimum these changes lower: its leader may commit
/// from now on what the members of the ELR do not have. A partition that nobody leads keeps its
/// ELR, since nothing can be committed there; the election that ends this clears it, if the new
/// minimum is reached by then.
fn clear_elr(
    image: &Image,
    settings: &ClusterSettings,
    changes: &[MetadataRecord],
) -> Vec<MetadataRecord> {
    let mut after = image.clone();
    after.apply(image.offset, changes, &mut Delta::default());
    let mut records = Vec::new();
    for (partition, state) in image.partitions() {
        if state.elr.is_empty() || state.isr.is_empty() {
            continue;
        }
        let min_isr = |image| settings.min_isr(image, partition.topic, state);
        if min_isr(&after) < min_isr(image) {
            let mut next = state.as_ref().clone();
            next.elr.clear();
            next.partition_epoch = next.partition_epoch.next();
            let state = Arc::new(next);
            records.push(MetadataRecord::Partition { partition, state });
        }
    }
    records
}
