//! Topics of one request: each has a result of its own.

use std::collections::BTreeSet;

use kintsugi_metadata::topics::{self, TOPICS_A_REQUEST_MAX, TopicRequest};
use kintsugi_metadata::{Delta, Image, MetadataRecord};
use kintsugi_types::{ErrorCode, TopicName};

use crate::controller::config::ControllerConfig;
use crate::message::link::{NewTopic, TopicResult};

/// Decides a request to create topics, each in sight of those before it.
pub(super) fn create_topics(
    config: &ControllerConfig,
    image: &Image,
    rng: &mut fastrand::Rng,
    topics: &[NewTopic],
) -> (Vec<MetadataRecord>, Vec<TopicResult>) {
    let twice = named_twice(topics.iter().map(|topic| &topic.name));
    let (mut records, mut results) = (Vec::new(), Vec::with_capacity(topics.len()));
    let partitions_max = topics::PARTITIONS_A_REQUEST_MAX;
    let mut partitions = 0_usize;
    // Each topic of a request is decided in sight of those before it.
    let mut scratch = image.clone();
    for topic in topics {
        let request = TopicRequest {
            name: &topic.name,
            partitions: topic.partitions,
            replication_factor: topic.replication_factor,
            assignments: &topic.assignments,
            configs: &topic.configs,
        };
        let outcome = if topics.len() > TOPICS_A_REQUEST_MAX || partitions > partitions_max {
            let message = format!(
                "A request creates at most {TOPICS_A_REQUEST_MAX} topics and {partitions_max} partitions."
            );
            Err((ErrorCode::PolicyViolation, message))
        } else if twice.contains(&topic.name) {
            let message = "The request names this topic more than once.".to_owned();
            Err((ErrorCode::InvalidRequest, message))
        } else {
            topics::create(&scratch, &config.settings, &request, rng)
                .map_err(|refused| (refused.error, refused.message))
        };
        let outcome = outcome.and_then(|created| {
            partitions += created.records.len() - 1;
            if partitions > partitions_max {
                let message = format!("A request creates at most {partitions_max} partitions.");
                return Err((ErrorCode::PolicyViolation, message));
            }
            Ok(created)
        });
        let name = topic.name.clone();
        results.push(match outcome {
            Ok(created) => {
                scratch.apply(image.offset, &created.records, &mut Delta::default());
                records.extend(created.records);
                TopicResult {
                    name,
                    topic: Some(created.topic),
                    error: ErrorCode::None,
                    message: None,
                    partitions: created.partitions,
                    replication_factor: created.replication_factor,
                }
            }
            Err((error, message)) => failed(name, error, message),
        });
    }
    (records, results)
}

/// Decides a request to delete topics.
pub(super) fn delete_topics(
    image: &Image,
    names: &[TopicName],
) -> (Vec<MetadataRecord>, Vec<TopicResult>) {
    let twice = named_twice(names.iter());
    let (mut records, mut results) = (Vec::new(), Vec::with_capacity(names.len()));
    for name in names {
        let outcome = if names.len() > TOPICS_A_REQUEST_MAX {
            let message = format!("A request deletes at most {TOPICS_A_REQUEST_MAX} topics.");
            Err((ErrorCode::PolicyViolation, message))
        } else if twice.contains(name) {
            let message = "The request names this topic more than once.".to_owned();
            Err((ErrorCode::InvalidRequest, message))
        } else {
            topics::delete(image, name).map_err(|refused| (refused.error, refused.message))
        };
        results.push(match outcome {
            Ok((topic, record)) => {
                records.push(record);
                TopicResult {
                    name: name.clone(),
                    topic: Some(topic),
                    error: ErrorCode::None,
                    message: None,
                    partitions: 0,
                    replication_factor: 0,
                }
            }
            Err((error, message)) => failed(name.clone(), error, message),
        });
    }
    (records, results)
}

fn failed(name: TopicName, error: ErrorCode, message: String) -> TopicResult {
    TopicResult {
        name,
        topic: None,
        error,
        message: Some(message),
        partitions: -1,
        replication_factor: -1,
    }
}

fn named_twice<'a>(names: impl Iterator<Item = &'a TopicName>) -> BTreeSet<TopicName> {
    let (mut seen, mut twice) = (BTreeSet::new(), BTreeSet::new());
    for name in names {
        if !seen.insert(name) {
            twice.insert(name.clone());
        }
    }
    twice
}
