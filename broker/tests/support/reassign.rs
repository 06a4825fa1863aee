//! Moving partitions, through the two APIs of it.

use std::collections::BTreeMap;

use kafka_protocol::messages::alter_partition_reassignments_request::{
    ReassignablePartition, ReassignableTopic,
};
use kafka_protocol::messages::{
    AlterPartitionReassignmentsRequest, BrokerId, ListPartitionReassignmentsRequest,
};
use kintsugi_client::Connection;

use super::text;

/// Asks for these replicas of partitions of one topic (`None` cancels); gives the error codes.
pub async fn alter(
    connection: &Connection,
    topic: &str,
    targets: &[(i32, Option<&[i32]>)],
) -> Vec<i16> {
    let partitions = targets.iter().map(|(index, target)| {
        let ids = |ids: &&[i32]| ids.iter().copied().map(BrokerId).collect();
        ReassignablePartition::default()
            .with_partition_index(*index)
            .with_replicas(target.as_ref().map(ids))
    });
    let topic = ReassignableTopic::default()
        .with_name(text(topic).into())
        .with_partitions(partitions.collect());
    let request = AlterPartitionReassignmentsRequest::default()
        .with_timeout_ms(10_000)
        .with_allow_replication_factor_change(true)
        .with_topics(vec![topic]);
    let response = connection.request(1, &request).await.unwrap();
    assert_eq!(response.error_code, 0, "{response:?}");
    let results = response.responses.iter().flat_map(|t| &t.partitions);
    results.map(|partition| partition.error_code).collect()
}

/// The partitions that move now, with what is added and what leaves.
pub async fn list(connection: &Connection) -> Option<BTreeMap<i32, (Vec<i32>, Vec<i32>)>> {
    let request = ListPartitionReassignmentsRequest::default()
        .with_timeout_ms(10_000)
        .with_topics(None);
    let response = connection.request(0, &request).await.ok()?;
    let ids = |ids: &[BrokerId]| ids.iter().map(|id| id.0).collect();
    let partitions = response.topics.iter().flat_map(|topic| &topic.partitions);
    let moving = partitions.map(|p| {
        let changes = (ids(&p.adding_replicas), ids(&p.removing_replicas));
        (p.partition_index, changes)
    });
    Some(moving.collect())
}
