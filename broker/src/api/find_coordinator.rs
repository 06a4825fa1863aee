//! FindCoordinator: which broker coordinates a group. It is the leader of the group's partition
//! of `__consumer_offsets`, which is created when first asked for.

use kafka_protocol::messages::find_coordinator_response::Coordinator;
use kafka_protocol::messages::{
    BrokerId as WireBrokerId, FindCoordinatorRequest, FindCoordinatorResponse,
};
use kafka_protocol::protocol::StrBytes;
use kintsugi_coordinator::partition_for;
use kintsugi_node::message::broker::MetadataView;
use kintsugi_types::{ErrorCode, TopicName};

use super::answer::{Answer, ApiError};
use super::call::Call;
use super::topics::{self, OFFSETS_TOPIC, own};

/// The first version with several keys in one request (KIP-699).
const SEVERAL_SINCE: i16 = 4;

const KEY_TYPE_GROUP: i8 = 0;

/// Answers for each group asked for.
pub async fn serve(call: Call) -> Result<Answer, ApiError> {
    let request: FindCoordinatorRequest = call.decode()?;
    let keys = match call.version() >= SEVERAL_SINCE {
        true => request.coordinator_keys,
        false => vec![request.key],
    };
    let view = match request.key_type {
        KEY_TYPE_GROUP => Some(offsets_view(&call).await?),
        // Transactions have no coordinator yet.
        _ => None,
    };
    let found: Vec<Coordinator> = keys
        .into_iter()
        .map(|key| find(view.as_deref(), key))
        .collect();
    let mut response = FindCoordinatorResponse::default();
    if call.version() >= SEVERAL_SINCE {
        response.coordinators = found;
    } else if let Some(one) = found.into_iter().next() {
        response.error_code = one.error_code;
        response.error_message = one.error_message;
        response.node_id = one.node_id;
        response.host = one.host;
        response.port = one.port;
    }
    call.encode::<FindCoordinatorRequest>(&response)
}

/// The metadata of `__consumer_offsets`, created first if it is not there.
async fn offsets_view(call: &Call) -> Result<std::sync::Arc<MetadataView>, ApiError> {
    let name: TopicName = OFFSETS_TOPIC.parse().map_err(|_| ApiError::NoAnswer)?;
    if call.broker().image().image.topic_named(&name).is_none() {
        let created = topics::auto_create(call.broker(), std::slice::from_ref(&name)).await;
        if let Err(error) = created {
            tracing::debug!(%error, "the topic of offsets was not created");
        }
    }
    let view = call.broker().metadata(Some(vec![name])).await;
    view.ok_or(ApiError::NoAnswer)
}

fn find(view: Option<&MetadataView>, key: StrBytes) -> Coordinator {
    let answer = Coordinator::default().with_key(own(&key));
    let refuse = |answer: Coordinator, error: ErrorCode, message: &str| {
        answer
            .with_error_code(error.code())
            .with_error_message(Some(own(message)))
            .with_node_id(WireBrokerId(-1))
            .with_port(-1)
    };
    let Some(view) = view else {
        let text = "only groups have coordinators here: transactions are not served";
        return refuse(answer, ErrorCode::InvalidRequest, text);
    };
    if key.is_empty() {
        return refuse(answer, ErrorCode::InvalidGroupId, "a group has a name");
    }
    match leader(view, &key) {
        Some((id, host, port)) => answer
            .with_error_message(None)
            .with_node_id(id)
            .with_host(host)
            .with_port(port),
        None => refuse(
            answer,
            ErrorCode::CoordinatorNotAvailable,
            "the coordinator is not known yet: ask again",
        ),
    }
}

fn leader(view: &MetadataView, group: &str) -> Option<(WireBrokerId, StrBytes, i32)> {
    let name: TopicName = OFFSETS_TOPIC.parse().ok()?;
    let topic = view.image.topic_named(&name)?;
    let count = u32::try_from(topic.partitions.len()).ok()?;
    let index = partition_for(group, count);
    let leader = topic.partitions.get(&index)?.leader?;
    if view.suspects.contains(&leader) {
        return None;
    }
    let broker = view
        .image
        .brokers
        .get(&leader)
        .filter(|broker| !broker.fenced)?;
    let endpoint = &broker.registration.client_endpoint;
    Some((
        WireBrokerId(leader.0),
        own(&endpoint.host),
        endpoint.port.into(),
    ))
}
