//! AlterPartitionReassignments: decided by the active controller, answered when the moves have
//! begun (KIP-455, KIP-860).

use kafka_protocol::messages::alter_partition_reassignments_response::{
    ReassignablePartitionResponse, ReassignableTopicResponse,
};
use kafka_protocol::messages::{
    AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse,
};
use kintsugi_node::message::admin::AdminResult;
use kintsugi_node::message::link::{AdminAnswer, AdminRequest};
use kintsugi_node::message::reassignment::PartitionMove;
use kintsugi_types::{BrokerId, ErrorCode, PartitionIndex, TopicName};

use super::answer::{Answer, ApiError};
use super::call::Call;
use super::create_topics::wait;
use super::topics::own;

/// Has the active controller begin and cancel moves.
pub async fn serve(call: Call) -> Result<Answer, ApiError> {
    let request: AlterPartitionReassignmentsRequest = call.decode()?;
    let may_change_factor = call.version() == 0 || request.allow_replication_factor_change;
    let moves = moves_of(&request);
    let mut response = AlterPartitionReassignmentsResponse::default()
        .with_allow_replication_factor_change(may_change_factor)
        .with_error_message(None);
    let results = match moves.is_empty() {
        true => Ok(Vec::new()),
        false => decide(&call, moves, may_change_factor, request.timeout_ms).await?,
    };
    match results {
        Ok(results) => response.responses = describe(&request, results),
        Err(error) => {
            response.error_code = error.code();
            response.error_message = Some(own(error.name()));
        }
    }
    call.encode::<AlterPartitionReassignmentsRequest>(&response)
}

/// What is asked for of each partition whose topic has a legal name, in order.
fn moves_of(request: &AlterPartitionReassignmentsRequest) -> Vec<PartitionMove> {
    let mut moves = Vec::new();
    for topic in &request.topics {
        let Ok(name) = topic.name.parse::<TopicName>() else {
            continue;
        };
        for partition in &topic.partitions {
            let target = partition.replicas.as_ref().map(|replicas| {
                let ids = replicas.iter().map(|id| BrokerId(id.0));
                ids.collect()
            });
            moves.push(PartitionMove {
                topic: name.clone(),
                partition: PartitionIndex(partition.partition_index),
                target,
            });
        }
    }
    moves
}

/// One result a move, or why nothing was decided.
async fn decide(
    call: &Call,
    moves: Vec<PartitionMove>,
    may_change_factor: bool,
    timeout_ms: i32,
) -> Result<Result<Vec<AdminResult>, ErrorCode>, ApiError> {
    let admin = AdminRequest::AlterReassignments {
        moves,
        may_change_factor,
    };
    let answer = call.broker().admin(admin, wait(timeout_ms)).await;
    Ok(match answer.ok_or(ApiError::NoAnswer)? {
        AdminAnswer::Results(results) => Ok(results),
        AdminAnswer::NotDecided(error) => Err(error),
        _ => Err(ErrorCode::UnknownServerError),
    })
}

fn describe(
    request: &AlterPartitionReassignmentsRequest,
    results: Vec<AdminResult>,
) -> Vec<ReassignableTopicResponse> {
    let mut results = results.into_iter();
    let topics = request.topics.iter().map(|topic| {
        let is_legal = topic.name.parse::<TopicName>().is_ok();
        let partitions = topic.partitions.iter().map(|partition| {
            let result = is_legal.then(|| results.next()).flatten();
            let result = result.unwrap_or_else(|| {
                let message = format!("Unable to find a topic named {}.", &*topic.name);
                AdminResult::refused(ErrorCode::UnknownTopicOrPartition, message)
            });
            ReassignablePartitionResponse::default()
                .with_partition_index(partition.partition_index)
                .with_error_code(result.error.code())
                .with_error_message(result.message.as_deref().map(own))
        });
        ReassignableTopicResponse::default()
            .with_name(topic.name.clone())
            .with_partitions(partitions.collect())
    });
    topics.collect()
}
