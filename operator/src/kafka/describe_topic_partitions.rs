//! DescribeTopicPartitions: one topic, a page of partitions at a time.

use kintsugi_client::messages::describe_topic_partitions_request::{Cursor, TopicRequest};
use kintsugi_client::messages::describe_topic_partitions_response::DescribeTopicPartitionsResponseTopic;
use kintsugi_client::messages::{DescribeTopicPartitionsRequest, TopicName};
use kintsugi_types::ErrorCode;
use uuid::Uuid;

use super::{KafkaError, Session, accepted, text};

/// Partitions a page.
const PAGE_PARTITIONS: i32 = 1_000;
/// Pages a topic: ten times what a KafkaTopic may ask for.
const PAGES_MAX: usize = 100;
const API: &str = "DescribeTopicPartitions";

/// A topic as a broker's metadata has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TopicDescription {
    /// Its id.
    pub id: Uuid,
    /// Whether Kafka keeps it for itself.
    pub is_internal: bool,
    /// How many partitions it has.
    pub partitions: i32,
    /// The least number of replicas of a partition.
    pub replicas_min: i32,
    /// The greatest number of replicas of a partition.
    pub replicas_max: i32,
}

/// The topic of this name; None if the broker knows none.
///
/// # Errors
/// [`KafkaError`]; [`KafkaError::Answer`] also if the topic became another one between two pages.
pub async fn describe_topic(
    session: &Session,
    name: &str,
) -> Result<Option<TopicDescription>, KafkaError> {
    let mut found: Option<TopicDescription> = None;
    let mut cursor = None;
    for _ in 0..PAGES_MAX {
        let topic = TopicRequest::default().with_name(TopicName(text(name)));
        let request = DescribeTopicPartitionsRequest::default()
            .with_topics(vec![topic])
            .with_response_partition_limit(PAGE_PARTITIONS)
            .with_cursor(cursor);
        let mut answer = session.request(&request).await?;
        let page = match (answer.topics.pop(), answer.topics.is_empty()) {
            (Some(page), true) if page.name.as_deref().is_some_and(|found| **found == *name) => {
                page
            }
            _ => return Err(wrong("it is not about the one topic that was asked for")),
        };
        if page.error_code == ErrorCode::UnknownTopicOrPartition.code() {
            return match found {
                None => Ok(None),
                Some(_) => Err(wrong("the topic went while it was read")),
            };
        }
        accepted(|| format!("describe topic {name}"), page.error_code, None)?;
        found = Some(add(found, &page)?);
        cursor = answer.next_cursor.map(|next| {
            Cursor::default()
                .with_topic_name(next.topic_name)
                .with_partition_index(next.partition_index)
        });
        if cursor.is_none() {
            return Ok(found);
        }
    }
    Err(wrong("its pages do not end"))
}

fn add(
    before: Option<TopicDescription>,
    page: &DescribeTopicPartitionsResponseTopic,
) -> Result<TopicDescription, KafkaError> {
    if before.is_some_and(|before| before.id != page.topic_id) {
        return Err(wrong("the topic became another one while it was read"));
    }
    let mut sum = before.unwrap_or(TopicDescription {
        id: page.topic_id,
        is_internal: page.is_internal,
        partitions: 0,
        replicas_min: i32::MAX,
        replicas_max: 0,
    });
    for partition in &page.partitions {
        let replicas = i32::try_from(partition.replica_nodes.len()).unwrap_or(i32::MAX);
        sum.partitions = sum.partitions.saturating_add(1);
        sum.replicas_min = sum.replicas_min.min(replicas);
        sum.replicas_max = sum.replicas_max.max(replicas);
    }
    match sum.partitions {
        0 => Err(wrong("the topic has no partitions")),
        _ => Ok(sum),
    }
}

fn wrong(what: &'static str) -> KafkaError {
    KafkaError::Answer { api: API, what }
}
