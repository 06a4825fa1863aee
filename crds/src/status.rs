//! The status of a `KafkaCluster`. It is a cache: wiping it changes nothing that the operator does.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::autoscaling::AutoscalingStatus;
use crate::balance::BalanceStatus;
use crate::storage::StorageStatus;

/// What the operator last observed.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct KafkaClusterStatus {
    /// The `metadata.generation` that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// One word for people. Programs read the conditions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<Phase>,
    /// Kafka's cluster id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub cluster_id: Option<String>,
    /// `host:port` for clients inside the Kubernetes cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 320))]
    pub bootstrap: Option<String>,
    /// The controllers' counts.
    #[serde(default)]
    pub controllers: RoleStatus,
    /// The brokers' counts.
    #[serde(default)]
    pub brokers: RoleStatus,
    /// What autoscaling decided of the number of brokers. Absent without autoscaling.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub autoscaling: Option<AutoscalingStatus>,
    /// How even the brokers' load is, and what is done about it. Absent where `spec.rebalance.mode`
    /// is Manual.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub balance: Option<BalanceStatus>,
    /// How full the brokers' volumes are, and what is done about it. Absent without
    /// `spec.brokers.storage.autoscaling`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage: Option<StorageStatus>,
    /// Counts of partitions, from the active controller. Absent while none answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partitions: Option<PartitionCounts>,
    /// What holds at present: Ready, Progressing, Degraded, QuorumLost, HealingBlocked,
    /// ShrinkRefused, RestartPending, RolloutStopped, RacksUneven, StorageBlocked, and of pods OOMKilled, ImagePullBackOff,
    /// Pending, CrashLoopBackOff.
    #[serde(default)]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
}

/// One word for the state of the whole.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The quorum has not been seen active yet.
    Forming,
    /// All nodes are ready and every partition has a leader.
    Ready,
    /// Works, with less than all nodes or copies.
    Degraded,
    /// A majority of the controllers' volumes is lost: the operator has stopped.
    QuorumLost,
    /// `spec.paused` is set.
    Paused,
    /// The resource cannot be acted on; condition Ready says why.
    Invalid,
}

/// Counts of the nodes of one role.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct RoleStatus {
    /// How many pods exist.
    #[serde(default)]
    #[schemars(range(min = 0, max = 100_000))]
    pub replicas: i32,
    /// How many of them are ready.
    #[serde(default)]
    #[schemars(range(min = 0, max = 100_000))]
    pub ready: i32,
    /// `ready/size in force`, for the printer column.
    #[serde(default)]
    #[schemars(length(max = 32))]
    pub summary: String,
    /// The label selector of these pods, as the scale subresource wants it.
    #[serde(default)]
    #[schemars(length(max = 512))]
    pub selector: String,
}

/// Counts of partitions.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct PartitionCounts {
    /// All partitions.
    pub total: u32,
    /// Partitions without a leader: they can be neither written nor read.
    pub leaderless: u32,
    /// Partitions with less in-sync replicas than replicas.
    pub under_replicated: u32,
    /// Partitions with less in-sync replicas than `min.insync.replicas`: acks=all is refused.
    pub under_min_isr: u32,
}

/// A condition, in the shape that `kubectl wait` knows.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// What the condition is about.
    #[serde(rename = "type")]
    #[schemars(length(min = 1, max = 64))]
    pub type_: String,
    /// Whether it holds.
    pub status: ConditionStatus,
    /// Why, in one CamelCase word.
    #[schemars(length(min = 1, max = 128))]
    pub reason: String,
    /// Why, and what to do, for people.
    #[schemars(length(max = 2048))]
    pub message: String,
    /// When `status` last changed, RFC 3339.
    #[schemars(length(max = 40), extend("format" = "date-time"))]
    pub last_transition_time: String,
    /// The `metadata.generation` that the condition speaks of.
    #[serde(default)]
    pub observed_generation: i64,
}

/// Whether a condition holds.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConditionStatus {
    /// It holds.
    True,
    /// It does not hold.
    False,
    /// Nobody knows at present.
    Unknown,
}
