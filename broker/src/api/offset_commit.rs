//! OffsetCommit: how far a group has come.

use kafka_protocol::messages::offset_commit_request::OffsetCommitRequestTopic;
use kafka_protocol::messages::offset_commit_response::{
    OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use kafka_protocol::messages::{OffsetCommitRequest, OffsetCommitResponse};
use kintsugi_coordinator::{GroupRequest, GroupResponse};
use kintsugi_types::ErrorCode;

use super::answer::{Answer, ApiError};
use super::call::Call;
use super::groups::ask;
use super::topics;

/// Asks the coordinator of the group. Topics that do not exist are refused here; where none does,
/// nobody is asked, as in Kafka.
pub async fn serve(call: Call) -> Result<Answer, ApiError> {
    let mut request = call.decode::<OffsetCommitRequest>()?;
    let published = call.broker().image();
    let is_known =
        |topic: &OffsetCommitRequestTopic| topics::topic(&published, &topic.name).is_some();
    let (known, unknown): (Vec<_>, Vec<_>) = request.topics.into_iter().partition(is_known);
    request.topics = known;
    let mut response = OffsetCommitResponse::default();
    if !request.topics.is_empty() || unknown.is_empty() {
        response = match ask(&call, GroupRequest::OffsetCommit(request)).await? {
            GroupResponse::OffsetCommit(response) => response,
            _ => return Err(ApiError::NoAnswer),
        };
    }
    response.topics.extend(unknown.into_iter().map(refuse));
    call.encode::<OffsetCommitRequest>(&response)
}

fn refuse(topic: OffsetCommitRequestTopic) -> OffsetCommitResponseTopic {
    let partitions = topic.partitions.into_iter().map(|partition| {
        OffsetCommitResponsePartition::default()
            .with_partition_index(partition.partition_index)
            .with_error_code(ErrorCode::UnknownTopicOrPartition.code())
    });
    OffsetCommitResponseTopic::default()
        .with_name(topic.name)
        .with_partitions(partitions.collect())
}
