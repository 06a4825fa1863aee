//! Elections that somebody asks for, and brokers that are to be forgotten.

use kintsugi_metadata::decision::asked_election::elect_preferred;
use kintsugi_metadata::decision::unregistering::{self, UnregisterRefused};
use kintsugi_metadata::{Image, MetadataRecord};
use kintsugi_types::{BrokerId, ErrorCode, PartitionId};

use crate::controller::config::ControllerConfig;
use crate::message::admin::{AdminResult, ElectionKind, NamedPartition};

/// The most leaderships that one request may move; the others are refused and may be asked for
/// again.
pub(in crate::controller) const ELECTIONS_MAX: usize = 10_000;

/// Decides a request to elect leaders. Unclean elections follow once the live replicas have told
/// where their logs end, see `active::recovery`.
pub(super) fn elect_leaders(
    config: &ControllerConfig,
    image: &Image,
    kind: ElectionKind,
    asked: Option<&[NamedPartition]>,
) -> (Vec<MetadataRecord>, Vec<(NamedPartition, AdminResult)>) {
    let (mut records, mut results) = (Vec::new(), Vec::new());
    let mut elect = |name: NamedPartition, partition: Option<PartitionId>| {
        let result = match partition {
            None => {
                let message = format!("No such partition as {}-{}", name.topic, name.index);
                AdminResult::refused(ErrorCode::UnknownTopicOrPartition, message)
            }
            Some(_) if records.len() >= ELECTIONS_MAX => {
                let message = format!("A request moves at most {ELECTIONS_MAX} leaderships.");
                AdminResult::refused(ErrorCode::PolicyViolation, message)
            }
            Some(partition) => match elect_one(config, image, kind, partition) {
                Ok(record) => {
                    records.push(record);
                    AdminResult::DONE
                }
                Err(refused) => refused,
            },
        };
        if asked.is_some() || result.error != ErrorCode::ElectionNotNeeded {
            results.push((name, result));
        }
    };
    match asked {
        Some(asked) => {
            for name in asked {
                elect(name.clone(), partition_of(image, name));
            }
        }
        None => {
            for (partition, _) in image.partitions() {
                if let Some(topic) = image.topics.get(&partition.topic) {
                    let topic = topic.name.clone();
                    let index = partition.index;
                    elect(NamedPartition { topic, index }, Some(partition));
                }
            }
        }
    }
    (records, results)
}

/// The partition of this name, if there is one.
pub(in crate::controller) fn partition_of(
    image: &Image,
    name: &NamedPartition,
) -> Option<PartitionId> {
    let topic = image.topic_named(&name.topic)?;
    let index = name.index;
    let topic_id = topic.id;
    topic
        .partitions
        .contains_key(&index)
        .then_some(PartitionId {
            topic: topic_id,
            index,
        })
}

fn elect_one(
    config: &ControllerConfig,
    image: &Image,
    kind: ElectionKind,
    partition: PartitionId,
) -> Result<MetadataRecord, AdminResult> {
    let refused = |error, message: &str| Err(AdminResult::refused(error, message));
    match kind {
        ElectionKind::Preferred => match elect_preferred(image, &config.settings, partition) {
            Ok(record) => Ok(record),
            Err(error @ ErrorCode::ElectionNotNeeded) => {
                refused(error, "Leader election not needed for topic partition.")
            }
            Err(error) => refused(error, "The preferred leader was not available."),
        },
        ElectionKind::Unclean => {
            let has_leader = image
                .partition(partition)
                .is_some_and(|s| s.leader.is_some());
            match has_leader {
                true => refused(
                    ErrorCode::ElectionNotNeeded,
                    "Leader election not needed for topic partition.",
                ),
                false => refused(
                    ErrorCode::EligibleLeadersNotAvailable,
                    "No live replica has told where its log ends.",
                ),
            }
        }
    }
}

/// Decides to forget a broker.
pub(super) fn unregister(image: &Image, broker: BrokerId) -> (Vec<MetadataRecord>, AdminResult) {
    match unregistering::unregister(image, broker) {
        Ok(record) => (vec![record], AdminResult::DONE),
        Err(refused) => {
            let error = match refused {
                UnregisterRefused::NotRegistered(_) => ErrorCode::BrokerIdNotRegistered,
                _ => ErrorCode::InvalidRequest,
            };
            (Vec::new(), AdminResult::refused(error, refused.to_string()))
        }
    }
}
