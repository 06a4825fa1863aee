//! Moves of partitions: each of a request has a result of its own.

use std::collections::BTreeSet;

use kintsugi_metadata::decision::reassignment::{
    self, PARTITIONS_A_REQUEST_MAX, ReassignmentRefused,
};
use kintsugi_metadata::{ClusterSettings, Image, MetadataRecord};
use kintsugi_types::{ErrorCode, PartitionId};

use crate::message::admin::AdminResult;
use crate::message::reassignment::PartitionMove;

/// Decides a request to move partitions, or to cancel moves.
pub(super) fn decide_moves(
    image: &Image,
    settings: &ClusterSettings,
    moves: &[PartitionMove],
    may_change_factor: bool,
) -> (Vec<MetadataRecord>, Vec<AdminResult>) {
    let (mut records, mut results) = (Vec::new(), Vec::with_capacity(moves.len()));
    let mut seen = BTreeSet::new();
    for wanted in moves {
        let outcome = if moves.len() > PARTITIONS_A_REQUEST_MAX {
            let message = format!("A request moves at most {PARTITIONS_A_REQUEST_MAX} partitions.");
            Err((ErrorCode::PolicyViolation, message))
        } else if !seen.insert((&wanted.topic, wanted.partition)) {
            let message = "The request names this partition more than once.".to_owned();
            Err((ErrorCode::InvalidRequest, message))
        } else {
            decide_move(image, settings, wanted, may_change_factor)
                .map_err(|refused| (refused.error_code(), message_of(wanted, &refused)))
        };
        results.push(match outcome {
            Ok(record) => {
                records.extend(record);
                AdminResult::DONE
            }
            Err((error, message)) => AdminResult::refused(error, message),
        });
    }
    (records, results)
}

fn decide_move(
    image: &Image,
    settings: &ClusterSettings,
    wanted: &PartitionMove,
    may_change_factor: bool,
) -> Result<Option<MetadataRecord>, ReassignmentRefused> {
    let topic = image.names.get(&wanted.topic).copied();
    let partition = PartitionId {
        topic: topic.ok_or(ReassignmentRefused::UnknownPartition)?,
        index: wanted.partition,
    };
    match &wanted.target {
        Some(target) => {
            reassignment::reassign(image, settings, partition, target, may_change_factor)
        }
        None => reassignment::cancel(image, settings, partition),
    }
}

fn message_of(wanted: &PartitionMove, refused: &ReassignmentRefused) -> String {
    match refused {
        ReassignmentRefused::UnknownPartition => format!(
            "Unable to find partition {}:{}.",
            wanted.topic.as_str(),
            wanted.partition
        ),
        refused => refused.to_string(),
    }
}
