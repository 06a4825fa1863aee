//! A KafkaRebalance, reduced to what decisions need.

use k8s_openapi::jiff::Timestamp;
use kintsugi_crds::{
    ConditionStatus, KafkaRebalance, REBALANCE_ANNOTATION, RebalancePhase, RebalanceScope,
    RebalanceWord,
};

/// What was seen of a KafkaRebalance.
#[derive(Clone, Debug, PartialEq)]
pub struct ObservedRebalance {
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
    /// Its version.
    pub resource_version: String,
    /// The uid of the KafkaCluster that owns it, if the operator made it.
    pub owner: Option<String>,
    /// Whether it is being deleted.
    pub terminating: bool,
    /// What it may move.
    pub scope: RebalanceScope,
    /// The brokers that it fills, if it has this scope.
    pub adds: Vec<i32>,
    /// What people, or the operator, told it.
    pub word: Option<RebalanceWord>,
    /// How far it is. None before it was looked at, or when its status was wiped.
    pub phase: Option<RebalancePhase>,
    /// How far it is, in words.
    pub message: String,
    /// Since when it has failed, if it has.
    pub failed_since: Option<Timestamp>,
    /// Since when all of its moves have been made, if they have.
    pub completed_since: Option<Timestamp>,
}

impl ObservedRebalance {
    /// Reduces `rebalance`. None if the API server gave no name, uid or version.
    pub fn from_rebalance(rebalance: &KafkaRebalance) -> Option<Self> {
        let metadata = &rebalance.metadata;
        let status = rebalance.status.as_ref();
        let annotations = metadata.annotations.as_ref();
        let word = annotations.and_then(|all| all.get(REBALANCE_ANNOTATION));
        let conditions = status.map(|status| status.conditions.as_slice());
        let since = |type_: &str| {
            let mut conditions = conditions.unwrap_or_default().iter();
            let holds = conditions.find(|condition| {
                condition.type_ == type_ && condition.status == ConditionStatus::True
            });
            holds.and_then(|holds| holds.last_transition_time.parse().ok())
        };
        Some(Self {
            name: metadata.name.clone()?,
            uid: metadata.uid.clone()?,
            resource_version: metadata.resource_version.clone()?,
            owner: super::owner(metadata),
            terminating: metadata.deletion_timestamp.is_some(),
            scope: rebalance.spec.scope,
            adds: match rebalance.spec.scope {
                RebalanceScope::AddBrokers => rebalance.spec.brokers.clone(),
                _ => Vec::new(),
            },
            word: word.and_then(|word| RebalanceWord::parse(word)),
            phase: status.and_then(|status| status.phase),
            message: status
                .and_then(|status| status.message.clone())
                .unwrap_or_default(),
            failed_since: since("Failed"),
            completed_since: since("Complete"),
        })
    }

    /// Whether it moves replicas, or goes on once people let it.
    pub fn is_moving(&self) -> bool {
        matches!(
            self.phase,
            Some(RebalancePhase::Rebalancing | RebalancePhase::Paused)
        )
    }

    /// Whether it moves nothing any more.
    pub fn is_over(&self) -> bool {
        matches!(
            self.phase,
            Some(RebalancePhase::Completed | RebalancePhase::Stopped | RebalancePhase::Failed)
        )
    }
}
