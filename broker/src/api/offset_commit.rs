//! OffsetCommit: how far a group has come.

use kafka_protocol::messages::offset_commit_request::OffsetCommitRequestTopic;
use kafka_protocol::messages::offset_commit_response::{
    OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use kafka_protocol::messages::{OffsetCommitRequest, OffsetCommitResponse};
use kintsugi_coordinator::{GroupRequest, GroupResponse};
use kintsugi_types::ErrorCode;
use kintsugi_wire::offsets::{BY_ID_SINCE, decode_commit};

use super::answer::{Answer, ApiError};
use super::call::Call;
use super::groups::ask;
use super::named::Named;

/// Asks the coordinator of the group. Topics that do not exist are refused here; where none does,
/// nobody is asked, as in Kafka.
pub async fn serve(call: Call) -> Result<Answer, ApiError> {
    let mut request = call.decode_with(decode_commit)?;
    let published = call.broker().image();
    let named = Named {
        published: &published,
        by_id: call.version() >= BY_ID_SINCE,
    };
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    for mut topic in request.topics {
        let exists = named.resolve(&mut topic.name, &mut topic.topic_id);
        let list = if exists { &mut known } else { &mut unknown };
        list.push(topic);
    }
    request.topics = known;
    let mut response = OffsetCommitResponse::default();
    if !request.topics.is_empty() || unknown.is_empty() {
        response = match ask(&call, GroupRequest::OffsetCommit(request)).await? {
            GroupResponse::OffsetCommit(response) => response,
            _ => return Err(ApiError::NoAnswer),
        };
    }
    for topic in &mut response.topics {
        named.restore(&mut topic.name, &mut topic.topic_id);
    }
    let error = named.unknown();
    let refused = unknown.into_iter().map(|topic| refuse(topic, error));
    response.topics.extend(refused);
    call.encode::<OffsetCommitRequest>(&response)
}

fn refuse(topic: OffsetCommitRequestTopic, error: ErrorCode) -> OffsetCommitResponseTopic {
    let partitions = topic.partitions.into_iter().map(|partition| {
        OffsetCommitResponsePartition::default()
            .with_partition_index(partition.partition_index)
            .with_error_code(error.code())
    });
    OffsetCommitResponseTopic::default()
        .with_name(topic.name)
        .with_topic_id(topic.topic_id)
        .with_partitions(partitions.collect())
}
