//! `spec.brokers.autoscaling`: how many brokers there may be, and by what the operator chooses. The
//! behaviour is autoscaling/v2's, field by field.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The operator chooses the number of brokers.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.minReplicas <= self.maxReplicas").message(
        "autoscaling.minReplicas is above autoscaling.maxReplicas: lower the one or raise the other"
    )
)]
pub struct Autoscaling {
    /// At least so many brokers. Default 3, so that replication factor 3 has a broker for each copy.
    #[schemars(range(min = 1, max = 100))]
    #[serde(default = "default_min_replicas")]
    pub min_replicas: i32,
    /// At most so many.
    #[schemars(range(min = 1, max = 100))]
    pub max_replicas: i32,
    /// What the number is chosen by: the resource that asks for most brokers counts.
    #[serde(default)]
    pub targets: AutoscalingTargets,
    /// How fast the number may change, as of a HorizontalPodAutoscaler.
    #[serde(default)]
    pub behavior: AutoscalingBehavior,
    /// True decides and tells, and changes nothing.
    #[serde(default)]
    pub dry_run: bool,
    /// What the load was before this operator saw it. Absent: it is learned from now on. Read while
    /// less than a day of load is known, and taken as a whole or refused as a whole, with an Event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub history: Option<AutoscalingHistory>,
}

/// Where the history of the load is: CSV with the columns `time` (RFC 3339, or seconds since 1970),
/// `bytes_in` and `bytes_out` (a second, by clients, of all brokers, without replication), and
/// `brokers` if you like. A row a minute is best; between rows at most 15 minutes apart the former
/// holds. A forecast begins after a day of it, and decides after two weeks at the earliest.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct AutoscalingHistory {
    /// The ConfigMap, in the namespace of this resource.
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = "^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$")
    )]
    pub config_map: String,
    /// The key of its `data` or `binaryData`. Default history.csv.
    #[schemars(length(min = 1, max = 253), regex(pattern = "^[-._a-zA-Z0-9]+$"))]
    #[serde(default = "default_history_key")]
    pub key: String,
}

/// The share of each resource that is aimed for.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new(
        "self.cpuPercent > 0 || has(self.networkIn) || has(self.networkOut)"
    ).message(
        "autoscaling.targets names nothing to scale by: set cpuPercent, networkIn or networkOut"
    )
)]
pub struct AutoscalingTargets {
    /// Percent of the processor time that a broker's limit allows. How much work that is, is
    /// learned. 0 does not scale by it. Default 70: Kubernetes' own examples aim for 50 to 80.
    #[schemars(range(min = 0, max = 100))]
    #[serde(default = "default_cpu_percent")]
    pub cpu_percent: i32,
    /// Bytes that a broker receives, from clients and from other brokers. Absent: not scaled by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network_in: Option<NetworkTarget>,
    /// Bytes that a broker sends, to clients and to other brokers. Absent: not scaled by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network_out: Option<NetworkTarget>,
}

/// A target of network traffic.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct NetworkTarget {
    /// Bytes a second that one broker can do: what its network interface or its node gives.
    #[schemars(range(min = 1_000, max = 1_000_000_000_000_i64))]
    pub bytes_per_second: i64,
    /// Percent of these that are aimed for. Default 70.
    #[schemars(range(min = 1, max = 100))]
    #[serde(default = "default_percent")]
    pub percent: i32,
}

/// How fast the number may change.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct AutoscalingBehavior {
    /// On the way up. Default: at once, by 4 brokers or 100 % within 15 s, whichever is more.
    #[serde(default = "default_scale_up")]
    pub scale_up: ScalingRules,
    /// On the way down. Default: what was needed at any time within 300 s stays.
    #[serde(default = "default_scale_down")]
    pub scale_down: ScalingRules,
}

/// The rules of one direction.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ScalingRules {
    /// Over which the most careful recommendation is chosen. Default 0.
    #[schemars(range(min = 0, max = 3_600))]
    #[serde(default)]
    pub stabilization_window_seconds: i32,
    /// How policies are combined. Default Max.
    #[serde(default)]
    pub select_policy: ScalingPolicySelect,
    /// How much the number may change. Default 100 % within 15 s.
    #[schemars(length(min = 1, max = 16))]
    #[serde(default = "default_policies")]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub policies: Vec<ScalingPolicy>,
}

/// How policies are combined.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ScalingPolicySelect {
    /// The one that allows the largest change counts.
    #[default]
    Max,
    /// The one that allows the smallest change counts.
    Min,
    /// Nothing changes in this direction.
    Disabled,
}

/// How much the number may change within a time.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ScalingPolicy {
    /// What `value` counts.
    #[serde(rename = "type")]
    pub type_: ScalingPolicyType,
    /// The change that is allowed.
    #[schemars(range(min = 1, max = 100_000))]
    pub value: i32,
    /// Within so many seconds.
    #[schemars(range(min = 1, max = 1_800))]
    pub period_seconds: i32,
}

/// What a policy's value counts.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScalingPolicyType {
    /// Brokers.
    Pods,
    /// Percent of the brokers at the begin of the time.
    Percent,
}

/// What autoscaling decided last. Where it is lost the number of brokers stays as it is, or grows,
/// until enough of the load was observed.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct AutoscalingStatus {
    /// The number of brokers that is in force.
    #[schemars(range(min = 1, max = 100))]
    pub desired_replicas: i32,
    /// The number that would be in force without `dryRun`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100))]
    pub wanted_replicas: Option<i32>,
    /// Why, in words and numbers; and what a change waits for.
    #[serde(default)]
    #[schemars(length(max = 1024))]
    pub reason: String,
    /// When the number was last changed, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 40), extend("format" = "date-time"))]
    pub last_scale_time: Option<String>,
    /// Since when load has been observed without a long pause, RFC 3339: nothing shrinks before that
    /// is 300 s and the whole scale-down window. An operator that takes over from one that stopped
    /// goes on with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 40), extend("format" = "date-time"))]
    pub observed_since: Option<String>,
    /// Where the load begins that the forecast is learned from, RFC 3339, to the hour.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 40), extend("format" = "date-time"))]
    pub learned_since: Option<String>,
}

impl Default for AutoscalingTargets {
    fn default() -> Self {
        Self {
            cpu_percent: default_cpu_percent(),
            network_in: None,
            network_out: None,
        }
    }
}

impl Default for AutoscalingBehavior {
    fn default() -> Self {
        Self {
            scale_up: default_scale_up(),
            scale_down: default_scale_down(),
        }
    }
}

fn default_history_key() -> String {
    "history.csv".to_owned()
}

fn default_min_replicas() -> i32 {
    3
}

fn default_cpu_percent() -> i32 {
    default_percent()
}

fn default_percent() -> i32 {
    70
}

fn default_policies() -> Vec<ScalingPolicy> {
    vec![policy(ScalingPolicyType::Percent, 100)]
}

fn default_scale_up() -> ScalingRules {
    ScalingRules {
        stabilization_window_seconds: 0,
        select_policy: ScalingPolicySelect::Max,
        policies: vec![
            policy(ScalingPolicyType::Pods, 4),
            policy(ScalingPolicyType::Percent, 100),
        ],
    }
}

fn default_scale_down() -> ScalingRules {
    ScalingRules {
        stabilization_window_seconds: 300,
        select_policy: ScalingPolicySelect::Max,
        policies: default_policies(),
    }
}

fn policy(type_: ScalingPolicyType, value: i32) -> ScalingPolicy {
    ScalingPolicy {
        type_,
        value,
        period_seconds: 15,
    }
}
