//! Requests of the members of a group: JoinGroup, SyncGroup, Heartbeat and LeaveGroup. Each goes as it is to the coordinator of the group's partition of `__consumer_offsets`.

use kafka_protocol::messages::{
    HeartbeatRequest, JoinGroupRequest, LeaveGroupRequest, SyncGroupRequest,
};
use kafka_protocol::protocol::Request;
use kintsugi_coordinator::{Client, GroupRequest, GroupResponse, partition_for};
use kintsugi_types::{ErrorCode, PartitionId};

use super::answer::{Answer, ApiError};
use super::call::Call;
use super::topics::{self, OFFSETS_TOPIC};

/// JoinGroup.
pub async fn join_group(call: Call) -> Result<Answer, ApiError> {
    let request = call.decode::<JoinGroupRequest>()?;
    let answer = ask(&call, GroupRequest::JoinGroup(request)).await?;
    encode::<JoinGroupRequest>(&call, answer, |answer| match answer {
        GroupResponse::JoinGroup(response) => Some(response),
        _ => None,
    })
}

/// SyncGroup.
pub async fn sync_group(call: Call) -> Result<Answer, ApiError> {
    let request = call.decode::<SyncGroupRequest>()?;
    let answer = ask(&call, GroupRequest::SyncGroup(request)).await?;
    encode::<SyncGroupRequest>(&call, answer, |answer| match answer {
        GroupResponse::SyncGroup(response) => Some(response),
        _ => None,
    })
}

/// Heartbeat.
pub async fn heartbeat(call: Call) -> Result<Answer, ApiError> {
    let request = call.decode::<HeartbeatRequest>()?;
    let answer = ask(&call, GroupRequest::Heartbeat(request)).await?;
    encode::<HeartbeatRequest>(&call, answer, |answer| match answer {
        GroupResponse::Heartbeat(response) => Some(response),
        _ => None,
    })
}

/// LeaveGroup.
pub async fn leave_group(call: Call) -> Result<Answer, ApiError> {
    let request = call.decode::<LeaveGroupRequest>()?;
    let answer = ask(&call, GroupRequest::LeaveGroup(request)).await?;
    encode::<LeaveGroupRequest>(&call, answer, |answer| match answer {
        GroupResponse::LeaveGroup(response) => Some(response),
        _ => None,
    })
}

fn encode<R: Request>(
    call: &Call,
    answer: GroupResponse,
    take: fn(GroupResponse) -> Option<R::Response>,
) -> Result<Answer, ApiError> {
    // An answer to another request than was asked is no answer.
    let response = take(answer).ok_or(ApiError::NoAnswer)?;
    call.encode::<R>(&response)
}

/// Asks the coordinator of a group, if it may be this broker.
///
/// # Errors
/// [`ApiError::NoAnswer`] when the coordinator gave none.
pub async fn ask(call: &Call, request: GroupRequest) -> Result<GroupResponse, ApiError> {
    let published = call.broker().image();
    let topic = topics::topic(&published, OFFSETS_TOPIC);
    let (Some(group), Some(topic)) = (request.group_id(), topic) else {
        return Ok(request.refuse(ErrorCode::NotCoordinator));
    };
    let count = u32::try_from(topic.partitions.len()).unwrap_or(u32::MAX);
    let partition = PartitionId {
        topic: topic.id,
        index: partition_for(group, count),
    };
    ask_partition(call, partition, request).await
}

/// Asks the coordinator of one partition.
///
/// # Errors
/// [`ApiError::NoAnswer`] when the coordinator gave none.
pub async fn ask_partition(
    call: &Call,
    partition: PartitionId,
    request: GroupRequest,
) -> Result<GroupResponse, ApiError> {
    let client_id = call.header.client_id.as_deref().unwrap_or_default();
    let host = call.context.peer.map(|peer| format!("/{}", peer.ip()));
    let client = Client {
        id: client_id.to_owned(),
        host: host.unwrap_or_default(),
    };
    let answer = call
        .broker()
        .group(partition, call.version(), client, request);
    answer.await.map_err(|_| ApiError::NoAnswer)
}
