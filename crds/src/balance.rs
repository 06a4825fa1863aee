//! `spec.rebalance`: whether the operator evens load out by itself, and how far apart brokers may be
//! before it does.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How the operator keeps the load of brokers even.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct RebalanceSettings {
    /// Whether the operator makes KafkaRebalances by itself. Default Continuous: a broker that
    /// carries much more than others is nobody's wish, and one that is within the band is left alone.
    #[serde(default)]
    pub mode: RebalanceMode,
    /// How far above the mean of the brokers a broker's use of disk, network or CPU may be, in
    /// percent. Default 20, twice the tenth that a plan leaves, so that what a plan has left is no
    /// reason for another one. A broker that was above is even again below half of it.
    #[schemars(range(min = 15, max = 1_000))]
    #[serde(default = "default_band_percent")]
    pub band_percent: i32,
    /// How long it must have been above, on average, before anything is moved. Default 600, twice
    /// the time in which leaderships go back to their preferred brokers by themselves after a
    /// restart (`leader.imbalance.check.interval.seconds`).
    #[schemars(range(min = 10, max = 86_400))]
    #[serde(default = "default_hold_seconds")]
    pub hold_seconds: i32,
    /// How long after the end of one KafkaRebalance of the operator's own the next may begin.
    /// Default 900: loads are measured anew for minutes after moves, and clients get a rest.
    #[schemars(range(min = 60, max = 604_800))]
    #[serde(default = "default_cooldown_seconds")]
    pub cooldown_seconds: i32,
}

/// Who begins to even load out.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RebalanceMode {
    /// The operator, once a broker has been out of its band for long enough.
    #[default]
    Continuous,
    /// People, by KafkaRebalances of their own. One that the operator has begun goes on.
    Manual,
}

/// What was found of the brokers' load. Wiping it changes nothing.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct BalanceStatus {
    /// Where it stands, in one word.
    pub state: BalanceState,
    /// Since when brokers have been out of their band, RFC 3339. Absent while none is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 40), extend("format" = "date-time"))]
    pub since: Option<String>,
    /// Why, in words and numbers; and what is waited for.
    #[serde(default)]
    #[schemars(length(max = 1024))]
    pub reason: String,
}

/// Where the balance of load stands.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum BalanceState {
    /// Nothing is decided: loads are not known yet, or something else goes first.
    Waiting,
    /// Every broker is within its band.
    Even,
    /// A broker is out of its band.
    Uneven,
    /// The operator's KafkaRebalance is under way.
    Rebalancing,
    /// The operator's KafkaRebalance was stopped by people, or failed.
    Stopped,
}

impl Default for RebalanceSettings {
    fn default() -> Self {
        Self {
            mode: RebalanceMode::default(),
            band_percent: default_band_percent(),
            hold_seconds: default_hold_seconds(),
            cooldown_seconds: default_cooldown_seconds(),
        }
    }
}

fn default_band_percent() -> i32 {
    20
}

fn default_hold_seconds() -> i32 {
    600
}

fn default_cooldown_seconds() -> i32 {
    900
}
