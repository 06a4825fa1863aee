//! The gates before destructive acts: a closed list, each with a name, a metric and an Event.
//!
//! | act | gates, in this order |
//! |---|---|
//! | delete a pod that ended, crash-loops, or is frozen and fenced | healing off, evidence, one disruption, healing limit, admission |
//! | delete a pod of an older template that serves nobody | healing off, evidence, one disruption, admission |
//! | restart a pod of an older template | pauses, admission, rollout, quorum health, one disruption, min-ISR, evidence |
//! | give up a broker's lost volume (new generation) | healing off, evidence, quorum health, one disruption, min-ISR, share |
//! | begin to empty a broker, to remove it | healing off, quorum health, one disruption, rollout, replication, capacity, evidence |
//! | stop a broker that was emptied | healing off, quorum health, one disruption, evidence |
//! | delete the volume of a removed broker | evidence |
//! | give up a controller's lost volume, take its directory from the quorum | healing off, evidence, quorum health, one disruption |
//!
//! `spec.paused` closes all of them at once, before any act is considered.

use std::fmt;

/// A gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Gate {
    /// `spec.paused` is set, `spec.healing.enabled` is false, or the resource's annotation holds
    /// rolling restarts.
    Pause,
    /// The cause has not held for m of n live reads yet.
    Evidence,
    /// An earlier act of the operator has not settled.
    OneDisruption,
    /// No active controller answers, or it does not know of a majority.
    QuorumHealth,
    /// Some partition would be left with less in-sync copies than its minimum, or the quorum does
    /// not say.
    MinIsr,
    /// This node's pod was replaced too often within ten minutes.
    HealingLimit,
    /// Too large a share of the brokers is unavailable.
    HealingShare,
    /// A pod of the new template does not run as it should, or the first of them not for long yet.
    Rollout,
    /// The API server would refuse the replacement.
    Admission,
    /// Fewer brokers, or fewer zones with brokers, would be left than partitions have copies.
    Replication,
    /// The disks of the brokers that would be left have no room.
    Capacity,
}

impl Gate {
    /// All gates, for metrics that show each from the start.
    pub const ALL: [Gate; 11] = [
        Gate::Pause,
        Gate::Evidence,
        Gate::OneDisruption,
        Gate::QuorumHealth,
        Gate::MinIsr,
        Gate::HealingLimit,
        Gate::HealingShare,
        Gate::Rollout,
        Gate::Admission,
        Gate::Replication,
        Gate::Capacity,
    ];

    /// The name in metrics and Events.
    pub fn name(self) -> &'static str {
        match self {
            Gate::Pause => "Pause",
            Gate::Evidence => "Evidence",
            Gate::OneDisruption => "OneDisruption",
            Gate::QuorumHealth => "QuorumHealth",
            Gate::MinIsr => "MinIsr",
            Gate::HealingLimit => "HealingLimit",
            Gate::HealingShare => "HealingShare",
            Gate::Rollout => "Rollout",
            Gate::Admission => "Admission",
            Gate::Replication => "Replication",
            Gate::Capacity => "Capacity",
        }
    }
}

impl fmt::Display for Gate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// An act that a gate kept from happening.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closed {
    /// The gate.
    pub gate: Gate,
    /// What the act was about, such as a pod's name.
    pub subject: String,
    /// What it waits for.
    pub reason: String,
}

impl Closed {
    /// Tells one closed gate from another across looks; the reason may change meanwhile.
    pub fn key(&self) -> String {
        format!("{}/{}", self.gate, self.subject)
    }
}

impl fmt::Display for Closed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "gate {} holds {}: {}",
            self.gate, self.subject, self.reason
        )
    }
}

/// The first of `checks` (gate, whether it is open, what it waits for) that is closed.
pub fn first_closed(subject: &str, checks: Vec<(Gate, bool, String)>) -> Option<Closed> {
    checks
        .into_iter()
        .find(|(_, open, _)| !open)
        .map(|(gate, _, reason)| Closed {
            gate,
            subject: subject.to_owned(),
            reason,
        })
}
