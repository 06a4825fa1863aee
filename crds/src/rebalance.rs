//! `KafkaRebalance`: a plan of where replicas and leaders of a KafkaCluster should be, asked for,
//! proposed, approved and carried out, and the rules the API server checks.
//!
//! What is to be moved cannot change once it is asked for; how it is carried out (approval, pause,
//! throttle) can. People approve, stop and ask anew with an annotation, which needs no right to
//! change spec.

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::status::Condition;

/// The annotation by which people approve a proposal, stop its moves, or ask for another one. The
/// values are those of [`RebalanceWord`].
pub const REBALANCE_ANNOTATION: &str = "kintsugi.dev/rebalance";

/// Moves that the status lists, those in flight first: at most 64 KiB of it.
pub const REBALANCE_MOVES_MAX: usize = 100;

/// What stands in [`REBALANCE_ANNOTATION`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RebalanceWord {
    /// `approve`: carry the proposal out. Stays while that is done.
    Approve,
    /// `stop`: take moves in flight back and end. Stays.
    Stop,
    /// `refresh`: throw the plan away and propose anew. The operator takes it off.
    Refresh,
}

impl RebalanceWord {
    /// All of them.
    pub const ALL: [RebalanceWord; 3] = [
        RebalanceWord::Approve,
        RebalanceWord::Stop,
        RebalanceWord::Refresh,
    ];

    /// The annotation's value.
    pub fn as_str(self) -> &'static str {
        match self {
            RebalanceWord::Approve => "approve",
            RebalanceWord::Stop => "stop",
            RebalanceWord::Refresh => "refresh",
        }
    }

    /// The word of an annotation's value.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|word| word.as_str() == text)
    }
}

/// What is to be balanced, by which goals, and how it is carried out.
#[expect(
    clippy::duplicated_attributes,
    reason = "several printer columns are of one type"
)]
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "kintsugi.dev",
    version = "v1alpha1",
    kind = "KafkaRebalance",
    plural = "kafkarebalances",
    shortname = "kfr",
    category = "kintsugi",
    namespaced,
    status = "KafkaRebalanceStatus",
    derive = "PartialEq",
    doc = "A move of replicas and leaders of a KafkaCluster in the same namespace to where load, disks and racks want them.",
    printcolumn(name = "CLUSTER", type_ = "string", json_path = ".spec.clusterName"),
    printcolumn(name = "SCOPE", type_ = "string", json_path = ".spec.scope"),
    printcolumn(name = "PHASE", type_ = "string", json_path = ".status.phase"),
    printcolumn(
        name = "MOVES LEFT",
        type_ = "integer",
        json_path = ".status.progress.movesLeft"
    ),
    printcolumn(
        name = "BYTES LEFT",
        type_ = "integer",
        json_path = ".status.progress.bytesLeft"
    ),
    printcolumn(
        name = "SECONDS LEFT",
        type_ = "integer",
        json_path = ".status.progress.secondsLeft"
    ),
    printcolumn(
        name = "AGE",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    ),
    printcolumn(
        name = "MESSAGE",
        type_ = "string",
        json_path = ".status.message",
        priority = 1
    )
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.clusterName == oldSelf.clusterName").message(
        "spec.clusterName cannot change: set it back, or create another KafkaRebalance"
    ),
    validation = Rule::new(
        "self.scope == oldSelf.scope && self.profile == oldSelf.profile && self.brokers == oldSelf.brokers && self.goals == oldSelf.goals && has(self.maxDiskPercent) == has(oldSelf.maxDiskPercent) && (!has(self.maxDiskPercent) || self.maxDiskPercent == oldSelf.maxDiskPercent)"
    ).message(
        "spec.scope, spec.brokers, spec.maxDiskPercent, spec.profile and spec.goals cannot change, because moves may have been made for them already: set them back, or create another KafkaRebalance"
    ),
    validation = Rule::new(
        "!(self.scope in ['AddBrokers', 'RemoveBrokers']) || self.brokers.size() > 0"
    ).message(
        "spec.brokers must name the brokers that are added or removed: set their ids, such as [3]"
    ),
    validation = Rule::new(
        "self.scope in ['AddBrokers', 'RemoveBrokers', 'MoveOutOfDisk'] || self.brokers.size() == 0"
    ).message(
        "spec.brokers goes with the scopes AddBrokers, RemoveBrokers and MoveOutOfDisk only: remove it, or set one of them"
    ),
    validation = Rule::new(
        "self.scope == 'MoveOutOfDisk' || !has(self.maxDiskPercent)"
    ).message(
        "spec.maxDiskPercent goes with the scope MoveOutOfDisk only: remove it, or set that scope"
    ),
    validation = Rule::new(
        "self.scope != 'MoveOutOfDisk' || (self.goals.size() == 0 && self.profile == 'Kintsugi')"
    ).message(
        "the scope MoveOutOfDisk goes by disks and the hard goals alone: remove spec.profile and spec.goals"
    ),
    validation = Rule::new("self.goals.size() == 0 || self.profile == 'Kintsugi'").message(
        "spec.goals takes the place of a profile: remove spec.profile or spec.goals"
    )
)]
pub struct KafkaRebalanceSpec {
    /// The KafkaCluster, in the same namespace.
    #[schemars(
        length(min = 1, max = 36),
        regex(pattern = "^[a-z]([-a-z0-9]*[a-z0-9])?$")
    )]
    pub cluster_name: String,
    /// What may be moved. Default Full.
    #[serde(default)]
    pub scope: RebalanceScope,
    /// The ids of the brokers that are added or removed, or whose disks are too full. With
    /// MoveOutOfDisk none means all whose disks are.
    #[serde(default)]
    #[schemars(length(max = 100), inner(range(min = 0, max = 999)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub brokers: Vec<i32>,
    /// Of scope MoveOutOfDisk: which share of its volume each of these brokers may use at the end, and
    /// every broker that takes something. Default 80, which is the goal DiskCapacity of other scopes
    /// too: above it a volume has little time left when traffic grows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 95))]
    pub max_disk_percent: Option<i32>,
    /// By which goals, in which order. Default Kintsugi, which copies less than CruiseControl.
    #[serde(default)]
    pub profile: RebalanceProfile,
    /// Goals in the place of a profile's, highest first. Hard goals (RackAware,
    /// MinTopicLeadersPerBroker, ReplicaCapacity and the four capacities) stand before others.
    /// That no replica is on a broker that is dead or removed is always the highest goal.
    #[serde(default)]
    #[schemars(length(max = 16))]
    #[x_kube(
        merge_strategy = ListMerge::Atomic,
        validation = Rule::new("self.all(g, self.exists_one(h, h == g))").message(
            "spec.goals names a goal twice: a goal has one rank, remove one of the two"
        )
    )]
    pub goals: Vec<RebalanceGoal>,
    /// Whether a proposal waits for the annotation `kintsugi.dev/rebalance: approve`. Default
    /// Manual: moving data costs what clients would have.
    #[serde(default)]
    pub approval: RebalanceApproval,
    /// True begins no further move; those in flight go on to their end.
    #[serde(default)]
    pub paused: bool,
    /// Bytes a second that each broker may send, and may receive, for moves. Absent: begins low,
    /// grows while clients and replicas keep up, and is halved when they do not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 65_536, max = 1_000_000_000_000_i64))]
    pub throttle_bytes_per_second: Option<i64>,
}

/// What may be moved.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RebalanceScope {
    /// Every replica and every leadership.
    #[default]
    Full,
    /// Replicas and leaderships, but only to the brokers of `spec.brokers`.
    AddBrokers,
    /// The replicas of the brokers of `spec.brokers` leave them, and nothing else moves.
    RemoveBrokers,
    /// Leaderships; no bytes are copied.
    Leaders,
    /// Replicas leave the brokers of `spec.brokers`, or all brokers, that use more than
    /// `spec.maxDiskPercent` of their volume, until they do not, with few bytes; nothing else moves.
    MoveOutOfDisk,
}

/// Goals in their order.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RebalanceProfile {
    /// The hard goals, then that no broker uses more than 1.1 times the average share of its disk,
    /// network and CPU. A broker with little load hurts nobody.
    #[default]
    Kintsugi,
    /// The default goals of Cruise Control's AnalyzerConfig, in its order, with its thresholds.
    CruiseControl,
}

/// A goal, by Cruise Control's name without `Goal`.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "docs/operations.md tells what each asks for")]
pub enum RebalanceGoal {
    RackAware,
    MinTopicLeadersPerBroker,
    ReplicaCapacity,
    DiskCapacity,
    NetworkInboundCapacity,
    NetworkOutboundCapacity,
    CpuCapacity,
    ReplicaDistribution,
    PotentialNwOut,
    DiskUsageDistribution,
    NetworkInboundUsageDistribution,
    NetworkOutboundUsageDistribution,
    CpuUsageDistribution,
    TopicReplicaDistribution,
    LeaderReplicaDistribution,
    LeaderBytesInDistribution,
}

/// Who approves a proposal.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RebalanceApproval {
    /// A person, by the annotation.
    #[default]
    Manual,
    /// Nobody need: it is carried out at once.
    Automatic,
}

/// What the operator last observed. It is a cache: wiping it changes nothing that the operator does.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct KafkaRebalanceStatus {
    /// The `metadata.generation` that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// How far it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<RebalancePhase>,
    /// How far it is and what to do, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    pub message: Option<String>,
    /// The name of the gate that keeps further moves from beginning. Absent while none does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub gate: Option<String>,
    /// What the plan makes better, goal by goal, highest first.
    #[serde(default)]
    #[schemars(length(max = 20))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub goals: Vec<RebalanceGoalStatus>,
    /// How much is to be moved, and was. Absent until there is a plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<RebalanceProgress>,
    /// The moves in flight, then those that come next; not all of a large plan.
    #[serde(default)]
    #[schemars(length(max = 100))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub moves: Vec<RebalanceMove>,
    /// What holds at present: ProposalReady, Waiting, Complete, Failed.
    #[serde(default)]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
}

/// How far it is.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum RebalancePhase {
    /// There is no plan yet: loads are not known yet, or a gate is closed.
    Pending,
    /// There is a plan, and it waits for approval.
    ProposalReady,
    /// It is carried out; `gate` says if it waits.
    Rebalancing,
    /// `spec.paused` is set: moves in flight go on, no other begins.
    Paused,
    /// People stopped it. What was moved stays where it is.
    Stopped,
    /// Everything of the plan is where it should be.
    Completed,
    /// It cannot be done; the message says why.
    Failed,
}

/// What became of a goal.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct RebalanceGoalStatus {
    /// The goal's name.
    #[schemars(length(max = 64))]
    pub goal: String,
    /// Places where it was broken when the plan was made.
    pub violations_before: i64,
    /// Places where it is broken once the plan is carried out.
    pub violations_after: i64,
    /// Why it cannot be met, or was not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub unmet: Option<String>,
}

/// How much is to be moved, and was. After a restart of the operator the rest is planned anew; what was
/// moved before, and what is in flight, counts on.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct RebalanceProgress {
    /// Partitions that change their place or their leader.
    pub moves_total: i64,
    /// Those that have not yet; those in flight count.
    pub moves_left: i64,
    /// Those that are copied at present.
    pub moves_in_flight: i64,
    /// Bytes that are copied.
    pub bytes_total: i64,
    /// Bytes of moves that are done.
    pub bytes_moved: i64,
    /// Bytes of moves that are not.
    pub bytes_left: i64,
    /// No plan that meets the goals of disk and network in copies fewer bytes than this. Absent
    /// where no such bound is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lower_bound_bytes: Option<i64>,
    /// Bytes a second that each broker may send and receive for moves at present. Absent while
    /// nothing is copied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub throttle_bytes_per_second: Option<i64>,
    /// What was last done with that rate, and why. Absent while nothing is copied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub throttle_reason: Option<String>,
    /// The time in milliseconds that 99 of 100 producers' requests did not take longer than lately, of
    /// the broker where that grew most. Absent where it was not measured while moves were made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub produce_p99_ms: Option<i64>,
    /// What it was there before the first move.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub produce_p99_before_ms: Option<i64>,
    /// How long the busiest broker copies at that rate. Absent where there is no rate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds_left: Option<i64>,
}

/// A partition's way to its new place.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct RebalanceMove {
    /// Its topic.
    #[schemars(length(max = 249))]
    pub topic: String,
    /// Its number.
    pub partition: i32,
    /// The brokers that had it when the plan was made, the preferred leader first.
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub from: Vec<i32>,
    /// The brokers that should have it, the leader first.
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub to: Vec<i32>,
    /// Bytes to copy; 0 where only the leader changes.
    pub bytes: i64,
    /// Whether it is copied at present.
    #[serde(default)]
    pub in_flight: bool,
}
