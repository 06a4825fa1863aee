//! ListPartitionReassignments: the moves under way (KIP-455).

use std::collections::BTreeMap;

use kintsugi_client::messages::{BrokerId, ListPartitionReassignmentsRequest};
use kintsugi_survey::PartitionKey;

use super::{BROKER_TIMEOUT_MS, KafkaError, Session, accepted};

/// A move under way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Moving {
    /// All replicas while it lasts: those of the target in their order, then those that leave.
    pub replicas: Vec<i32>,
    /// Those that come.
    pub adding: Vec<i32>,
    /// Those that leave.
    pub removing: Vec<i32>,
}

impl Moving {
    /// The replicas at its end, in preferred order.
    pub fn target(&self) -> Vec<i32> {
        let stays = |id: &&i32| !self.removing.contains(id);
        self.replicas.iter().filter(stays).copied().collect()
    }
}

/// Every move under way, as the session's broker knows them.
///
/// # Errors
/// [`KafkaError`].
pub async fn reassignments(
    session: &Session,
) -> Result<BTreeMap<PartitionKey, Moving>, KafkaError> {
    let request = ListPartitionReassignmentsRequest::default()
        .with_timeout_ms(BROKER_TIMEOUT_MS)
        .with_topics(None);
    let answer = session.request(&request).await?;
    accepted(
        || "list moves of partitions".to_owned(),
        answer.error_code,
        answer.error_message.as_ref(),
    )?;
    let ids = |ids: &[BrokerId]| ids.iter().map(|id| id.0).collect();
    let moves = answer.topics.iter().flat_map(|topic| {
        topic.partitions.iter().map(move |partition| {
            let key = PartitionKey {
                topic: topic.name.to_string(),
                number: partition.partition_index,
            };
            let moving = Moving {
                replicas: ids(&partition.replicas),
                adding: ids(&partition.adding_replicas),
                removing: ids(&partition.removing_replicas),
            };
            (key, moving)
        })
    });
    Ok(moves.collect())
}
