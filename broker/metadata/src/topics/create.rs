//! Creates a topic.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use kintsugi_types::{
    BrokerId, ErrorCode, LeaderEpoch, PartitionEpoch, PartitionId, PartitionIndex, TopicId,
    TopicName,
};

use super::{
    PARTITIONS_A_REQUEST_MAX, PARTITIONS_MAX, REPLICATION_FACTOR_MAX, TOPICS_MAX, TopicError,
};
use crate::configs::{CONFIGS_MAX, VALUE_BYTES_MAX, topic};
use crate::image::Image;
use crate::placement;
use crate::record::{MetadataRecord, PartitionState, RecoveryState};
use crate::settings::ClusterSettings;

/// A topic that somebody wants.
#[derive(Clone, Copy, Debug)]
pub struct TopicRequest<'a> {
    /// Its name.
    pub name: &'a TopicName,
    /// How many partitions; `None`: the cluster's default.
    pub partitions: Option<i32>,
    /// How many replicas; `None`: the cluster's default.
    pub replication_factor: Option<i16>,
    /// Replicas of each partition from zero; empty: placed by rack and load.
    pub assignments: &'a BTreeMap<PartitionIndex, Vec<BrokerId>>,
    /// Its own settings.
    pub configs: &'a BTreeMap<String, String>,
}

/// A topic that may be created.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CreatedTopic {
    /// Its id.
    pub topic: TopicId,
    /// Its number of partitions.
    pub partitions: i32,
    /// The number of replicas of its first partition.
    pub replication_factor: i16,
    /// What makes it so.
    pub records: Vec<MetadataRecord>,
}

/// Decides to create a topic; its id and the placement are drawn from `rng`.
///
/// # Errors
/// With Kafka's codes: `TopicAlreadyExists`, `InvalidTopic` (a name that differs from another only
/// in '.' and '_'), `InvalidPartitions`, `InvalidReplicationFactor`, `InvalidReplicaAssignment`,
/// `InvalidRequest`, `InvalidConfig`, and `PolicyViolation` beyond a limit.
pub fn create(
    image: &Image,
    settings: &ClusterSettings,
    request: &TopicRequest<'_>,
    rng: &mut fastrand::Rng,
) -> Result<CreatedTopic, TopicError> {
    check_name(image, request.name)?;
    check_configs(request.configs)?;
    let replicas = if request.assignments.is_empty() {
        place(image, settings, request, rng)?
    } else {
        check_assignments(image, request)?
    };
    check_limits(image, replicas.len())?;
    let topic = TopicId(uuid::Builder::from_random_bytes(rng.u128(..).to_be_bytes()).into_uuid());
    let count = |len: usize| i32::try_from(len).unwrap_or(i32::MAX);
    let factor = replicas.first().map_or(0, Vec::len);
    let created = CreatedTopic {
        topic,
        partitions: count(replicas.len()),
        replication_factor: i16::try_from(factor).unwrap_or(i16::MAX),
        records: records(image, topic, request, replicas)?,
    };
    Ok(created)
}

fn check_name(image: &Image, name: &TopicName) -> Result<(), TopicError> {
    if image.names.contains_key(name) {
        let message = format!("Topic '{}' already exists.", name.as_str());
        return Err(TopicError::new(ErrorCode::TopicAlreadyExists, message));
    }
    // Kafka's metric names turn '.' into '_', so names that differ only so would collide.
    if name.as_str().contains(['.', '_']) {
        let collision_key = |name: &TopicName| name.as_str().replace('.', "_");
        let key = collision_key(name);
        if let Some(other) = image.names.keys().find(|known| collision_key(known) == key) {
            let message = format!(
                "Topic '{}' collides with existing topic: {}",
                name.as_str(),
                other.as_str()
            );
            return Err(TopicError::new(ErrorCode::InvalidTopic, message));
        }
    }
    Ok(())
}

fn check_configs(configs: &BTreeMap<String, String>) -> Result<(), TopicError> {
    if configs.len() > CONFIGS_MAX {
        let message = format!("A topic has at most {CONFIGS_MAX} settings.");
        return Err(TopicError::new(ErrorCode::InvalidConfig, message));
    }
    for (name, value) in configs {
        let wrong = |message| TopicError::new(ErrorCode::InvalidConfig, message);
        if value.len() > VALUE_BYTES_MAX {
            let message = format!("The value of {name} is longer than {VALUE_BYTES_MAX} bytes.");
            return Err(wrong(message));
        }
        topic::check(name, value).map_err(wrong)?;
    }
    Ok(())
}

fn check_limits(image: &Image, partitions: usize) -> Result<(), TopicError> {
    if image.topics.len() >= TOPICS_MAX {
        let message = format!("A cluster has at most {TOPICS_MAX} topics.");
        return Err(TopicError::new(ErrorCode::PolicyViolation, message));
    }
    check_partitions_max(image, partitions)
}

/// Checks that the cluster may have so many partitions more.
pub(super) fn check_partitions_max(image: &Image, partitions: usize) -> Result<(), TopicError> {
    let present: usize = image.topics.values().map(|t| t.partitions.len()).sum();
    if present + partitions > PARTITIONS_MAX {
        let message = format!("A cluster has at most {PARTITIONS_MAX} partitions.");
        return Err(TopicError::new(ErrorCode::PolicyViolation, message));
    }
    Ok(())
}

fn place(
    image: &Image,
    settings: &ClusterSettings,
    request: &TopicRequest<'_>,
    rng: &mut fastrand::Rng,
) -> Result<Vec<Vec<BrokerId>>, TopicError> {
    let partitions = request.partitions.unwrap_or(settings.num_partitions);
    let partitions = usize::try_from(partitions).ok().filter(|count| *count > 0);
    let partitions = partitions.ok_or_else(|| {
        let message = "Number of partitions must be larger than 0.";
        TopicError::new(ErrorCode::InvalidPartitions, message)
    })?;
    if partitions > PARTITIONS_A_REQUEST_MAX {
        let message = format!("A request creates at most {PARTITIONS_A_REQUEST_MAX} partitions.");
        return Err(TopicError::new(ErrorCode::PolicyViolation, message));
    }
    let wrong_factor =
        |message: String| TopicError::new(ErrorCode::InvalidReplicationFactor, message);
    let factor = request
        .replication_factor
        .unwrap_or(settings.default_replication_factor);
    let factor = usize::try_from(factor).ok();
    let factor = factor.filter(|factor| (1..=REPLICATION_FACTOR_MAX).contains(factor));
    let factor = factor.ok_or_else(|| {
        wrong_factor(format!(
            "Replication factor must be from 1 to {REPLICATION_FACTOR_MAX}."
        ))
    })?;
    placement::place(&placement::usable_brokers(image), partitions, factor, rng)
        .map_err(|cause| wrong_factor(cause.to_string()))
}

fn check_assignments(
    image: &Image,
    request: &TopicRequest<'_>,
) -> Result<Vec<Vec<BrokerId>>, TopicError> {
    if request.partitions.is_some() || request.replication_factor.is_some() {
        let message = "With replica assignments, neither a number of partitions nor a replication factor may be given.";
        return Err(TopicError::new(ErrorCode::InvalidRequest, message));
    }
    if request.assignments.len() > PARTITIONS_A_REQUEST_MAX {
        let message = format!("A request creates at most {PARTITIONS_A_REQUEST_MAX} partitions.");
        return Err(TopicError::new(ErrorCode::PolicyViolation, message));
    }
    let wrong = |message: String| TopicError::new(ErrorCode::InvalidReplicaAssignment, message);
    let factor = request.assignments.values().next().map_or(0, Vec::len);
    for (expected, (index, replicas)) in (0_i32..).zip(request.assignments) {
        if index.0 != expected {
            return Err(wrong(format!(
                "Partitions must be assigned without gaps from 0; {expected} is missing."
            )));
        }
        check_replicas(image, index.0, replicas, factor).map_err(wrong)?;
    }
    Ok(request.assignments.values().cloned().collect())
}

/// Checks replicas that the caller chose for a partition.
pub(super) fn check_replicas(
    image: &Image,
    index: i32,
    replicas: &[BrokerId],
    factor: usize,
) -> Result<(), String> {
    if replicas.is_empty() || replicas.len() > REPLICATION_FACTOR_MAX {
        return Err(format!(
            "Partition {index} must have 1 to {REPLICATION_FACTOR_MAX} replicas."
        ));
    }
    if replicas.len() != factor {
        return Err("Every partition must have the same number of replicas.".to_owned());
    }
    if replicas.iter().collect::<BTreeSet<_>>().len() != replicas.len() {
        return Err(format!("Partition {index} names a broker twice."));
    }
    if let Some(unknown) = replicas.iter().find(|b| !image.brokers.contains_key(b)) {
        return Err(format!(
            "Partition {index} names broker {unknown}, which is not registered."
        ));
    }
    let is_cordoned = |broker: &&BrokerId| image.dynamic_configs.is_cordoned(**broker);
    if let Some(cordoned) = replicas.iter().find(is_cordoned) {
        return Err(format!(
            "Partition {index} names broker {cordoned}, which is cordoned (cordoned.log.dirs) and \
             takes no new replicas."
        ));
    }
    Ok(())
}

fn records(
    image: &Image,
    topic: TopicId,
    request: &TopicRequest<'_>,
    replicas: Vec<Vec<BrokerId>>,
) -> Result<Vec<MetadataRecord>, TopicError> {
    let mut records = vec![MetadataRecord::TopicCreated {
        topic,
        name: request.name.clone(),
        configs: request.configs.clone(),
    }];
    for (index, replicas) in (0_i32..).zip(replicas) {
        records.push(new_partition(image, topic, index, replicas)?);
    }
    Ok(records)
}

/// A partition that begins on these replicas.
pub(super) fn new_partition(
    image: &Image,
    topic: TopicId,
    index: i32,
    replicas: Vec<BrokerId>,
) -> Result<MetadataRecord, TopicError> {
    let is_active = |broker: &BrokerId| image.is_active(*broker);
    let isr: Vec<BrokerId> = replicas.iter().copied().filter(is_active).collect();
    let Some(leader) = isr.first().copied() else {
        let message = format!("Every replica of partition {index} is fenced or stopping.");
        return Err(TopicError::new(
            ErrorCode::InvalidReplicaAssignment,
            message,
        ));
    };
    let state = PartitionState {
        replicas,
        isr,
        elr: Vec::new(),
        last_known_leader: None,
        leader: Some(leader),
        leader_epoch: LeaderEpoch(0),
        partition_epoch: PartitionEpoch(0),
        recovery: RecoveryState::Recovered,
        reassignment: None,
    };
    let partition = PartitionId {
        topic,
        index: PartitionIndex(index),
    };
    let state = Arc::new(state);
    Ok(MetadataRecord::Partition { partition, state })
}
