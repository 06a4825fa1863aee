//! DeleteTopics: decided by the active controller, answered when committed.

use std::collections::BTreeSet;

use kafka_protocol::messages::delete_topics_request::DeleteTopicState;
use kafka_protocol::messages::delete_topics_response::DeletableTopicResult;
use kafka_protocol::messages::{DeleteTopicsRequest, DeleteTopicsResponse};
use kintsugi_node::message::link::AdminRequest;
use kintsugi_types::{ErrorCode, TopicId, TopicName};

use super::answer::{Answer, ApiError};
use super::call::Call;
use super::create_topics::{topic_results, wait};
use super::topics::own;
use crate::broker::Published;

/// The first version that names topics by name or id.
const STATES_SINCE: i16 = 6;

/// Has the active controller delete what is there.
pub async fn serve(call: Call) -> Result<Answer, ApiError> {
    let request: DeleteTopicsRequest = call.decode()?;
    let published = call.broker().image();
    let states = match call.version() >= STATES_SINCE {
        true => request.topics,
        false => {
            let names = request.topic_names.into_iter();
            names
                .map(|name| DeleteTopicState::default().with_name(Some(name)))
                .collect()
        }
    };
    let named: Vec<Result<TopicName, ErrorCode>> =
        states.iter().map(|state| name(&published, state)).collect();
    let names: Vec<TopicName> = named
        .iter()
        .flatten()
        .cloned()
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect();
    let decided = match names.is_empty() {
        true => Vec::new(),
        false => {
            let admin = AdminRequest::DeleteTopics {
                topics: names.clone(),
            };
            let answer = call.broker().admin(admin, wait(request.timeout_ms)).await;
            topic_results(answer.ok_or(ApiError::NoAnswer)?, &names)
        }
    };
    let results = states.into_iter().zip(named).map(|(state, named)| {
        let result = DeletableTopicResult::default()
            .with_name(state.name)
            .with_topic_id(state.topic_id);
        let name = match named {
            Ok(name) => name,
            Err(error) => return result.with_error_code(error.code()),
        };
        let Some(decided) = decided.iter().find(|decided| decided.name == name) else {
            return result.with_error_code(ErrorCode::UnknownServerError.code());
        };
        let message = decided.message.as_deref().map(own);
        result
            .with_name(Some(own(name.as_str()).into()))
            .with_error_code(decided.error.code())
            .with_error_message(message)
    });
    let response = DeleteTopicsResponse::default().with_responses(results.collect());
    call.encode::<DeleteTopicsRequest>(&response)
}

fn name(published: &Published, state: &DeleteTopicState) -> Result<TopicName, ErrorCode> {
    match &state.name {
        Some(name) => name.parse().map_err(|_| ErrorCode::UnknownTopicOrPartition),
        None => {
            let topic = published.image.topics.get(&TopicId(state.topic_id));
            let topic = topic.ok_or(ErrorCode::UnknownTopicId)?;
            Ok(topic.name.clone())
        }
    }
}
