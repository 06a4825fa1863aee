//! More partitions for the topics of one request: each has a result of its own.

use std::collections::BTreeSet;

use kintsugi_metadata::topics::{self, AddRequest, PARTITIONS_A_REQUEST_MAX, TOPICS_A_REQUEST_MAX};
use kintsugi_metadata::{Delta, Image, MetadataRecord};
use kintsugi_types::{ErrorCode, TopicName};

use crate::message::admin::{AdminResult, MorePartitions};

/// Decides a request to create partitions, each topic in sight of those before it.
pub(super) fn create_partitions(
    image: &Image,
    rng: &mut fastrand::Rng,
    topics: &[MorePartitions],
) -> (Vec<MetadataRecord>, Vec<AdminResult>) {
    let (mut records, mut results) = (Vec::new(), Vec::with_capacity(topics.len()));
    let mut seen: BTreeSet<&TopicName> = BTreeSet::new();
    let mut scratch = image.clone();
    for topic in topics {
        let outcome = match seen.insert(&topic.name) {
            false => {
                let message = "Duplicate topic name.";
                Err(AdminResult::refused(ErrorCode::InvalidRequest, message))
            }
            true if topics.len() > TOPICS_A_REQUEST_MAX => {
                let message = format!("A request names at most {TOPICS_A_REQUEST_MAX} topics.");
                Err(AdminResult::refused(ErrorCode::PolicyViolation, message))
            }
            true => decide(&scratch, rng, topic),
        };
        let outcome = outcome.and_then(|added| {
            if records.len() + added.len() <= PARTITIONS_A_REQUEST_MAX {
                return Ok(added);
            }
            let message =
                format!("A request creates at most {PARTITIONS_A_REQUEST_MAX} partitions.");
            Err(AdminResult::refused(ErrorCode::PolicyViolation, message))
        });
        results.push(match outcome {
            Ok(added) => {
                scratch.apply(image.offset, &added, &mut Delta::default());
                records.extend(added);
                AdminResult::DONE
            }
            Err(refused) => refused,
        });
    }
    (records, results)
}

fn decide(
    image: &Image,
    rng: &mut fastrand::Rng,
    topic: &MorePartitions,
) -> Result<Vec<MetadataRecord>, AdminResult> {
    if topic.name.as_str() == kintsugi_coordinator::TOPIC_NAME {
        let message = format!(
            "{} keeps its number of partitions: groups are found by it.",
            topic.name
        );
        return Err(AdminResult::refused(ErrorCode::InvalidTopic, message));
    }
    let request = AddRequest {
        name: &topic.name,
        count: topic.count,
        assignments: topic.assignments.as_deref(),
    };
    let added = topics::add_partitions(image, &request, rng);
    added.map_err(|refused| AdminResult::refused(refused.error, refused.message))
}
