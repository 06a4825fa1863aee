//! Topics by name, and settings in force for them.

use std::sync::Arc;
use std::time::Duration;

use kafka_protocol::protocol::StrBytes;
use kintsugi_metadata::TopicImage;
use kintsugi_node::message::link::{AdminAnswer, AdminRequest, NewTopic};
use kintsugi_types::{ErrorCode, PartitionId, PartitionIndex, TopicName};

use crate::broker::{BrokerHandle, Published};
use crate::settings::Settings;

/// The topic that holds committed offsets.
pub const OFFSETS_TOPIC: &str = kintsugi_coordinator::TOPIC_NAME;

/// The longest that a request may wait for the active controller.
pub const ADMIN_WAIT_MAX: Duration = Duration::from_secs(60);

/// How long naming an unknown topic may wait for its creation. Longer would hold a client's first
/// Metadata; it asks again anyway.
pub const AUTO_CREATE_WAIT: Duration = Duration::from_secs(2);

/// The topic of this name.
pub fn topic<'a>(published: &'a Published, name: &str) -> Option<&'a Arc<TopicImage>> {
    let name: TopicName = name.parse().ok()?;
    published.image.topic_named(&name)
}

/// One partition of a topic, if there is such a one.
pub fn partition(topic: &TopicImage, index: PartitionIndex) -> Option<PartitionId> {
    topic
        .partitions
        .contains_key(&index)
        .then_some(PartitionId {
            topic: topic.id,
            index,
        })
}

/// Creates topics that a client named, with the settings for such topics.
pub async fn auto_create(broker: &BrokerHandle, names: &[TopicName]) -> Result<(), ErrorCode> {
    let topics = names.iter().map(|name| new_topic(&broker.settings, name));
    let request = AdminRequest::CreateTopics {
        topics: topics.collect(),
        validate_only: false,
    };
    match broker.admin(request, AUTO_CREATE_WAIT).await {
        Some(AdminAnswer::Topics(results)) => {
            let failed = results.iter().find(|result| {
                !matches!(
                    result.error,
                    ErrorCode::None | ErrorCode::TopicAlreadyExists
                )
            });
            match failed {
                Some(result) => {
                    tracing::info!(topic = %result.name, error = %result.error, message = ?result.message, "failed to create a topic that a client named");
                    Err(result.error)
                }
                None => Ok(()),
            }
        }
        Some(AdminAnswer::NotDecided(error)) => Err(error),
        Some(_) | None => Err(ErrorCode::UnknownServerError),
    }
}

fn new_topic(settings: &Settings, name: &TopicName) -> NewTopic {
    let mut topic = NewTopic {
        name: name.clone(),
        partitions: None,
        replication_factor: None,
        assignments: std::collections::BTreeMap::new(),
        configs: std::collections::BTreeMap::new(),
    };
    if name.as_str() == OFFSETS_TOPIC {
        let number = |name| settings.number(name);
        topic.partitions = i32::try_from(number("offsets.topic.num.partitions")).ok();
        topic.replication_factor = i16::try_from(number("offsets.topic.replication.factor")).ok();
        // Kept for ever until compaction exists: a group's offsets may be old and still in use.
        let for_ever = |name: &str| (name.to_owned(), "-1".to_owned());
        let of_time_and_size = ["retention.ms", "retention.bytes"].map(for_ever);
        topic.configs.extend(of_time_and_size);
    }
    topic
}

/// A copy of a text that does not keep its frame alive.
pub fn own(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}
