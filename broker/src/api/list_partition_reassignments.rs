//! ListPartitionReassignments: the moves under way, as this broker's metadata has them (KIP-455).

use std::collections::BTreeMap;
use std::future::Future;

use kafka_protocol::messages::list_partition_reassignments_response::{
    OngoingPartitionReassignment, OngoingTopicReassignment,
};
use kafka_protocol::messages::{
    BrokerId as WireBrokerId, ListPartitionReassignmentsRequest,
    ListPartitionReassignmentsResponse, TopicName as WireTopicName,
};
use kintsugi_metadata::decision::reassignment::ongoing;
use kintsugi_metadata::{Image, PartitionState};
use kintsugi_types::{BrokerId, PartitionId};

use super::answer::{Answer, ApiError};
use super::call::Call;
use super::topics::own;

/// Answers with the moves under way, of all topics or of those that are named.
pub fn serve(call: Call) -> impl Future<Output = Result<Answer, ApiError>> {
    std::future::ready(answer(&call))
}

fn answer(call: &Call) -> Result<Answer, ApiError> {
    let request: ListPartitionReassignmentsRequest = call.decode()?;
    let image = call.broker().image().image;
    let is_asked = |partition: &PartitionId| match &request.topics {
        None => true,
        Some(topics) => image.topics.get(&partition.topic).is_some_and(|image| {
            let named = |topic: &&WireTopicName| ***topic == *image.name.as_str();
            let mut asked = topics.iter().filter(|topic| named(&&topic.name));
            asked.any(|topic| topic.partition_indexes.contains(&partition.index.0))
        }),
    };
    let mut topics: BTreeMap<_, Vec<OngoingPartitionReassignment>> = BTreeMap::new();
    for (partition, state) in ongoing(&image).filter(|(id, _)| is_asked(id)) {
        let of_topic = topics.entry(partition.topic).or_default();
        of_topic.push(describe(partition, state));
    }
    let topics = topics
        .into_iter()
        .filter_map(|(topic, partitions)| Some((name_of(&image, topic)?, partitions)))
        .map(|(name, partitions)| {
            OngoingTopicReassignment::default()
                .with_name(name)
                .with_partitions(partitions)
        });
    let response = ListPartitionReassignmentsResponse::default()
        .with_error_message(None)
        .with_topics(topics.collect());
    call.encode::<ListPartitionReassignmentsRequest>(&response)
}

fn name_of(image: &Image, topic: kintsugi_types::TopicId) -> Option<WireTopicName> {
    let topic = image.topics.get(&topic)?;
    Some(WireTopicName(own(topic.name.as_str())))
}

fn describe(partition: PartitionId, state: &PartitionState) -> OngoingPartitionReassignment {
    let wire = |ids: &[BrokerId]| ids.iter().map(|id| WireBrokerId(id.0)).collect();
    let moving = state.reassignment.as_deref().cloned().unwrap_or_default();
    OngoingPartitionReassignment::default()
        .with_partition_index(partition.index.0)
        .with_replicas(wire(&state.replicas))
        .with_adding_replicas(wire(&moving.adding))
        .with_removing_replicas(wire(&moving.removing))
}
