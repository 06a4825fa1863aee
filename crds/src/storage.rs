//! `spec.brokers.storage.autoscaling`: up to which size the brokers' volumes grow by themselves, and
//! when.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The operator grows the brokers' volumes before they are full. Never shrinks one: Kubernetes cannot.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new(
        "isQuantity(self.maxSize) && quantity(self.maxSize).isGreaterThan(quantity('0'))"
    ).message(
        "storage.autoscaling.maxSize must be a Kubernetes quantity above zero, such as 500Gi"
    )
)]
pub struct StorageAutoscaling {
    /// No volume grows beyond this size. It has no default, because it is what bounds the bill.
    #[schemars(length(min = 1, max = 32))]
    pub max_size: String,
    /// Volumes grow once this much of one is used, in percent. Default 80: what is written while a
    /// volume grows, and what is moved to a broker, still has room.
    #[schemars(range(min = 50, max = 95))]
    #[serde(default = "default_used_percent")]
    pub used_percent: i32,
    /// Volumes grow once one may be full within so many hours, by the growth of the last two weeks
    /// and its spread. 0 does not forecast. Default 24: four times the cooldown, so that a growth that
    /// did not suffice leaves time for the next.
    #[schemars(range(min = 0, max = 720))]
    #[serde(default = "default_full_within_hours")]
    pub full_within_hours: i32,
    /// By how much they grow at least, in percent. Default 25: of volumes that can be changed only
    /// every few hours, small steps are none.
    #[schemars(range(min = 5, max = 200))]
    #[serde(default = "default_grow_percent")]
    pub grow_percent: i32,
    /// How long after a growth the next may come. Default 21600, six hours: Amazon's EBS takes no
    /// other change of a volume before that, and other clouds charge or wait for each.
    #[schemars(range(min = 10, max = 604_800))]
    #[serde(default = "default_cooldown_seconds")]
    pub cooldown_seconds: i32,
}

/// What was found of the brokers' volumes. Wiping it changes nothing: claims say what was done.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct StorageStatus {
    /// Where it stands, in one word.
    pub state: StorageState,
    /// The size that every broker's claim asks for, or is to.
    #[schemars(length(max = 32))]
    pub size: String,
    /// Why, in words and numbers; and what is waited for.
    #[serde(default)]
    #[schemars(length(max = 1024))]
    pub reason: String,
    /// When volumes last grew by themselves, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 40), extend("format" = "date-time"))]
    pub last_grow_time: Option<String>,
}

/// Where the growth of volumes stands.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum StorageState {
    /// What is used is not known yet.
    Unknown,
    /// Every volume is large enough for now.
    Fits,
    /// Claims ask for more than their volumes have yet.
    Growing,
    /// A volume is to grow, and something is waited for.
    Waiting,
    /// A volume is to grow, and has `maxSize` already.
    MaxReached,
    /// The storage class does not let volumes grow.
    NotExpandable,
}

fn default_used_percent() -> i32 {
    80
}

fn default_full_within_hours() -> i32 {
    24
}

fn default_grow_percent() -> i32 {
    25
}

fn default_cooldown_seconds() -> i32 {
    21_600
}
