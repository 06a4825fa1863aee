//! ElectLeaders: preferred leaders lead (KIP-460).

use std::collections::{BTreeMap, BTreeSet};

use kintsugi_client::messages::ElectLeadersRequest;
use kintsugi_client::messages::elect_leaders_request::TopicPartitions;
use kintsugi_survey::PartitionKey;
use kintsugi_types::ErrorCode;

use super::{BROKER_TIMEOUT_MS, KafkaError, Session, accepted, text};

/// Answers that ask for nothing more at present: it leads already, it is not in sync yet, and the
/// partition is gone.
const FINE: [ErrorCode; 3] = [
    ErrorCode::ElectionNotNeeded,
    ErrorCode::PreferredLeaderNotAvailable,
    ErrorCode::UnknownTopicOrPartition,
];
const PREFERRED: i8 = 0;

/// Has the first replica of each partition lead, if it is in sync.
///
/// # Errors
/// [`KafkaError`]; of several that are refused, the first.
pub async fn elect_preferred(
    session: &Session,
    partitions: &BTreeSet<PartitionKey>,
) -> Result<(), KafkaError> {
    let mut topics: BTreeMap<&str, Vec<i32>> = BTreeMap::new();
    for key in partitions {
        topics.entry(&key.topic).or_default().push(key.number);
    }
    let topics = topics.into_iter().map(|(name, numbers)| {
        TopicPartitions::default()
            .with_topic(text(name).into())
            .with_partitions(numbers)
    });
    let request = ElectLeadersRequest::default()
        .with_election_type(PREFERRED)
        .with_topic_partitions(Some(topics.collect()))
        .with_timeout_ms(BROKER_TIMEOUT_MS);
    let answer = session.request(&request).await?;
    accepted(
        || "elect preferred leaders".to_owned(),
        answer.error_code,
        None,
    )?;
    for topic in &answer.replica_election_results {
        for partition in &topic.partition_result {
            let code = partition.error_code;
            if FINE.iter().any(|fine| fine.code() == code) {
                continue;
            }
            let act = || {
                format!(
                    "elect the leader of {}-{}",
                    *topic.topic, partition.partition_id
                )
            };
            accepted(act, code, partition.error_message.as_ref())?;
        }
    }
    Ok(())
}
