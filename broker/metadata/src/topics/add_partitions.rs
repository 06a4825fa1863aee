//! Gives a topic more partitions.

use kintsugi_types::{BrokerId, ErrorCode, TopicName};

use super::create::{check_partitions_max, check_replicas, new_partition};
use super::{PARTITIONS_A_REQUEST_MAX, TopicError};
use crate::image::Image;
use crate::placement;
use crate::record::MetadataRecord;

/// A topic that somebody wants to have more partitions.
#[derive(Clone, Copy, Debug)]
pub struct AddRequest<'a> {
    /// Its name.
    pub name: &'a TopicName,
    /// How many it is to have.
    pub count: i32,
    /// The replicas of each new one; `None`: placed by rack and load.
    pub assignments: Option<&'a [Vec<BrokerId>]>,
}

/// Decides to give a topic more partitions, with as many replicas as its first one has; the
/// placement is drawn from `rng`.
///
/// # Errors
/// With Kafka's codes and words: `UnknownTopicOrPartition`, `InvalidPartitions` (not more than
/// there are), `InvalidReplicaAssignment`, `InvalidReplicationFactor`, and `PolicyViolation`
/// beyond a limit.
pub fn add_partitions(
    image: &Image,
    request: &AddRequest<'_>,
    rng: &mut fastrand::Rng,
) -> Result<Vec<MetadataRecord>, TopicError> {
    let name = request.name.as_str();
    let topic = image.topic_named(request.name).ok_or_else(|| {
        let message = "This server does not host this topic-partition.";
        TopicError::new(ErrorCode::UnknownTopicOrPartition, message)
    })?;
    let present = topic.partitions.len();
    let wrong_count = |message: String| TopicError::new(ErrorCode::InvalidPartitions, message);
    let count = usize::try_from(request.count).unwrap_or(0);
    if count == present {
        return Err(wrong_count(format!(
            "Topic already has {present} partition(s)."
        )));
    }
    if count < present {
        return Err(wrong_count(format!(
            "The topic {name} currently has {present} partition(s); {} would not be an increase.",
            request.count
        )));
    }
    let added = count - present;
    if added > PARTITIONS_A_REQUEST_MAX {
        let message = format!("A request creates at most {PARTITIONS_A_REQUEST_MAX} partitions.");
        return Err(TopicError::new(ErrorCode::PolicyViolation, message));
    }
    check_partitions_max(image, added)?;
    let factor = topic
        .partitions
        .values()
        .next()
        .map_or(1, |state| state.replicas.len());
    let first = i32::try_from(present).unwrap_or(i32::MAX);
    let replicas = match request.assignments {
        Some(assignments) => assigned(image, assignments, first, added, factor)?,
        None => placement::place(&placement::usable_brokers(image), added, factor, rng)
            .map_err(|e| TopicError::new(ErrorCode::InvalidReplicationFactor, e.to_string()))?,
    };
    let indexed = (first..).zip(replicas);
    indexed
        .map(|(index, replicas)| new_partition(image, topic.id, index, replicas))
        .collect()
}

fn assigned(
    image: &Image,
    assignments: &[Vec<BrokerId>],
    first: i32,
    added: usize,
    factor: usize,
) -> Result<Vec<Vec<BrokerId>>, TopicError> {
    let wrong = |message: String| TopicError::new(ErrorCode::InvalidReplicaAssignment, message);
    if assignments.len() != added {
        return Err(wrong(format!(
            "Attempted to add {added} additional partition(s), but only {} assignment(s) were specified.",
            assignments.len()
        )));
    }
    for (index, replicas) in (first..).zip(assignments) {
        check_replicas(image, index, replicas, factor).map_err(wrong)?;
    }
    Ok(assignments.to_vec())
}
