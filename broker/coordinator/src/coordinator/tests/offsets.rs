use kafka_protocol::messages::delete_groups_response::DeletableGroupResult;
use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_protocol::messages::offset_commit_response::{
    OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use kafka_protocol::messages::offset_fetch_request::OffsetFetchRequestGroup;
use kafka_protocol::messages::offset_fetch_request::OffsetFetchRequestTopics;
use kafka_protocol::messages::{OffsetCommitRequest, OffsetCommitResponse, TopicName};
use kintsugi_types::{ErrorCode, Offset, PartitionIndex};

use super::harness::*;
use crate::event::{Command, CommittedOffsets, Event, GroupRequest, GroupResponse};
use crate::id::GroupId;

pub(super) fn commit(member: &str, generation: i32, offset: i64, metadata: &str) -> GroupRequest {
    let partition = OffsetCommitRequestPartition::default()
        .with_partition_index(0)
        .with_committed_offset(offset)
        .with_committed_leader_epoch(4)
        .with_committed_metadata(Some(text(metadata)));
    let topic = OffsetCommitRequestTopic::default()
        .with_name(TopicName(text("topic")))
        .with_partitions(vec![partition]);
    let request = OffsetCommitRequest::default()
        .with_group_id(group_id())
        .with_member_id(text(member))
        .with_generation_id_or_member_epoch(generation)
        .with_topics(vec![topic]);
    GroupRequest::OffsetCommit(request)
}

pub(super) fn committed(token: u64, error: ErrorCode) -> Command {
    let partition = OffsetCommitResponsePartition::default().with_error_code(error.code());
    let topic = OffsetCommitResponseTopic::default()
        .with_name(TopicName(text("topic")))
        .with_partitions(vec![partition]);
    Command::Respond {
        token,
        response: GroupResponse::OffsetCommit(
            OffsetCommitResponse::default().with_topics(vec![topic]),
        ),
    }
}

/// The committed offset, its metadata and its epoch.
pub(super) fn fetch(harness: &mut Harness) -> (i64, String, i32) {
    let topic = OffsetFetchRequestTopics::default()
        .with_name(TopicName(text("topic")))
        .with_partition_indexes(vec![0]);
    let request = OffsetFetchRequestGroup::default()
        .with_group_id(group_id())
        .with_topics(Some(vec![topic]));
    let (_, commands) = harness.send(GroupRequest::OffsetFetch(request));
    match &commands[..] {
        [
            Command::Respond {
                response: GroupResponse::OffsetFetch(response),
                ..
            },
        ] => {
            let partition = &response.topics[0].partitions[0];
            let metadata = partition.metadata.as_ref().unwrap().to_string();
            (
                partition.committed_offset,
                metadata,
                partition.committed_leader_epoch,
            )
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_offset_is_answered_and_visible_only_once_its_record_is_committed() {
    let mut harness = Harness::new();
    let (token, commands) = harness.send(commit("", -1, 42, "note"));
    assert_eq!(commands.len(), 1, "only the append: {commands:?}");
    assert_eq!(fetch(&mut harness), (-1, String::new(), -1));
    let commands = harness.commit(&commands);
    assert_eq!(commands, vec![committed(token, ErrorCode::None)]);
    assert_eq!(fetch(&mut harness), (42, "note".to_owned(), 4));
}

#[test]
fn a_failed_append_leaves_the_offset_as_it_was() {
    let mut harness = Harness::new();
    let (_, commands) = harness.send(commit("", -1, 42, ""));
    harness.commit(&commands);
    let (token, commands) = harness.send(commit("", -1, 43, ""));
    let commands = harness.handle(Event::Appended {
        append_token: append_of(&commands).0,
        result: Err(ErrorCode::NotLeaderOrFollower),
    });
    assert_eq!(commands, vec![committed(token, ErrorCode::NotCoordinator)]);
    assert_eq!(fetch(&mut harness).0, 42);
}

#[test]
fn only_members_of_this_generation_commit_while_a_group_has_members() {
    let mut harness = Harness::new();
    let (_, other) = harness.stable_pair();
    let mut refused = |member: &str, generation, error| {
        let (token, commands) = harness.send(commit(member, generation, 1, ""));
        assert_eq!(commands, vec![committed(token, error)]);
    };
    refused("", -1, ErrorCode::UnknownMemberId);
    refused("stranger", 1, ErrorCode::UnknownMemberId);
    refused(&other, 0, ErrorCode::IllegalGeneration);
    let (token, commands) = harness.send(commit(&other, 1, 9, ""));
    let commands = harness.commit(&commands);
    assert_eq!(commands, vec![committed(token, ErrorCode::None)]);
}

#[test]
fn metadata_above_its_limit_is_refused_without_an_append() {
    let mut harness = Harness::new();
    let (token, commands) = harness.send(commit("", -1, 1, &"x".repeat(4_097)));
    let refused = committed(token, ErrorCode::OffsetMetadataTooLarge);
    assert_eq!(commands, vec![refused]);
    assert!(harness.coordinator.groups.is_empty());
}

#[test]
fn a_group_is_deleted_only_when_it_is_empty_and_then_with_its_offsets() {
    let mut harness = Harness::new();
    let id = GroupId("group".to_owned());
    let deleted = |token, error: ErrorCode| Command::Respond {
        token,
        response: GroupResponse::DeleteGroup(
            DeletableGroupResult::default()
                .with_group_id(group_id())
                .with_error_code(error.code()),
        ),
    };
    let (token, commands) = harness.send(GroupRequest::DeleteGroup(id.clone()));
    assert_eq!(commands, vec![deleted(token, ErrorCode::GroupIdNotFound)]);
    let (_, commands) = harness.send(commit("", -1, 1, ""));
    harness.commit(&commands);
    let (token, commands) = harness.send(GroupRequest::DeleteGroup(id.clone()));
    assert_eq!(
        harness.commit(&commands),
        vec![deleted(token, ErrorCode::None)]
    );
    assert_eq!(fetch(&mut harness).0, -1);
    assert!(harness.coordinator.groups.is_empty());

    harness.join("");
    let (token, commands) = harness.send(GroupRequest::DeleteGroup(id));
    assert_eq!(commands, vec![deleted(token, ErrorCode::NonEmptyGroup)]);
}

#[test]
fn a_member_that_joins_while_its_group_is_deleted_is_still_answered() {
    let mut harness = Harness::new();
    let (_, commands) = harness.send(commit("", -1, 1, ""));
    harness.commit(&commands);
    let delete = GroupRequest::DeleteGroup(GroupId("group".to_owned()));
    let (_, delete_commands) = harness.send(delete);
    let (token, _) = harness.join("");
    harness.commit(&delete_commands);
    assert_eq!(fetch(&mut harness).0, -1);
    let commands = harness.wake_at(4_000);
    assert_eq!(joined_of(&commands, token).generation_id, 1);
}

#[test]
fn what_groups_have_committed_is_listed_without_those_that_committed_nothing() {
    let mut harness = Harness::new();
    harness.stable_pair();
    let list = |harness: &mut Harness| {
        let (_, commands) = harness.send(GroupRequest::ListCommitted);
        match &commands[..] {
            [
                Command::Respond {
                    response: GroupResponse::ListCommitted(groups),
                    ..
                },
            ] => groups.clone(),
            other => panic!("no list: {other:?}"),
        }
    };
    assert_eq!(list(&mut harness), []);
    let mut harness = Harness::new();
    let (_, commands) = harness.send(commit("", -1, 5, "x"));
    // What is not committed in the log yet is not committed.
    assert_eq!(list(&mut harness), []);
    harness.commit(&commands);
    let expected = CommittedOffsets {
        group: GroupId("group".to_owned()),
        members: 0,
        offsets: vec![("topic".parse().unwrap(), PartitionIndex(0), Offset(5))],
    };
    assert_eq!(list(&mut harness), [expected]);
}
