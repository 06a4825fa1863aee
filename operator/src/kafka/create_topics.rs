//! CreateTopics: one topic.

use std::collections::BTreeMap;

use kintsugi_client::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use kintsugi_client::messages::{CreateTopicsRequest, TopicName};

use super::{BROKER_TIMEOUT_MS, KafkaError, Session, accepted, text};

/// Kafka's "as the cluster has it".
const CLUSTER_DEFAULT: i16 = -1;

/// A topic to create.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewTopic {
    /// Its name.
    pub name: String,
    /// How many partitions.
    pub partitions: i32,
    /// How many replicas each; None: `default.replication.factor`.
    pub replication_factor: Option<i16>,
    /// Its settings.
    pub config: BTreeMap<String, String>,
}

/// Has the topic created.
///
/// # Errors
/// [`KafkaError`].
pub async fn create_topic(session: &Session, topic: &NewTopic) -> Result<(), KafkaError> {
    let configs = topic.config.iter().map(|(name, value)| {
        CreatableTopicConfig::default()
            .with_name(text(name))
            .with_value(Some(text(value)))
    });
    let new = CreatableTopic::default()
        .with_name(TopicName(text(&topic.name)))
        .with_num_partitions(topic.partitions)
        .with_replication_factor(topic.replication_factor.unwrap_or(CLUSTER_DEFAULT))
        .with_configs(configs.collect());
    let request = CreateTopicsRequest::default()
        .with_topics(vec![new])
        .with_timeout_ms(BROKER_TIMEOUT_MS);
    let answer = session.request(&request).await?;
    let [result] = answer.topics.as_slice() else {
        return Err(KafkaError::Answer {
            api: "CreateTopics",
            what: "it is not about the one topic that was asked for",
        });
    };
    accepted(
        || format!("create topic {}", topic.name),
        result.error_code,
        result.error_message.as_ref(),
    )
}
