//! The resource, checked and made into a [`Topic`]. Pure.
//!
//! The API server has checked the CEL rules already. What can be wrong here got past an older
//! schema.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::jiff::Timestamp;
use kintsugi_crds::schema::hash_text;
use kintsugi_crds::{INTERNAL_TOPICS, KafkaTopic, KeyOrder, PartitionGrowth, TopicDeletionPolicy};
use kintsugi_types::TopicName;

use super::plan::Marks;
use crate::names::{APPLIED_SETTINGS_ANNOTATION, CLUSTER_LABEL, TOPIC_FINALIZER, TOPIC_KEY_LABEL};

/// What a created topic gets where spec names no number of partitions.
const PARTITIONS_DEFAULT: i32 = 12;
/// Keys that are read from the annotation; the operator writes two times 50 at most.
const APPLIED_MAX: usize = 200;

/// Why a resource cannot be acted on. The texts go into condition Ready.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ValidateError {
    /// The API server gave no name, namespace or uid.
    #[error("the resource has no {0}: it was not read from an API server")]
    Incomplete(&'static str),
    /// Kafka does not take the name.
    #[error(
        "{0:?} is no name for a topic: it must have 1 to 249 characters of a-z, A-Z, 0-9, '.', '_' \
         or '-', and not be '.' or '..'"
    )]
    Name(String),
    /// Kafka keeps the topic for itself.
    #[error("{0} is a topic that Kafka keeps for itself: name another one in spec.topicName")]
    Internal(String),
    /// A number that the schema does not allow.
    #[error("{field} is {value}: set 1 to {max}")]
    OutOfRange {
        /// The field's path.
        field: &'static str,
        /// Its value.
        value: i32,
        /// The greatest that is allowed.
        max: i32,
    },
    /// Partitions are to be added by load, and nobody has said that the order of keys is not needed.
    #[error(
        "spec.partitionGrowth.keyOrder is Needed: set it to NotNeeded if nobody needs records of one \
         key in order, or take spec.partitionGrowth out"
    )]
    KeyOrder,
}

/// A KafkaTopic without doubts.
#[derive(Clone, Debug, PartialEq)]
pub struct Topic {
    /// The resource's name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// Its uid.
    pub uid: String,
    /// Its generation.
    pub generation: i64,
    /// When it was created. Absent only in a resource that no API server has seen.
    pub created: Option<Timestamp>,
    /// Whether it is being deleted.
    pub is_terminating: bool,
    /// The cluster's name.
    pub cluster: String,
    /// The topic's name in Kafka.
    pub topic: TopicName,
    /// How many partitions it should have. None: as many as it has.
    pub partitions: Option<i32>,
    /// How partitions are added by load, if they are.
    pub growth: Option<PartitionGrowth>,
    /// How many brokers should hold each. None: as many as do.
    pub replication_factor: Option<i16>,
    /// Its settings.
    pub config: BTreeMap<String, String>,
    /// Whether the topic goes with the resource.
    pub deletes: bool,
    /// What the resource's metadata carries.
    pub marks: Marks,
}

impl Topic {
    /// How many partitions the topic is created with.
    pub fn partitions_at_birth(&self) -> i32 {
        let growth = self.growth.as_ref();
        let most = growth.map_or(PARTITIONS_DEFAULT, |growth| growth.max_partitions);
        self.partitions.unwrap_or(PARTITIONS_DEFAULT.min(most))
    }

    /// The value of the label by which KafkaTopics that name this topic find each other. A topic's
    /// name can be longer than a label's value.
    pub fn key(&self) -> String {
        key(&self.cluster, self.topic.as_str())
    }

    /// Whether the resource holds back its own deletion for the operator.
    pub fn is_held(&self) -> bool {
        self.marks
            .finalizers
            .iter()
            .any(|name| name == TOPIC_FINALIZER)
    }

    /// The marks with labels and finalizer as they should be.
    pub fn marked(&self) -> Marks {
        let mut marks = match self.deletes {
            true => self.marks.clone(),
            false => self.released(),
        };
        if self.deletes && !self.is_held() {
            marks.finalizers.push(TOPIC_FINALIZER.to_owned());
        }
        marks.cluster = Some(self.cluster.clone());
        marks.key = Some(self.key());
        marks
    }

    /// The marks without the finalizer.
    pub fn released(&self) -> Marks {
        let mut marks = self.marks.clone();
        marks.finalizers.retain(|name| name != TOPIC_FINALIZER);
        marks
    }

    /// The marks with these settings noted as applied.
    pub fn noting(&self, applied: BTreeSet<String>) -> Marks {
        Marks {
            applied: Some(applied),
            ..self.marks.clone()
        }
    }
}

/// What [`Topic::key`] gives.
pub fn key(cluster: &str, topic: &str) -> String {
    hash_text(&format!("{cluster}/{topic}"))
}

/// The topic's name in Kafka.
pub fn topic_name(resource: &KafkaTopic) -> &str {
    let own = resource.metadata.name.as_deref().unwrap_or_default();
    resource.spec.topic_name.as_deref().unwrap_or(own)
}

/// What the resource's metadata carries of the operator's.
pub fn marks(resource: &KafkaTopic) -> Marks {
    let metadata = &resource.metadata;
    let label = |name: &str| metadata.labels.as_ref()?.get(name).cloned();
    let annotations = metadata.annotations.as_ref();
    let applied = annotations.and_then(|all| all.get(APPLIED_SETTINGS_ANNOTATION));
    let keys = |text: &String| -> BTreeSet<String> {
        let keys = text.split(',').filter(|key| !key.is_empty());
        keys.take(APPLIED_MAX).map(str::to_owned).collect()
    };
    Marks {
        cluster: label(CLUSTER_LABEL),
        key: label(TOPIC_KEY_LABEL),
        finalizers: metadata.finalizers.clone().unwrap_or_default(),
        applied: applied.map(keys),
    }
}

/// Checks `resource`.
///
/// # Errors
/// [`ValidateError`] says what is wrong and what to do.
pub fn validate(resource: &KafkaTopic) -> Result<Topic, ValidateError> {
    let (metadata, spec) = (&resource.metadata, &resource.spec);
    let present =
        |value: &Option<String>, what| value.clone().ok_or(ValidateError::Incomplete(what));
    let text = topic_name(resource);
    let topic: TopicName = text
        .parse()
        .map_err(|_| ValidateError::Name(text.to_owned()))?;
    if INTERNAL_TOPICS.contains(&text) {
        return Err(ValidateError::Internal(text.to_owned()));
    }
    let replication_factor = in_range(
        "spec.replicationFactor",
        spec.replication_factor,
        i16::MAX.into(),
    )?;
    Ok(Topic {
        name: present(&metadata.name, "name")?,
        namespace: present(&metadata.namespace, "namespace")?,
        uid: present(&metadata.uid, "uid")?,
        generation: metadata.generation.unwrap_or(0),
        created: metadata.creation_timestamp.as_ref().map(|time| time.0),
        is_terminating: metadata.deletion_timestamp.is_some(),
        cluster: spec.cluster_name.clone(),
        topic,
        partitions: in_range("spec.partitions", spec.partitions, i32::MAX)?,
        growth: spec.partition_growth.map(checked).transpose()?,
        replication_factor: replication_factor.and_then(|factor| i16::try_from(factor).ok()),
        config: spec.config.clone(),
        deletes: spec.deletion_policy == TopicDeletionPolicy::Delete,
        marks: marks(resource),
    })
}

fn checked(growth: PartitionGrowth) -> Result<PartitionGrowth, ValidateError> {
    if growth.key_order == KeyOrder::Needed {
        return Err(ValidateError::KeyOrder);
    }
    let field = "spec.partitionGrowth.maxPartitions";
    in_range(field, Some(growth.max_partitions), i32::MAX)?;
    Ok(growth)
}

fn in_range(
    field: &'static str,
    value: Option<i32>,
    max: i32,
) -> Result<Option<i32>, ValidateError> {
    match value {
        Some(value) if !(1..=max).contains(&value) => {
            Err(ValidateError::OutOfRange { field, value, max })
        }
        other => Ok(other),
    }
}
