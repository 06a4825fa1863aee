//! CreatePartitions: one topic grows.

use kintsugi_client::messages::create_partitions_request::CreatePartitionsTopic;
use kintsugi_client::messages::{CreatePartitionsRequest, TopicName};

use super::{BROKER_TIMEOUT_MS, KafkaError, Session, accepted, text};

/// Has the topic grow to `count` partitions. The broker refuses a count that is not above what the
/// topic has by then.
///
/// # Errors
/// [`KafkaError`].
pub async fn create_partitions(
    session: &Session,
    name: &str,
    count: i32,
) -> Result<(), KafkaError> {
    let topic = CreatePartitionsTopic::default()
        .with_name(TopicName(text(name)))
        .with_count(count)
        .with_assignments(None);
    let request = CreatePartitionsRequest::default()
        .with_topics(vec![topic])
        .with_timeout_ms(BROKER_TIMEOUT_MS);
    let answer = session.request(&request).await?;
    let [result] = answer.results.as_slice() else {
        return Err(KafkaError::Answer {
            api: "CreatePartitions",
            what: "it is not about the one topic that was asked for",
        });
    };
    accepted(
        || format!("grow topic {name} to {count} partitions"),
        result.error_code,
        result.error_message.as_ref(),
    )
}
