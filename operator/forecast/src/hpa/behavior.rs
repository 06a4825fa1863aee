//! `spec.behavior` of autoscaling/v2, with its defaults.

use serde::{Deserialize, Serialize};

use super::Tolerance;

/// How policies are combined.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum SelectPolicy {
    /// The policy that allows the largest change.
    #[default]
    Max,
    /// The policy that allows the smallest change.
    Min,
    /// No change in this direction.
    Disabled,
}

/// What a policy's value counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PolicyKind {
    /// Pods.
    Pods,
    /// Percent of the pods at the period's start.
    Percent,
}

/// How much the size may change within a period.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// What `value` counts.
    pub kind: PolicyKind,
    /// The change that is allowed, above 0.
    pub value: u32,
    /// The period, 1 to 1,800.
    pub period_seconds: u32,
}

/// The rules of one direction.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScalingRules {
    /// Over which the most careful recommendation is chosen, 0 to 3,600.
    pub stabilization_window_seconds: u32,
    /// How policies are combined.
    pub select_policy: SelectPolicy,
    /// At least one, at most [`ScalingRules::MAX_POLICIES`].
    pub policies: Vec<Policy>,
    /// Ratios this close to 1 change nothing (KEP-4951).
    pub tolerance: f64,
}

/// The rules of both directions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Behavior {
    /// On the way up.
    pub scale_up: ScalingRules,
    /// On the way down.
    pub scale_down: ScalingRules,
}

impl ScalingRules {
    /// Policies that one direction may have.
    pub const MAX_POLICIES: usize = 16;
    /// The controller's default tolerance.
    pub const DEFAULT_TOLERANCE: f64 = 0.1;

    /// The longest period of the policies, in seconds.
    pub fn longest_period_seconds(&self) -> u32 {
        (self.policies.iter().map(|policy| policy.period_seconds))
            .max()
            .unwrap_or(0)
    }

    /// What is wrong with the rules, if anything: the field and the reason.
    pub fn problem(&self) -> Option<(&'static str, String)> {
        if self.stabilization_window_seconds > 3_600 {
            return Some((
                "stabilizationWindowSeconds",
                format!("{} is above 3600", self.stabilization_window_seconds),
            ));
        }
        if !(self.tolerance.is_finite() && self.tolerance >= 0.0) {
            return Some(("tolerance", format!("{} is not 0 or more", self.tolerance)));
        }
        if self.policies.is_empty() || self.policies.len() > Self::MAX_POLICIES {
            return Some((
                "policies",
                format!(
                    "there are {}, 1 to {} are allowed",
                    self.policies.len(),
                    Self::MAX_POLICIES
                ),
            ));
        }
        let bad = (self.policies.iter())
            .find(|policy| policy.value == 0 || !(1..=1_800).contains(&policy.period_seconds))?;
        Some((
            "policies",
            format!(
                "value {} a {} s: the value must be above 0 and the period 1 to 1800 s",
                bad.value, bad.period_seconds
            ),
        ))
    }
}

impl Behavior {
    /// The tolerances of both directions.
    pub fn tolerance(&self) -> Tolerance {
        Tolerance {
            up: self.scale_up.tolerance,
            down: self.scale_down.tolerance,
        }
    }
}

impl Default for Behavior {
    /// The API server's defaults: up at once, by 4 pods or 100 % each 15 s; down after 300 s.
    fn default() -> Self {
        let percent = Policy {
            kind: PolicyKind::Percent,
            value: 100,
            period_seconds: 15,
        };
        let pods = Policy {
            kind: PolicyKind::Pods,
            value: 4,
            period_seconds: 15,
        };
        let rules = |stabilization_window_seconds, policies| ScalingRules {
            stabilization_window_seconds,
            select_policy: SelectPolicy::Max,
            policies,
            tolerance: ScalingRules::DEFAULT_TOLERANCE,
        };
        Behavior {
            scale_up: rules(0, vec![pods, percent]),
            scale_down: rules(300, vec![percent]),
        }
    }
}
