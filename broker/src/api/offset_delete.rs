//! OffsetDelete: removes committed offsets of topics that a group does not subscribe to (KIP-496).

use kafka_protocol::messages::OffsetDeleteRequest;
use kafka_protocol::messages::offset_delete_request::OffsetDeleteRequestTopic;
use kafka_protocol::messages::offset_delete_response::{
    OffsetDeleteResponsePartition, OffsetDeleteResponseTopic,
};
use kintsugi_coordinator::{GroupRequest, GroupResponse};
use kintsugi_types::ErrorCode;

use super::answer::{Answer, ApiError};
use super::call::Call;
use super::groups::ask;
use super::topics;

/// Asks the coordinator of the group. Topics that do not exist are refused here.
pub async fn serve(call: Call) -> Result<Answer, ApiError> {
    let mut request = call.decode::<OffsetDeleteRequest>()?;
    let published = call.broker().image();
    let is_known =
        |topic: &OffsetDeleteRequestTopic| topics::topic(&published, &topic.name).is_some();
    let (known, unknown) = request.topics.into_iter().partition(is_known);
    request.topics = known;
    let mut response = match ask(&call, GroupRequest::OffsetDelete(request)).await? {
        GroupResponse::OffsetDelete(response) => response,
        _ => return Err(ApiError::NoAnswer),
    };
    if response.error_code == ErrorCode::None.code() {
        response.topics.extend(unknown.into_iter().map(refuse));
    }
    call.encode::<OffsetDeleteRequest>(&response)
}

fn refuse(topic: OffsetDeleteRequestTopic) -> OffsetDeleteResponseTopic {
    let partitions = topic.partitions.into_iter().map(|partition| {
        OffsetDeleteResponsePartition::default()
            .with_partition_index(partition.partition_index)
            .with_error_code(ErrorCode::UnknownTopicOrPartition.code())
    });
    OffsetDeleteResponseTopic::default()
        .with_name(topic.name)
        .with_partitions(partitions.collect())
}
