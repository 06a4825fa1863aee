//! DeleteTopics: one topic.

use kintsugi_client::messages::delete_topics_request::DeleteTopicState;
use kintsugi_client::messages::{DeleteTopicsRequest, TopicName};
use kintsugi_types::ErrorCode;
use uuid::Uuid;

use super::{BROKER_TIMEOUT_MS, KafkaError, Session, accepted, text};

/// Has the topic deleted: the one with this id, which another topic of the same name does not have;
/// by name where no id is known, which the active controller decides from the present. Ok also if
/// there is none.
///
/// # Errors
/// [`KafkaError`].
pub async fn delete_topic(
    session: &Session,
    name: &str,
    id: Option<Uuid>,
) -> Result<(), KafkaError> {
    let state = match id {
        Some(id) => DeleteTopicState::default()
            .with_name(None)
            .with_topic_id(id),
        None => DeleteTopicState::default().with_name(Some(TopicName(text(name)))),
    };
    let request = DeleteTopicsRequest::default()
        .with_topics(vec![state])
        .with_timeout_ms(BROKER_TIMEOUT_MS);
    let answer = session.request(&request).await?;
    let [result] = answer.responses.as_slice() else {
        return Err(KafkaError::Answer {
            api: "DeleteTopics",
            what: "it is not about the one topic that was asked for",
        });
    };
    let gone = [
        ErrorCode::UnknownTopicOrPartition,
        ErrorCode::UnknownTopicId,
    ];
    if gone.iter().any(|code| code.code() == result.error_code) {
        return Ok(());
    }
    accepted(
        || format!("delete topic {name}"),
        result.error_code,
        result.error_message.as_ref(),
    )
}
