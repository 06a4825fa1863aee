//! ElectLeaders: preferred leaders are elected at once; unclean elections wait until the live
//! replicas have told where their logs end, so that the one that lost least leads.

use std::collections::BTreeMap;
use std::time::Duration;

use kafka_protocol::messages::elect_leaders_response::{PartitionResult, ReplicaElectionResult};
use kafka_protocol::messages::{ElectLeadersRequest, ElectLeadersResponse};
use kintsugi_node::message::admin::{AdminResult, ElectionKind, NamedPartition};
use kintsugi_node::message::link::{AdminAnswer, AdminRequest};
use kintsugi_types::{ErrorCode, PartitionIndex};

use super::answer::{Answer, ApiError};
use super::call::Call;
use super::create_topics::wait;
use super::topics::own;

/// Between two looks whether an unclean election is decided.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

const PREFERRED: i8 = 0;
const UNCLEAN: i8 = 1;

type Results = BTreeMap<NamedPartition, AdminResult>;

/// Has the active controller elect.
pub async fn serve(call: Call) -> Result<Answer, ApiError> {
    let request: ElectLeadersRequest = call.decode()?;
    // Version 0 has no type.
    let kind = match request.election_type {
        _ if call.version() == 0 => ElectionKind::Preferred,
        PREFERRED => ElectionKind::Preferred,
        UNCLEAN => ElectionKind::Unclean,
        _ => return answer(&call, ErrorCode::InvalidRequest, &Results::new()),
    };
    let mut results = Results::new();
    let partitions = request.topic_partitions.as_ref().map(|topics| {
        let mut named = Vec::new();
        for topic in topics {
            let Ok(name) = topic.topic.parse::<kintsugi_types::TopicName>() else {
                continue;
            };
            named.extend(topic.partitions.iter().map(|index| NamedPartition {
                topic: name.clone(),
                index: PartitionIndex(*index),
            }));
        }
        named
    });
    let limit = wait(request.timeout_ms);
    let deadline = call.broker().clock.now() + limit;
    let admin = AdminRequest::ElectLeaders { kind, partitions };
    match call.broker().admin(admin, limit).await {
        Some(AdminAnswer::Elected(decided)) => results.extend(decided),
        Some(AdminAnswer::NotDecided(error)) => return answer(&call, error, &results),
        Some(_) => return answer(&call, ErrorCode::UnknownServerError, &results),
        None => return Err(ApiError::NoAnswer),
    }
    if kind == ElectionKind::Unclean {
        while call.broker().clock.now() < deadline && !note_elected(&call, &mut results) {
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
    }
    answer(&call, ErrorCode::None, &results)
}

/// Notes which partitions have a leader by now; whether none is waited for any more.
fn note_elected(call: &Call, results: &mut Results) -> bool {
    let image = call.broker().image().image;
    let mut is_over = true;
    for (name, result) in results {
        if result.error != ErrorCode::EligibleLeadersNotAvailable {
            continue;
        }
        let topic = image.topic_named(&name.topic);
        let state = topic.and_then(|topic| topic.partitions.get(&name.index));
        match state.is_some_and(|state| state.leader.is_some()) {
            true => *result = AdminResult::DONE,
            false => is_over = false,
        }
    }
    is_over
}

fn answer(call: &Call, error: ErrorCode, results: &Results) -> Result<Answer, ApiError> {
    let mut topics: Vec<ReplicaElectionResult> = Vec::new();
    for (name, result) in results {
        let partition = PartitionResult::default()
            .with_partition_id(name.index.0)
            .with_error_code(result.error.code())
            .with_error_message(result.message.as_deref().map(own));
        match topics.last_mut() {
            Some(last) if &**last.topic == name.topic.as_str() => {
                last.partition_result.push(partition);
            }
            _ => topics.push(
                ReplicaElectionResult::default()
                    .with_topic(own(name.topic.as_str()).into())
                    .with_partition_result(vec![partition]),
            ),
        }
    }
    let mut response = ElectLeadersResponse::default().with_replica_election_results(topics);
    if call.version() >= 1 {
        response = response.with_error_code(error.code());
    } else if !error.is_none() {
        return Err(ApiError::NoAnswer);
    }
    call.encode::<ElectLeadersRequest>(&response)
}
