//! Partitions move to other replicas (KIP-455, KIP-860).
//!
//! A move goes through two changes of a partition: first the new replicas join the old ones, then,
//! as soon as every replica of the target is in sync, the others leave. The second is part of
//! whatever change brings that about, see [`PartitionChange::build`].
//!
//! Guarantees: no decision here takes the leader of a partition away, or the last replica that
//! surely holds what is committed; a cancelled move gives back the replicas from before it, in
//! their order. Assumes nothing of racks: whoever asks has chosen.

use std::collections::BTreeSet;

use kintsugi_types::{BrokerId, ErrorCode, PartitionId};

use super::election::Candidates;
use super::partition_change::PartitionChange;
use crate::image::Image;
use crate::record::{MetadataRecord, PartitionState, Reassignment};
use crate::settings::ClusterSettings;
use crate::topics::REPLICATION_FACTOR_MAX;

/// The most partitions of one request.
pub const PARTITIONS_A_REQUEST_MAX: usize = 10_000;

/// Why a partition is not moved, or its move not cancelled.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ReassignmentRefused {
    /// There is no such partition.
    #[error("there is no such partition")]
    UnknownPartition,
    /// The target is no list of replicas.
    #[error("{0}")]
    WrongTarget(String),
    /// The number of replicas would change, and the request forbids that (KIP-860).
    #[error("The replication factor is changed from {from} to {to}")]
    FactorChanges {
        /// The number of replicas.
        from: usize,
        /// The number of replicas asked for.
        to: usize,
    },
    /// There is no move to cancel.
    #[error("No partition reassignment is in progress.")]
    NoneInProgress,
    /// Without the replicas that the move added nobody could lead, or nobody is left who surely
    /// holds what is committed.
    #[error(
        "Unable to revert the partition's assignment because it would require an unclean leader \
         election: wait until one of its original replicas is in sync."
    )]
    WouldLose,
}

impl ReassignmentRefused {
    /// What clients are told, as by Kafka.
    #[must_use]
    pub const fn error_code(&self) -> ErrorCode {
        match self {
            Self::UnknownPartition => ErrorCode::UnknownTopicOrPartition,
            Self::WrongTarget(_) | Self::WouldLose => ErrorCode::InvalidReplicaAssignment,
            Self::FactorChanges { .. } => ErrorCode::InvalidReplicationFactor,
            Self::NoneInProgress => ErrorCode::NoReassignmentInProgress,
        }
    }
}

/// Decides to move a partition to the replicas of `target`, the preferred leader first. A move
/// under way is replaced; all that it added and the new target does not name leaves at the end.
/// `Ok(None)`: it has these replicas, or is on its way to them.
///
/// # Errors
/// See [`ReassignmentRefused`]; the factor counts only unless `may_change_factor`.
pub fn reassign(
    image: &Image,
    settings: &ClusterSettings,
    partition: PartitionId,
    target: &[BrokerId],
    may_change_factor: bool,
) -> Result<Option<MetadataRecord>, ReassignmentRefused> {
    let state = image.partition(partition);
    let state = state.ok_or(ReassignmentRefused::UnknownPartition)?;
    check_target(image, state, target)?;
    let (from, to) = (state.target_replicas().len(), target.len());
    if from != to && !may_change_factor {
        return Err(ReassignmentRefused::FactorChanges { from, to });
    }
    let (replicas, reassignment) = merged(state, target);
    if replicas.len() > REPLICATION_FACTOR_MAX {
        let message = format!(
            "A partition has at most {REPLICATION_FACTOR_MAX} replicas, those that leave counted."
        );
        return Err(ReassignmentRefused::WrongTarget(message));
    }
    let min_isr = settings.min_isr(image, partition.topic, state);
    let change = PartitionChange::of(state, min_isr).assignment(replicas, reassignment);
    Ok(change.record(partition, &Candidates::of(image)))
}

/// The replicas while the move lasts, and the move; none if only the order changes.
fn merged(
    state: &PartitionState,
    target: &[BrokerId],
) -> (Vec<BrokerId>, Option<Box<Reassignment>>) {
    let before = state.reassignment.as_deref();
    let is_settled = |broker: &BrokerId| {
        let is_adding = before.is_some_and(|moving| moving.adding.contains(broker));
        state.replicas.contains(broker) && !is_adding
    };
    let in_target = |broker: &BrokerId| target.contains(broker);
    let adding: Vec<_> = target.iter().filter(|b| !is_settled(b)).copied().collect();
    let leaving = state.replicas.iter().filter(|b| !in_target(b));
    let removing: Vec<_> = leaving.copied().collect();
    let replicas = target.iter().chain(&removing).copied().collect();
    if adding.is_empty() && removing.is_empty() {
        return (replicas, None);
    }
    let original = before.map_or(&state.replicas, |moving| &moving.original);
    let reassignment = Reassignment {
        adding,
        removing,
        original: original.clone(),
    };
    (replicas, Some(Box::new(reassignment)))
}

fn check_target(
    image: &Image,
    state: &PartitionState,
    target: &[BrokerId],
) -> Result<(), ReassignmentRefused> {
    let wrong = |message: String| Err(ReassignmentRefused::WrongTarget(message));
    if target.is_empty() {
        return wrong("The manual partition assignment includes an empty replica list.".to_owned());
    }
    if target.len() > REPLICATION_FACTOR_MAX {
        return wrong(format!(
            "A partition has at most {REPLICATION_FACTOR_MAX} replicas."
        ));
    }
    let mut seen = BTreeSet::new();
    for broker in target {
        if !seen.insert(broker) {
            return wrong(format!(
                "The manual partition assignment includes the broker {broker} more than once."
            ));
        }
        if !image.brokers.contains_key(broker) {
            return wrong(format!(
                "The manual partition assignment includes broker {broker}, but no such broker is \
                 registered."
            ));
        }
        let is_new = !state.replicas.contains(broker);
        if is_new && image.dynamic_configs.is_cordoned(*broker) {
            return wrong(format!(
                "The manual partition assignment includes broker {broker}, which is cordoned \
                 (cordoned.log.dirs) and takes no new replicas."
            ));
        }
    }
    Ok(())
}

/// Decides to cancel the move of a partition: it has again the replicas from before.
///
/// # Errors
/// `UnknownPartition`, `NoneInProgress` or `WouldLose`.
pub fn cancel(
    image: &Image,
    settings: &ClusterSettings,
    partition: PartitionId,
) -> Result<Option<MetadataRecord>, ReassignmentRefused> {
    let state = image.partition(partition);
    let state = state.ok_or(ReassignmentRefused::UnknownPartition)?;
    let moving = state.reassignment.as_deref();
    let moving = moving.ok_or(ReassignmentRefused::NoneInProgress)?;
    let min_isr = settings.min_isr(image, partition.topic, state);
    let change = PartitionChange::of(state, min_isr).assignment(moving.original.clone(), None);
    let record = change.record(partition, &Candidates::of(image));
    if let Some(MetadataRecord::Partition { state: next, .. }) = &record {
        let loses_leader = state.leader.is_some() && next.leader.is_none();
        if loses_leader || (next.isr.is_empty() && next.elr.is_empty()) {
            return Err(ReassignmentRefused::WouldLose);
        }
    }
    Ok(record)
}

/// Every partition with a move under way, in order.
pub fn ongoing(image: &Image) -> impl Iterator<Item = (PartitionId, &PartitionState)> {
    let partitions = image
        .partitions()
        .map(|(id, state)| (id, std::sync::Arc::as_ref(state)));
    partitions.filter(|(_, state)| state.reassignment.is_some())
}

/// The replicas of the target that are not in sync yet: what a move under way waits for.
#[must_use]
pub fn waits_for(state: &PartitionState) -> Vec<BrokerId> {
    let mut target = state.target_replicas();
    target.retain(|broker| state.reassignment.is_some() && !state.isr.contains(broker));
    target
}
