//! OffsetDelete.

use kafka_protocol::messages::offset_delete_request::{
    OffsetDeleteRequestPartition, OffsetDeleteRequestTopic,
};
use kafka_protocol::messages::{OffsetDeleteRequest, OffsetDeleteResponse, TopicName};
use kintsugi_types::ErrorCode;

use super::harness::*;
use super::offsets::{commit, fetch};
use super::restart::restarted;
use crate::event::{Command, GroupRequest, GroupResponse};

fn delete() -> GroupRequest {
    let partitions =
        [0, 9].map(|index| OffsetDeleteRequestPartition::default().with_partition_index(index));
    let topic = OffsetDeleteRequestTopic::default()
        .with_name(TopicName(text("topic")))
        .with_partitions(partitions.to_vec());
    let request = OffsetDeleteRequest::default()
        .with_group_id(group_id())
        .with_topics(vec![topic]);
    GroupRequest::OffsetDelete(request)
}

fn answer(commands: &[Command]) -> &OffsetDeleteResponse {
    match commands {
        [
            Command::Respond {
                response: GroupResponse::OffsetDelete(response),
                ..
            },
        ] => response,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_offsets_of_a_group_without_members_are_deleted_once_their_tombstones_are_committed() {
    let mut harness = Harness::new();
    let (_, commands) = harness.send(delete());
    let not_found = ErrorCode::GroupIdNotFound.code();
    assert_eq!(answer(&commands).error_code, not_found);

    let (_, commands) = harness.send(commit("", -1, 42, ""));
    harness.commit(&commands);
    let (_, commands) = harness.send(delete());
    assert_eq!(fetch(&mut harness).0, 42);
    let commands = harness.commit(&commands);
    let partitions = &answer(&commands).topics[0].partitions;
    let results: Vec<_> = partitions
        .iter()
        .map(|partition| (partition.partition_index, partition.error_code))
        .collect();
    assert_eq!(results, vec![(0, 0), (9, 0)]);
    assert_eq!(fetch(&mut harness).0, -1);
    assert_eq!(fetch(&mut restarted(&harness)).0, -1);
}

#[test]
fn what_members_may_be_subscribed_to_is_not_deleted() {
    let mut harness = Harness::new();
    let (member, _) = harness.stable_pair();
    let (_, commands) = harness.send(commit(&member, 1, 42, ""));
    harness.commit(&commands);
    let (_, commands) = harness.send(delete());
    let subscribed = ErrorCode::GroupSubscribedToTopic.code();
    assert_eq!(
        answer(&commands).topics[0].partitions[0].error_code,
        subscribed
    );
    assert_eq!(fetch(&mut harness).0, 42);
}

#[test]
fn a_group_that_is_no_consumers_must_be_empty() {
    let mut harness = Harness::new();
    let request = join("").with_protocol_type(text("connect"));
    harness.send(GroupRequest::JoinGroup(request));
    let (_, commands) = harness.send(delete());
    let non_empty = ErrorCode::NonEmptyGroup.code();
    assert_eq!(answer(&commands).error_code, non_empty);
}
