//! OffsetFetch: of one group, or of several (KIP-709).

use kafka_protocol::messages::OffsetFetchRequest;
use kafka_protocol::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopics,
};
use kafka_protocol::messages::offset_fetch_response::{
    OffsetFetchResponseGroup, OffsetFetchResponsePartitions, OffsetFetchResponseTopics,
};
use kintsugi_coordinator::{GroupRequest, GroupResponse, offset_fetch};
use kintsugi_types::ErrorCode;
use kintsugi_wire::offsets::{BY_ID_SINCE, decode_fetch};

use super::answer::{Answer, ApiError};
use super::call::Call;
use super::groups::ask;
use super::named::Named;

/// Asks the coordinator of each group. Topics asked for by an id that does not exist are refused
/// here.
pub async fn serve(call: Call) -> Result<Answer, ApiError> {
    let mut groups = offset_fetch::split(call.version(), call.decode_with(decode_fetch)?);
    let published = call.broker().image();
    let named = Named {
        published: &published,
        by_id: call.version() >= BY_ID_SINCE,
    };
    let unknown: Vec<_> = groups.iter_mut().map(|g| resolve(&named, g)).collect();
    let asked = groups
        .iter()
        .map(|group| ask(&call, GroupRequest::OffsetFetch(group.clone())));
    let mut answers = Vec::with_capacity(groups.len());
    let asked = futures::future::try_join_all(asked).await?;
    for (answer, unknown) in asked.into_iter().zip(unknown) {
        let GroupResponse::OffsetFetch(mut answer) = answer else {
            return Err(ApiError::NoAnswer);
        };
        restore(&named, &mut answer, unknown);
        answers.push(answer);
    }
    let response = offset_fetch::join(call.version(), &groups, answers);
    call.encode::<OffsetFetchRequest>(&response)
}

/// Puts names in place of ids, and takes out topics whose id does not exist.
fn resolve(
    named: &Named<'_>,
    group: &mut OffsetFetchRequestGroup,
) -> Vec<OffsetFetchRequestTopics> {
    let Some(topics) = group.topics.as_mut().filter(|_| named.by_id) else {
        return Vec::new();
    };
    let is_unknown =
        |topic: &mut OffsetFetchRequestTopics| !named.resolve(&mut topic.name, &mut topic.topic_id);
    topics.extract_if(.., is_unknown).collect()
}

/// Puts ids in place of names. A topic without one is left out, as in Kafka: it is deleted, and all
/// offsets of the group were asked for.
fn restore(
    named: &Named<'_>,
    answer: &mut OffsetFetchResponseGroup,
    unknown: Vec<OffsetFetchRequestTopics>,
) {
    let topics = &mut answer.topics;
    topics.retain_mut(|topic| named.restore(&mut topic.name, &mut topic.topic_id));
    if answer.error_code == ErrorCode::None.code() {
        topics.extend(
            unknown
                .into_iter()
                .map(|topic| refuse(topic, named.unknown())),
        );
    }
}

fn refuse(topic: OffsetFetchRequestTopics, error: ErrorCode) -> OffsetFetchResponseTopics {
    let partitions = topic.partition_indexes.into_iter().map(|index| {
        OffsetFetchResponsePartitions::default()
            .with_partition_index(index)
            .with_committed_offset(-1)
            .with_error_code(error.code())
    });
    OffsetFetchResponseTopics::default()
        .with_topic_id(topic.topic_id)
        .with_partitions(partitions.collect())
}
