//! The settings of one topic.

use kintsugi_metadata::configs::topic::TOPIC_CONFIGS;
use kintsugi_types::ErrorCode;

use super::describe::{Asked, Described};
use super::{of_topic, type_number};
use crate::api::topics;
use crate::broker::{BrokerHandle, Published};

/// Every setting of the topic that is asked for.
pub(super) fn describe(
    broker: &BrokerHandle,
    published: &Published,
    asked: &Asked<'_>,
) -> Described {
    let name = &asked.resource.resource_name;
    let Some(topic) = topics::topic(published, name) else {
        let message = format!("there is no topic {name}");
        return Err((ErrorCode::UnknownTopicOrPartition, message));
    };
    let configs = TOPIC_CONFIGS.iter().filter(|c| asked.names(c.name));
    let described = configs.map(|config| {
        let candidates = of_topic(broker, &published.image, topic, config);
        let kind = type_number(config.kind);
        asked.describe(config.name, config.documentation, kind, &candidates)
    });
    Ok(described.collect())
}
