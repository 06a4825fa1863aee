//! `spec.partitionGrowth` of a KafkaTopic: how many partitions there may be, and by what the operator
//! adds some.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The operator adds partitions by load. They are never taken away again, for Kafka cannot.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.keyOrder == 'NotNeeded'").message(
        "spec.partitionGrowth adds partitions, and records with a key then go to other partitions than before, so that those of one key are no longer read in the order in which they were written: set keyOrder: NotNeeded if nobody needs that order, or take partitionGrowth out"
    ),
    validation = Rule::new("self.targetBytesPerSecond > 0 || self.lagSeconds > 0").message(
        "spec.partitionGrowth names nothing to grow by: set targetBytesPerSecond or lagSeconds above 0"
    )
)]
pub struct PartitionGrowth {
    /// At most so many partitions.
    #[schemars(range(min = 1, max = 10_000))]
    pub max_partitions: i32,
    /// Whether anybody needs the records of one key in the order in which they were written. Default
    /// Needed, with which partitions cannot be added by load: the word that they can must be said.
    #[serde(default)]
    pub key_order: KeyOrder,
    /// Bytes that producers append to a partition each second, on average over the topic, as they
    /// are sent (compressed). More than that for the hold time adds partitions, until a fifth of it
    /// is to spare. 0: throughput is no reason to grow. Default 5000000: a broker takes several times
    /// that for one partition, but the one consumer that a partition has in a group often does not.
    #[schemars(range(min = 0, max = 1_000_000_000_000_i64))]
    #[serde(default = "default_target_bytes_per_second")]
    pub target_bytes_per_second: i64,
    /// How old the oldest record may be that a consumer group has not committed, in seconds. One
    /// that is further behind for the hold time, does not catch up though it commits, and has a member
    /// for each partition, adds partitions: more members could do nothing without. 0: lag is no
    /// reason to grow. Default 300: much more than groups lag by that commit every few seconds.
    #[schemars(range(min = 0, max = 604_800))]
    #[serde(default = "default_lag_seconds")]
    pub lag_seconds: i32,
    /// How long it must have been so before partitions are added. Default 900: partitions cannot be
    /// taken away, so that no burst is to add any.
    #[schemars(range(min = 10, max = 86_400))]
    #[serde(default = "default_hold_seconds")]
    pub hold_seconds: i32,
    /// How long after partitions were added more may be. Default 3600: each time, every group of the
    /// topic shares its partitions out anew, and clients take minutes to find the new ones.
    #[schemars(range(min = 60, max = 604_800))]
    #[serde(default = "default_cooldown_seconds")]
    pub cooldown_seconds: i32,
    /// True decides and tells, and adds nothing.
    #[serde(default)]
    pub dry_run: bool,
}

/// Whether records of one key are needed in the order in which they were written.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeyOrder {
    /// They are: partitions are added by people only.
    #[default]
    Needed,
    /// They are not, or records have no keys.
    NotNeeded,
}

/// What was found of a topic's load. Wiping it changes nothing: the number of partitions is Kafka's.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct PartitionGrowthStatus {
    /// Where it stands, in one word.
    pub state: PartitionGrowthState,
    /// How many partitions the load asks for, where these are other than there are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wanted_partitions: Option<i32>,
    /// Since when the partitions have been too few, RFC 3339. Absent while they are not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 40), extend("format" = "date-time"))]
    pub since: Option<String>,
    /// How many partitions are in force and why, in words and numbers; and what is waited for.
    #[serde(default)]
    #[schemars(length(max = 1024))]
    pub reason: String,
    /// When partitions were last seen to have been added, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 40), extend("format" = "date-time"))]
    pub last_growth_time: Option<String>,
    /// Why they were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub last_growth_reason: Option<String>,
}

/// Where the growth of a topic stands.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartitionGrowthState {
    /// Nothing is decided: the load is not known yet, or the cluster is not whole.
    Waiting,
    /// There are as many partitions as the load asks for.
    Enough,
    /// The load asks for more.
    TooFew,
    /// The load asks for more than there may be.
    AtMaximum,
    /// The topic is compacted, and its partitions stay.
    Refused,
}

fn default_target_bytes_per_second() -> i64 {
    5_000_000
}

fn default_lag_seconds() -> i32 {
    300
}

fn default_hold_seconds() -> i32 {
    900
}

fn default_cooldown_seconds() -> i32 {
    3_600
}
