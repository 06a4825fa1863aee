//! AlterPartitionReassignments: moves begin, and are taken back (KIP-455).

use std::collections::BTreeMap;

use kintsugi_client::messages::alter_partition_reassignments_request::{
    ReassignablePartition, ReassignableTopic,
};
use kintsugi_client::messages::{AlterPartitionReassignmentsRequest, BrokerId};
use kintsugi_survey::PartitionKey;
use kintsugi_types::ErrorCode;

use super::{BROKER_TIMEOUT_MS, KafkaError, Session, accepted, text};

/// Answers by which there is nothing left to take back.
const NOT_UNDER_WAY: [ErrorCode; 2] = [
    ErrorCode::NoReassignmentInProgress,
    ErrorCode::UnknownTopicOrPartition,
];

/// Has partitions move to these replicas, the preferred leader first. Asked again for the same it
/// changes nothing. Partitions that the controller does not refuse move even if it refuses others.
///
/// # Errors
/// [`KafkaError`]; of several that are refused, the first.
pub async fn reassign(
    session: &Session,
    targets: &BTreeMap<PartitionKey, Vec<i32>>,
) -> Result<(), KafkaError> {
    let targets = targets
        .iter()
        .map(|(key, target)| (key, Some(target.as_slice())));
    alter(session, targets, "move", &[]).await
}

/// Takes moves back: the partitions have again the replicas from before. The active controller
/// decides, so also those end that the session's broker does not know of yet.
///
/// # Errors
/// [`KafkaError`]; of several that are refused, the first. What is not under way, or gone, is fine.
pub async fn cancel(
    session: &Session,
    partitions: impl IntoIterator<Item = &PartitionKey>,
) -> Result<(), KafkaError> {
    let targets = partitions.into_iter().map(|key| (key, None));
    alter(session, targets, "take back the move of", &NOT_UNDER_WAY).await
}

async fn alter<'a>(
    session: &Session,
    targets: impl Iterator<Item = (&'a PartitionKey, Option<&'a [i32]>)>,
    act: &'static str,
    fine: &[ErrorCode],
) -> Result<(), KafkaError> {
    let mut topics: BTreeMap<&str, Vec<ReassignablePartition>> = BTreeMap::new();
    for (key, target) in targets {
        let replicas = target.map(|ids| ids.iter().copied().map(BrokerId).collect());
        let partition = ReassignablePartition::default()
            .with_partition_index(key.number)
            .with_replicas(replicas);
        topics.entry(&key.topic).or_default().push(partition);
    }
    let asked: usize = topics.values().map(Vec::len).sum();
    let topics = topics.into_iter().map(|(name, partitions)| {
        ReassignableTopic::default()
            .with_name(text(name).into())
            .with_partitions(partitions)
    });
    // Version 1 also says that the number of replicas must not change.
    let request = AlterPartitionReassignmentsRequest::default()
        .with_timeout_ms(BROKER_TIMEOUT_MS)
        .with_allow_replication_factor_change(false)
        .with_topics(topics.collect());
    let answer = session.request(&request).await?;
    accepted(
        || format!("{act} partitions"),
        answer.error_code,
        answer.error_message.as_ref(),
    )?;
    let mut answered = 0;
    for topic in &answer.responses {
        for partition in &topic.partitions {
            answered += 1;
            let code = partition.error_code;
            if fine.iter().any(|fine| fine.code() == code) {
                continue;
            }
            let act = || format!("{act} {}-{}", *topic.name, partition.partition_index);
            accepted(act, code, partition.error_message.as_ref())?;
        }
    }
    if answered != asked {
        return Err(KafkaError::Answer {
            api: "AlterPartitionReassignments",
            what: "it is not about the partitions that were asked for",
        });
    }
    Ok(())
}
