//! `KafkaTopic`: one topic of a KafkaCluster in the same namespace, and the rules the API server
//! checks.
//!
//! The cluster is a field and not a label, so that the API server can demand it, check it, and keep
//! it from changing: a rule cannot see labels, and tools that copy manifests drop or add them.

use std::collections::BTreeMap;

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::partition_growth::{PartitionGrowth, PartitionGrowthStatus};
use crate::status::Condition;

/// Topics that Kafka keeps for itself. The CEL rule on `spec.topicName` lists the same names; a test
/// compares them.
pub const INTERNAL_TOPICS: [&str; 4] = [
    "__consumer_offsets",
    "__transaction_state",
    "__share_group_state",
    "__cluster_metadata",
];

/// What the topic should be.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "kintsugi.dev",
    version = "v1alpha1",
    kind = "KafkaTopic",
    plural = "kafkatopics",
    shortname = "kft",
    category = "kintsugi",
    namespaced,
    status = "KafkaTopicStatus",
    derive = "PartialEq",
    doc = "A topic of a KafkaCluster in the same namespace.",
    printcolumn(name = "CLUSTER", type_ = "string", json_path = ".spec.clusterName"),
    printcolumn(name = "PARTITIONS", type_ = "integer", json_path = ".status.partitions"),
    printcolumn(
        name = "REPLICATION FACTOR",
        type_ = "integer",
        json_path = ".status.replicationFactor"
    ),
    printcolumn(
        name = "READY",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].status"#
    ),
    printcolumn(name = "AGE", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(
        name = "MESSAGE",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].message"#,
        priority = 1
    ),
    validation = Rule::new(
        "has(self.spec.topicName) || self.metadata.name.size() <= 249"
    ).message(
        "metadata.name is the topic's name where spec.topicName is absent, and Kafka takes at most 249 characters: shorten it, or set spec.topicName"
    ),
    validation = Rule::new(
        "(has(self.spec.topicName) ? self.spec.topicName : self.metadata.name) == (has(oldSelf.spec.topicName) ? oldSelf.spec.topicName : oldSelf.metadata.name)"
    ).message(
        "spec.topicName cannot change, because Kafka cannot rename a topic: set it back, or create another KafkaTopic"
    )
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.clusterName == oldSelf.clusterName").message(
        "spec.clusterName cannot change, because a topic cannot move to another cluster: set it back, or create another KafkaTopic"
    ),
    validation = Rule::new(
        "!has(self.partitions) || !has(oldSelf.partitions) || self.partitions >= oldSelf.partitions"
    ).message(
        "spec.partitions may only grow, because Kafka cannot take partitions away: set the former number or more; to take back a number that Kafka refused, remove the field first"
    ),
    validation = Rule::new(
        "!has(self.partitionGrowth) || !has(self.partitions) || self.partitions <= self.partitionGrowth.maxPartitions"
    ).message(
        "spec.partitions is above spec.partitionGrowth.maxPartitions: lower the one or raise the other"
    ),
    validation = Rule::new(
        "!has(self.partitionGrowth) || !('cleanup.policy' in self.config) || !self.config['cleanup.policy'].contains('compact')"
    ).message(
        "spec.partitionGrowth cannot grow a topic with cleanup.policy=compact, because records of one key would be compacted in two partitions, each with a last one: take partitionGrowth out, or set cleanup.policy to delete"
    )
)]
pub struct KafkaTopicSpec {
    /// The KafkaCluster, in the same namespace.
    #[schemars(
        length(min = 1, max = 36),
        regex(pattern = "^[a-z]([-a-z0-9]*[a-z0-9])?$")
    )]
    pub cluster_name: String,
    /// The topic's name in Kafka, where it differs from metadata.name: Kafka also takes capitals
    /// and '_'.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 249), regex(pattern = "^[a-zA-Z0-9._-]+$"))]
    #[x_kube(
        validation = Rule::new("self != '.' && self != '..'").message(
            "spec.topicName must not be '.' or '..', which are folders: take another name"
        ),
        validation = Rule::new(
            "!(self in ['__consumer_offsets', '__transaction_state', '__share_group_state', '__cluster_metadata'])"
        ).message(
            "spec.topicName names a topic that Kafka keeps for itself: take another name"
        )
    )]
    pub topic_name: Option<String>,
    /// How many partitions. It may grow; records with a key then go to other partitions than
    /// before. Absent: 12 where the topic is created (which 1, 2, 3, 4, 6 and 12 consumers or brokers
    /// share evenly, so that growing is seldom needed), and as many as there are where it exists.
    /// With `partitionGrowth`, the number to start with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10_000))]
    pub partitions: Option<i32>,
    /// How many brokers hold each partition. Absent: the cluster's `default.replication.factor`
    /// where the topic is created, and as many as there are where it exists. This version does not
    /// change it: a difference is reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 32))]
    pub replication_factor: Option<i32>,
    /// Kafka's topic settings, by Kafka's names, such as `retention.ms: "604800000"`. What is taken
    /// out here goes back to the cluster's default. Settings that were never named here are left
    /// as other tools set them.
    // Always written, which puts the default into the schema: server-side apply of an empty map that
    // was not empty before ends in a null, and a null is refused where there is no default.
    #[serde(default)]
    #[schemars(extend(
        "maxProperties" = 50,
        "additionalProperties" = serde_json::json!({"type": "string", "maxLength": 1024})
    ))]
    #[x_kube(
        validation = Rule::new(
            "self.all(k, k.size() <= 128 && k.matches('^[a-z][a-z0-9._]*$'))"
        ).message(
            "each key of spec.config must be a Kafka setting's name: at most 128 characters of a-z, 0-9, '.' and '_', starting with a letter"
        )
    )]
    pub config: BTreeMap<String, String>,
    /// What becomes of the topic when the KafkaTopic is deleted. Default Retain: a manifest that is
    /// removed by mistake takes no record with it, and one that comes back adopts the topic.
    #[serde(default)]
    pub deletion_policy: TopicDeletionPolicy,
    /// Has the operator add partitions by load: by bytes a second to a partition, and by consumer
    /// groups that fall behind. `partitions` is then the number to start with, and is never written;
    /// the status says how many there are, and why. Absent: only people add partitions. Consumers
    /// should read with `auto.offset.reset=earliest`: with `latest` they miss what is written to a new
    /// partition before they find it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition_growth: Option<PartitionGrowth>,
}

/// What becomes of the topic when its resource is deleted.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TopicDeletionPolicy {
    /// The topic stays.
    #[default]
    Retain,
    /// The topic is deleted with all its records.
    Delete,
}

/// What the operator last observed. It is a cache: wiping it changes nothing that the operator does.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct KafkaTopicStatus {
    /// The `metadata.generation` that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Kafka's id of the topic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 36))]
    pub topic_id: Option<String>,
    /// How many partitions the topic has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partitions: Option<i32>,
    /// How many brokers hold each partition; the least where they differ.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replication_factor: Option<i32>,
    /// What was found of the load that partitions are added by, with `spec.partitionGrowth`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition_growth: Option<PartitionGrowthStatus>,
    /// What holds at present: Ready.
    #[serde(default)]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
}
