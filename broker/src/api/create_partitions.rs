//! CreatePartitions: decided by the active controller, answered when committed.

use kafka_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use kafka_protocol::messages::create_partitions_response::CreatePartitionsTopicResult;
use kafka_protocol::messages::{CreatePartitionsRequest, CreatePartitionsResponse};
use kintsugi_node::message::admin::{AdminResult, MorePartitions};
use kintsugi_node::message::link::AdminRequest;
use kintsugi_types::{BrokerId, ErrorCode};

use super::answer::{Answer, ApiError};
use super::call::Call;
use super::configs::results;
use super::create_topics::wait;
use super::topics::own;

/// Has the active controller add what is legal.
pub async fn serve(call: Call) -> Result<Answer, ApiError> {
    let request: CreatePartitionsRequest = call.decode()?;
    let checked: Vec<Result<MorePartitions, AdminResult>> =
        request.topics.iter().map(more_partitions).collect();
    let topics: Vec<MorePartitions> = checked.iter().flatten().cloned().collect();
    let count = topics.len();
    let mut decided = Vec::new();
    if count > 0 {
        let admin = AdminRequest::CreatePartitions {
            topics,
            validate_only: request.validate_only,
        };
        let answer = call.broker().admin(admin, wait(request.timeout_ms)).await;
        decided = results(answer.ok_or(ApiError::NoAnswer)?, count);
    }
    let mut decided = decided.into_iter();
    let answers = request.topics.iter().zip(checked).map(|(topic, checked)| {
        let unanswered = AdminResult {
            error: ErrorCode::UnknownServerError,
            message: None,
        };
        let result = match checked {
            Ok(_) => decided.next().unwrap_or(unanswered),
            Err(refused) => refused,
        };
        CreatePartitionsTopicResult::default()
            .with_name(topic.name.clone())
            .with_error_code(result.error.code())
            .with_error_message(result.message.as_deref().map(own))
    });
    let response = CreatePartitionsResponse::default().with_results(answers.collect());
    call.encode::<CreatePartitionsRequest>(&response)
}

fn more_partitions(topic: &CreatePartitionsTopic) -> Result<MorePartitions, AdminResult> {
    let name = topic.name.parse().map_err(|_| {
        let message = "This server does not host this topic-partition.";
        AdminResult::refused(ErrorCode::UnknownTopicOrPartition, message)
    })?;
    let assignments = topic.assignments.as_ref().map(|assignments| {
        let each = assignments.iter().map(|assignment| {
            let brokers = assignment.broker_ids.iter();
            brokers.map(|id| BrokerId(id.0)).collect()
        });
        each.collect()
    });
    Ok(MorePartitions {
        name,
        count: topic.count,
        assignments,
    })
}
