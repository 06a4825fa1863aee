//! `GET /v1/group-offsets`: what the groups have committed that this broker coordinates.

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use kintsugi_coordinator::{Client, CommittedOffsets, GroupRequest, GroupResponse, TOPIC_NAME};
use kintsugi_types::{PartitionId, TopicName};
use serde::Serialize;
use tokio::time::timeout;

use super::{Json, Shared, WAIT_MAX, not_decided};
use crate::broker::BrokerHandle;

/// Committed offsets that are told at most: about 2 MB.
const OFFSETS_MAX: usize = 100_000;

#[derive(Serialize)]
struct Answer {
    groups: Vec<Group>,
    /// Offsets that are not told, for want of room.
    left_out: usize,
}

#[derive(Serialize)]
struct Group {
    id: String,
    members: usize,
    topics: Vec<Topic>,
}

#[derive(Serialize)]
struct Topic {
    name: String,
    /// Each with its number and the next offset that the group wants.
    partitions: Vec<(i32, i64)>,
}

/// `GET /v1/group-offsets`.
pub async fn groups(State(app): Shared) -> Response {
    let Some(broker) = app.broker() else {
        return not_decided("the process is starting");
    };
    let asked = futures::future::try_join_all(ask(broker));
    let Ok(Ok(answers)) = timeout(WAIT_MAX, asked).await else {
        return not_decided("a shard did not answer in time");
    };
    let listed = answers.into_iter().filter_map(|answer| match answer {
        GroupResponse::ListCommitted(groups) => Some(groups),
        _ => None,
    });
    Json(answer(listed.flatten(), OFFSETS_MAX)).into_response()
}

/// Asks the coordinator of every partition of `__consumer_offsets` that is led here.
fn ask(broker: &BrokerHandle) -> Vec<tokio::sync::oneshot::Receiver<GroupResponse>> {
    let published = broker.image();
    let name: Option<TopicName> = TOPIC_NAME.parse().ok();
    let Some(topic) = name.and_then(|name| published.image.topic_named(&name).cloned()) else {
        return Vec::new();
    };
    let led = topic
        .partitions
        .iter()
        .filter(|(_, state)| state.leader == Some(broker.id));
    led.map(|(index, _)| {
        let partition = PartitionId {
            topic: topic.id,
            index: *index,
        };
        broker.group(partition, 0, Client::default(), GroupRequest::ListCommitted)
    })
    .collect()
}

fn answer(groups: impl Iterator<Item = CommittedOffsets>, offsets_max: usize) -> Answer {
    let mut answer = Answer {
        groups: Vec::new(),
        left_out: 0,
    };
    let mut room = offsets_max;
    for CommittedOffsets {
        group,
        members,
        offsets,
    } in groups
    {
        answer.left_out += offsets.len().saturating_sub(room);
        let mut topics: Vec<Topic> = Vec::new();
        for (name, partition, offset) in offsets.iter().take(room) {
            let told = (partition.0, offset.0);
            match topics.last_mut() {
                Some(last) if last.name == name.as_str() => last.partitions.push(told),
                _ => topics.push(Topic {
                    name: name.as_str().to_owned(),
                    partitions: vec![told],
                }),
            }
        }
        room = room.saturating_sub(offsets.len());
        if !topics.is_empty() {
            answer.groups.push(Group {
                id: group.0,
                members,
                topics,
            });
        }
    }
    answer
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use kintsugi_coordinator::GroupId;
    use kintsugi_types::{Offset, PartitionIndex};

    use super::*;

    #[test]
    fn offsets_above_the_limit_are_left_out_and_counted() {
        let group = |id: &str| CommittedOffsets {
            group: GroupId(id.to_owned()),
            members: 1,
            offsets: ["a", "a", "b"]
                .iter()
                .zip(0..)
                .map(|(name, n)| (name.parse().unwrap(), PartitionIndex(n), Offset(10)))
                .collect(),
        };
        let answer = answer([group("g"), group("h")].into_iter(), 4);
        let told = serde_json::to_value(&answer).unwrap();
        let partitions = serde_json::json!([[0, 10], [1, 10]]);
        assert_eq!(
            told,
            serde_json::json!({"left_out": 2, "groups": [
                {"id": "g", "members": 1, "topics": [
                    {"name": "a", "partitions": partitions},
                    {"name": "b", "partitions": [[2, 10]]},
                ]},
                {"id": "h", "members": 1, "topics": [{"name": "a", "partitions": [[0, 10]]}]},
            ]})
        );
    }
}
