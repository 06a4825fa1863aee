//! CreateTopics: decided by the active controller, answered when committed.

use std::collections::BTreeMap;

use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::create_topics_response::CreatableTopicResult;
use kafka_protocol::messages::{CreateTopicsRequest, CreateTopicsResponse};
use kafka_protocol::protocol::StrBytes;
use kintsugi_node::message::link::{AdminAnswer, AdminRequest, NewTopic, TopicResult};
use kintsugi_types::{BrokerId, ErrorCode, PartitionIndex, TopicName};

use super::answer::{Answer, ApiError};
use super::call::Call;
use super::topics::{ADMIN_WAIT_MAX, own};

/// Which error and which text for a person.
type Refusal = (ErrorCode, String);

/// Has the active controller create what is legal.
pub async fn serve(call: Call) -> Result<Answer, ApiError> {
    let request: CreateTopicsRequest = call.decode()?;
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for topic in &request.topics {
        *counts.entry(&topic.name).or_default() += 1;
    }
    let checked: Vec<Result<NewTopic, Refusal>> = request
        .topics
        .iter()
        .map(|topic| match counts.get(&**topic.name) {
            Some(1) => new_topic(topic),
            _ => Err((
                ErrorCode::InvalidRequest,
                "the request names this topic more than once".to_owned(),
            )),
        })
        .collect();
    let legal: Vec<NewTopic> = checked.iter().flatten().cloned().collect();
    let decided = match legal.is_empty() {
        true => Vec::new(),
        false => decide(&call, legal, &request).await?,
    };
    let mut decided = decided.into_iter();
    let results = request.topics.iter().zip(checked).map(|(topic, checked)| {
        let result = CreatableTopicResult::default().with_name(topic.name.clone());
        match checked {
            Ok(_) => match decided.next() {
                Some(decided) => describe(result, &decided),
                None => refuse(result, ErrorCode::UnknownServerError, None),
            },
            Err((error, message)) => refuse(result, error, Some(own(&message))),
        }
    });
    let response = CreateTopicsResponse::default().with_topics(results.collect());
    call.encode::<CreateTopicsRequest>(&response)
}

async fn decide(
    call: &Call,
    topics: Vec<NewTopic>,
    request: &CreateTopicsRequest,
) -> Result<Vec<TopicResult>, ApiError> {
    let names: Vec<TopicName> = topics.iter().map(|topic| topic.name.clone()).collect();
    let admin = AdminRequest::CreateTopics {
        topics,
        validate_only: request.validate_only,
    };
    let answer = call.broker().admin(admin, wait(request.timeout_ms)).await;
    Ok(topic_results(answer.ok_or(ApiError::NoAnswer)?, &names))
}

/// How long a client's time-out lets a request wait.
pub fn wait(timeout_ms: i32) -> std::time::Duration {
    let millis = u64::try_from(timeout_ms).unwrap_or(0);
    std::time::Duration::from_millis(millis).min(ADMIN_WAIT_MAX)
}

/// One result a topic, whatever the controller answered.
pub fn topic_results(answer: AdminAnswer, names: &[TopicName]) -> Vec<TopicResult> {
    let error = match answer {
        AdminAnswer::Topics(results) => return results,
        AdminAnswer::NotDecided(error) => error,
        _ => ErrorCode::UnknownServerError,
    };
    let failed = names.iter().map(|name| TopicResult {
        name: name.clone(),
        topic: None,
        error,
        message: None,
        partitions: -1,
        replication_factor: -1,
    });
    failed.collect()
}

fn new_topic(topic: &CreatableTopic) -> Result<NewTopic, Refusal> {
    let refuse = |error, text: &str| Err((error, text.to_owned()));
    let Ok(name) = topic.name.parse::<TopicName>() else {
        return refuse(
            ErrorCode::InvalidTopic,
            "a topic name has 1 to 249 characters of a-z, A-Z, 0-9, '.', '_' or '-', and is not '.' or '..'",
        );
    };
    let has_counts = topic.num_partitions != -1 || topic.replication_factor != -1;
    if has_counts && !topic.assignments.is_empty() {
        return refuse(
            ErrorCode::InvalidRequest,
            "give either numbers of partitions and replicas, or assignments",
        );
    }
    let mut assignments = BTreeMap::new();
    for assignment in &topic.assignments {
        let brokers = assignment.broker_ids.iter().map(|id| BrokerId(id.0));
        let index = PartitionIndex(assignment.partition_index);
        if assignments.insert(index, brokers.collect()).is_some() {
            return refuse(
                ErrorCode::InvalidReplicaAssignment,
                "a partition is assigned more than once",
            );
        }
    }
    let mut configs = BTreeMap::new();
    for config in &topic.configs {
        let Some(value) = &config.value else {
            return refuse(ErrorCode::InvalidConfig, "a setting has no value");
        };
        configs.insert(config.name.to_string(), value.to_string());
    }
    Ok(NewTopic {
        name,
        partitions: (topic.num_partitions != -1).then_some(topic.num_partitions),
        replication_factor: (topic.replication_factor != -1).then_some(topic.replication_factor),
        assignments,
        configs,
    })
}

fn describe(result: CreatableTopicResult, decided: &TopicResult) -> CreatableTopicResult {
    if !decided.error.is_none() {
        let message = decided.message.as_deref().map(own);
        return refuse(result, decided.error, message);
    }
    let result = result
        .with_error_message(None)
        .with_num_partitions(decided.partitions)
        .with_replication_factor(decided.replication_factor)
        .with_configs(Some(Vec::new()));
    match decided.topic {
        Some(id) => result.with_topic_id(id.0),
        None => result,
    }
}

fn refuse(
    result: CreatableTopicResult,
    error: ErrorCode,
    message: Option<StrBytes>,
) -> CreatableTopicResult {
    result
        .with_error_code(error.code())
        .with_error_message(message)
        .with_num_partitions(-1)
        .with_replication_factor(-1)
        .with_configs(None)
}
