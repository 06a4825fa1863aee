//! OffsetFetch in one shape: versions before 8 ask for one group, later ones for several (KIP-709),
//! which may live in different partitions.

use kafka_protocol::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopics,
};
use kafka_protocol::messages::offset_fetch_response::{
    OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponseTopic,
};
use kafka_protocol::messages::{OffsetFetchRequest, OffsetFetchResponse};

/// The first version that asks for several groups.
const GROUPS_SINCE: i16 = 8;
/// The first version with an error of the whole answer.
const ERROR_SINCE: i16 = 2;

/// The groups that a request asks for, each to be sent to its coordinator.
#[must_use]
pub fn split(version: i16, request: OffsetFetchRequest) -> Vec<OffsetFetchRequestGroup> {
    if version >= GROUPS_SINCE {
        return request.groups;
    }
    let topics = request.topics.map(|topics| {
        let topics = topics.into_iter().map(|topic| {
            OffsetFetchRequestTopics::default()
                .with_name(topic.name)
                .with_partition_indexes(topic.partition_indexes)
        });
        topics.collect()
    });
    let group = OffsetFetchRequestGroup::default()
        .with_group_id(request.group_id)
        .with_topics(topics);
    vec![group]
}

/// The answer made of the groups' answers, in the order of [`split`].
///
/// `request` is what [`split`] gave: version 1 can tell an error only with each partition that was
/// asked for.
#[must_use]
pub fn join(
    version: i16,
    request: &[OffsetFetchRequestGroup],
    answers: Vec<OffsetFetchResponseGroup>,
) -> OffsetFetchResponse {
    if version >= GROUPS_SINCE {
        return OffsetFetchResponse::default().with_groups(answers);
    }
    let Some(answer) = answers.into_iter().next() else {
        return OffsetFetchResponse::default();
    };
    if version < ERROR_SINCE && answer.error_code != 0 {
        let topics = request
            .iter()
            .filter_map(|group| group.topics.as_ref())
            .flatten();
        return OffsetFetchResponse::default().with_topics(
            topics
                .map(|topic| failed(topic, answer.error_code))
                .collect(),
        );
    }
    let topics = answer.topics.into_iter().map(|topic| {
        let partitions = topic.partitions.into_iter().map(|partition| {
            OffsetFetchResponsePartition::default()
                .with_partition_index(partition.partition_index)
                .with_committed_offset(partition.committed_offset)
                .with_committed_leader_epoch(partition.committed_leader_epoch)
                .with_metadata(partition.metadata)
                .with_error_code(partition.error_code)
        });
        OffsetFetchResponseTopic::default()
            .with_name(topic.name)
            .with_partitions(partitions.collect())
    });
    OffsetFetchResponse::default()
        .with_error_code(answer.error_code)
        .with_topics(topics.collect())
}

fn failed(topic: &OffsetFetchRequestTopics, error_code: i16) -> OffsetFetchResponseTopic {
    let partitions = topic.partition_indexes.iter().map(|&index| {
        OffsetFetchResponsePartition::default()
            .with_partition_index(index)
            .with_committed_offset(-1)
            .with_error_code(error_code)
    });
    OffsetFetchResponseTopic::default()
        .with_name(topic.name.clone())
        .with_partitions(partitions.collect())
}
