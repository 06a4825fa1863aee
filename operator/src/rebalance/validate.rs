//! The resource, checked and made into a [`Rebalance`]. Pure.
//!
//! The API server has checked the CEL rules already. What can be wrong here got past an older
//! schema, or stands in annotations, which no schema checks.

use std::collections::BTreeSet;

use k8s_openapi::jiff::Timestamp;
use kintsugi_crds::{
    KafkaRebalance, REBALANCE_ANNOTATION, RebalanceApproval, RebalanceGoal, RebalanceProfile,
    RebalanceScope, RebalanceWord,
};
use kintsugi_planner::{Goal, Profile, ProfileError, Resource, Thresholds};

use super::plan::{Marks, Underway};
use crate::names::{
    CLUSTER_LABEL, REBALANCE_ENDED_ANNOTATION, REBALANCE_FINALIZER, REBALANCE_UNDERWAY_ANNOTATION,
};

/// The value of the annotation on a rebalance whose moves were all made.
pub const ENDED: &str = "Completed";

/// Why a resource cannot be acted on. The texts go into its conditions.
#[derive(Debug, PartialEq, thiserror::Error)]
pub enum ValidateError {
    /// The API server gave no name, namespace or uid.
    #[error("the resource has no {0}: it was not read from an API server")]
    Incomplete(&'static str),
    /// A word that nobody knows.
    #[error(
        "annotation {REBALANCE_ANNOTATION} is {0:?}: set approve, stop or refresh, or remove it"
    )]
    Word(String),
    /// What was noted of acts in Kafka cannot be read.
    #[error(
        "annotation {REBALANCE_UNDERWAY_ANNOTATION} cannot be read ({0}), so moves and throttles \
         in Kafka may be left over: take them back with kafka-reassign-partitions, then remove the \
         annotation"
    )]
    Underway(String),
    /// A scope of brokers that names none, or another scope that names some.
    #[error(
        "spec.brokers goes with spec.scope AddBrokers, RemoveBrokers and MoveOutOfDisk, and the first \
         two need it: set both or neither"
    )]
    Brokers,
    /// A share of a disk that is none.
    #[error("spec.maxDiskPercent is {0}: set 1 to 95, or remove it")]
    MaxDiskPercent(i32),
    /// Goals that contradict each other.
    #[error("spec.goals cannot be followed: {0}")]
    Goals(#[from] ProfileError),
}

/// What may be moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Everything.
    Full,
    /// Replicas and leaderships, to these brokers.
    Add(BTreeSet<i32>),
    /// The replicas of these brokers.
    Remove(BTreeSet<i32>),
    /// Leaderships.
    Leaders,
    /// Replicas of these brokers, or of all where none is named, whose disks are too full.
    Disks {
        /// Which brokers.
        brokers: BTreeSet<i32>,
        /// Which share of its volume each may use.
        max_percent: u32,
    },
}

/// As Cruise Control's `disk.capacity.threshold`.
const MAX_DISK_PERCENT: u32 = 80;

/// A KafkaRebalance without doubts.
#[derive(Clone, Debug, PartialEq)]
pub struct Rebalance {
    /// The resource's name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// Its uid.
    pub uid: String,
    /// Its generation.
    pub generation: i64,
    /// When it was created. Absent only in a resource that no API server has seen.
    pub created: Option<Timestamp>,
    /// Whether it is being deleted.
    pub is_terminating: bool,
    /// The cluster's name.
    pub cluster: String,
    /// What may be moved.
    pub scope: Scope,
    /// By which goals.
    pub profile: Profile,
    /// Whether nobody need approve.
    pub is_automatic: bool,
    /// Whether no further move is to begin.
    pub paused: bool,
    /// Bytes a second that each broker may send and receive for moves. None: as much as there is
    /// room for.
    pub throttle_bytes_per_second: Option<u64>,
    /// What people ask for by the annotation.
    pub word: Option<RebalanceWord>,
    /// What the resource's metadata carries of the operator's.
    pub marks: Marks,
}

impl Rebalance {
    /// Whether its moves may be made.
    pub fn is_approved(&self) -> bool {
        match self.word {
            Some(RebalanceWord::Approve) => true,
            Some(RebalanceWord::Stop | RebalanceWord::Refresh) => false,
            None => self.is_automatic,
        }
    }

    /// The brokers that are to be emptied.
    pub fn leaving(&self) -> BTreeSet<i32> {
        match &self.scope {
            Scope::Remove(brokers) => brokers.clone(),
            _ => BTreeSet::new(),
        }
    }
}

/// What the resource's metadata carries of the operator's.
///
/// # Errors
/// [`ValidateError::Underway`].
pub fn marks(resource: &KafkaRebalance) -> Result<Marks, ValidateError> {
    let metadata = &resource.metadata;
    let annotation = |name: &str| metadata.annotations.as_ref()?.get(name);
    let underway = match annotation(REBALANCE_UNDERWAY_ANNOTATION) {
        None => None,
        Some(text) => {
            let read: Result<Underway, _> = serde_json::from_str(text);
            Some(read.map_err(|error| ValidateError::Underway(error.to_string()))?)
        }
    };
    let labels = metadata.labels.as_ref();
    Ok(Marks {
        cluster: labels.and_then(|labels| labels.get(CLUSTER_LABEL).cloned()),
        is_held: is_held(resource),
        underway,
        ended: annotation(REBALANCE_ENDED_ANNOTATION).is_some_and(|value| value == ENDED),
    })
}

/// Whether the resource holds back its own deletion for the operator.
pub fn is_held(resource: &KafkaRebalance) -> bool {
    let mut finalizers = resource.metadata.finalizers.iter().flatten();
    finalizers.any(|name| name == REBALANCE_FINALIZER)
}

/// What people ask for by the annotation.
///
/// # Errors
/// [`ValidateError::Word`].
pub fn word(resource: &KafkaRebalance) -> Result<Option<RebalanceWord>, ValidateError> {
    let annotations = resource.metadata.annotations.as_ref();
    let Some(text) = annotations.and_then(|all| all.get(REBALANCE_ANNOTATION)) else {
        return Ok(None);
    };
    let word = RebalanceWord::parse(text);
    word.map(Some)
        .ok_or_else(|| ValidateError::Word(text.chars().take(64).collect()))
}

/// Checks `resource`.
///
/// # Errors
/// [`ValidateError`] says what is wrong and what to do.
pub fn validate(resource: &KafkaRebalance) -> Result<Rebalance, ValidateError> {
    let (metadata, spec) = (&resource.metadata, &resource.spec);
    let present =
        |value: &Option<String>, what| value.clone().ok_or(ValidateError::Incomplete(what));
    let brokers: BTreeSet<i32> = spec.brokers.iter().copied().collect();
    let scope = match (spec.scope, brokers.is_empty()) {
        (RebalanceScope::Full, true) => Scope::Full,
        (RebalanceScope::Leaders, true) => Scope::Leaders,
        (RebalanceScope::AddBrokers, false) => Scope::Add(brokers),
        (RebalanceScope::RemoveBrokers, false) => Scope::Remove(brokers),
        (RebalanceScope::MoveOutOfDisk, _) => Scope::Disks {
            brokers,
            max_percent: max_disk_percent(spec.max_disk_percent)?,
        },
        _ => return Err(ValidateError::Brokers),
    };
    let profile = match &scope {
        Scope::Disks { max_percent, .. } => hard(*max_percent)?,
        _ => profile(spec.profile, &spec.goals)?,
    };
    let throttle = spec.throttle_bytes_per_second;
    Ok(Rebalance {
        name: present(&metadata.name, "name")?,
        namespace: present(&metadata.namespace, "namespace")?,
        uid: present(&metadata.uid, "uid")?,
        generation: metadata.generation.unwrap_or(0),
        created: metadata.creation_timestamp.as_ref().map(|time| time.0),
        is_terminating: metadata.deletion_timestamp.is_some(),
        cluster: spec.cluster_name.clone(),
        scope,
        profile,
        is_automatic: spec.approval == RebalanceApproval::Automatic,
        paused: spec.paused,
        throttle_bytes_per_second: throttle.and_then(|rate| u64::try_from(rate).ok()),
        word: word(resource)?,
        marks: marks(resource)?,
    })
}

fn max_disk_percent(wanted: Option<i32>) -> Result<u32, ValidateError> {
    let Some(wanted) = wanted else {
        return Ok(MAX_DISK_PERCENT);
    };
    let percent = u32::try_from(wanted).ok();
    percent
        .filter(|percent| (1..=95).contains(percent))
        .ok_or(ValidateError::MaxDiskPercent(wanted))
}

/// The hard goals, with this share of every disk.
fn hard(max_disk_percent: u32) -> Result<Profile, ProfileError> {
    let mut thresholds = Thresholds::default();
    thresholds.capacity[0] = f64::from(max_disk_percent) / 100.0;
    let capacities = Resource::ALL.map(Goal::Capacity);
    let goals = [
        Goal::RackAware,
        Goal::MinTopicLeadersPerBroker,
        Goal::ReplicaCapacity,
    ];
    let layers = goals.into_iter().chain(capacities).map(|goal| vec![goal]);
    Profile::new(layers.collect(), thresholds)
}

fn profile(profile: RebalanceProfile, goals: &[RebalanceGoal]) -> Result<Profile, ProfileError> {
    let thresholds = Thresholds::default();
    if !goals.is_empty() {
        let layers = goals.iter().map(|goal| vec![planners(*goal)]);
        return Profile::new(layers.collect(), thresholds);
    }
    match profile {
        RebalanceProfile::Kintsugi => Profile::kintsugi(thresholds),
        RebalanceProfile::CruiseControl => Profile::cruise_control(thresholds),
    }
}

/// The planner's goal of this name.
pub(super) fn planners(goal: RebalanceGoal) -> Goal {
    use RebalanceGoal as Named;
    match goal {
        Named::RackAware => Goal::RackAware,
        Named::MinTopicLeadersPerBroker => Goal::MinTopicLeadersPerBroker,
        Named::ReplicaCapacity => Goal::ReplicaCapacity,
        Named::DiskCapacity => Goal::Capacity(Resource::Disk),
        Named::NetworkInboundCapacity => Goal::Capacity(Resource::NetworkIn),
        Named::NetworkOutboundCapacity => Goal::Capacity(Resource::NetworkOut),
        Named::CpuCapacity => Goal::Capacity(Resource::Cpu),
        Named::ReplicaDistribution => Goal::ReplicaDistribution,
        Named::PotentialNwOut => Goal::PotentialNetworkOut,
        Named::DiskUsageDistribution => Goal::UsageDistribution(Resource::Disk),
        Named::NetworkInboundUsageDistribution => Goal::UsageDistribution(Resource::NetworkIn),
        Named::NetworkOutboundUsageDistribution => Goal::UsageDistribution(Resource::NetworkOut),
        Named::CpuUsageDistribution => Goal::UsageDistribution(Resource::Cpu),
        Named::TopicReplicaDistribution => Goal::TopicReplicaDistribution,
        Named::LeaderReplicaDistribution => Goal::LeaderReplicaDistribution,
        Named::LeaderBytesInDistribution => Goal::LeaderBytesInDistribution,
    }
}

/// The brokers of `resource` if it empties brokers of `cluster`, or has, and nobody stopped it.
/// None for any other: also for one that cannot be read, which then says so itself.
pub fn empties(resource: &KafkaRebalance, cluster: &str) -> BTreeSet<i32> {
    let nobody = BTreeSet::new;
    if resource.spec.cluster_name != cluster || resource.metadata.deletion_timestamp.is_some() {
        return nobody();
    }
    match validate(resource) {
        Ok(rebalance) if rebalance.is_approved() || rebalance.marks.ended => rebalance.leaving(),
        _ => nobody(),
    }
}
