//! The custom resources of Kintsugi, group `kintsugi.dev`.
//!
//! Guarantees: the types here are the only source of the schema; `crds/yaml/` is generated from
//! them and a test compares. Every string, list and map has a maximum. Changes within `v1alpha1`
//! only add, and each raises its definition's version in [`schema`].
//! Assumes: an API server that evaluates CEL rules (Kubernetes 1.29 or newer, for `quantity`).
//! Never does: read a cluster, decide anything.

pub mod autoscaling;
pub mod balance;
pub mod cluster;
pub mod owned_keys;
pub mod partition_growth;
pub mod pod;
pub mod rebalance;
pub mod schema;
pub mod status;
pub mod storage;
pub mod topic;

pub use autoscaling::{
    Autoscaling, AutoscalingBehavior, AutoscalingHistory, AutoscalingStatus, AutoscalingTargets,
    NetworkTarget, ScalingPolicy, ScalingPolicySelect, ScalingPolicyType, ScalingRules,
};
pub use balance::{BalanceState, BalanceStatus, RebalanceMode, RebalanceSettings};
pub use cluster::{
    Brokers, Controllers, DeletionPolicy, Healing, KafkaCluster, KafkaClusterSpec, Listener,
    ListenerProtocol, NetworkPolicyMode, Racks, ResourceAmounts, Resources, Storage,
};
pub use partition_growth::{
    KeyOrder, PartitionGrowth, PartitionGrowthState, PartitionGrowthStatus,
};
pub use pod::{ImagePullSecret, PodTemplate, TaintEffect, Toleration, TolerationOperator};
pub use rebalance::{
    KafkaRebalance, KafkaRebalanceSpec, KafkaRebalanceStatus, REBALANCE_ANNOTATION,
    REBALANCE_MOVES_MAX, RebalanceApproval, RebalanceGoal, RebalanceGoalStatus, RebalanceMove,
    RebalancePhase, RebalanceProfile, RebalanceProgress, RebalanceScope, RebalanceWord,
};
pub use schema::{SCHEMA_HASH_ANNOTATION, SCHEMA_VERSION, SCHEMA_VERSION_ANNOTATION};
pub use status::{
    Condition, ConditionStatus, KafkaClusterStatus, PartitionCounts, Phase, RoleStatus,
};
pub use storage::{StorageAutoscaling, StorageState, StorageStatus};
pub use topic::{
    INTERNAL_TOPICS, KafkaTopic, KafkaTopicSpec, KafkaTopicStatus, TopicDeletionPolicy,
};
