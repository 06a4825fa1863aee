//! Offsets that nobody uses any more.

use bytes::Bytes;
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::{JoinGroupRequest, LeaveGroupRequest, OffsetCommitRequest};
use kintsugi_types::{Time, TimestampMs};

use super::harness::*;
use super::offsets::{commit, fetch};
use super::restart::restarted;
use crate::event::{Command, Event, GroupRequest};

const WEEK_MS: i64 = 7 * 24 * 3_600 * 1_000;
const BEGIN: i64 = 5_000;

/// A harness whose coordinator has begun to look for what is to go.
fn loaded() -> Harness {
    restarted(&Harness::new())
}

/// A join that subscribes as consumers do.
fn consumer_join(member: &str, topics: &[&str]) -> JoinGroupRequest {
    let mut subscription = vec![0, 1];
    subscription.extend((topics.len() as u32).to_be_bytes());
    for topic in topics {
        subscription.extend((topic.len() as u16).to_be_bytes());
        subscription.extend(topic.as_bytes());
    }
    subscription.extend([0xff; 4]);
    let protocol = JoinGroupRequestProtocol::default()
        .with_name(text("range"))
        .with_metadata(Bytes::from(subscription));
    join(member).with_protocols(vec![protocol])
}

/// A stable group of one consumer of these topics; gives its member id.
fn stable_consumer(harness: &mut Harness, topics: &[&str]) -> String {
    harness.version = 3;
    let request = GroupRequest::JoinGroup(consumer_join("", topics));
    let (token, _) = harness.send(request);
    harness.now_ms += 3_000;
    let commands = harness.handle(Event::Wake);
    let member = joined_of(&commands, token).member_id.to_string();
    let (_, commands) = harness.sync(&member, 1, &[(&member, "a")]);
    harness.commit(&commands);
    member
}

/// Goes on to a wall time, keeps members alive, and commits what is appended meanwhile.
fn pass_to(harness: &mut Harness, wall: i64, member: Option<&str>) {
    harness.wall = TimestampMs(wall);
    for _ in 0..700 {
        harness.now_ms += 1_000;
        if let Some(member) = member {
            harness.heartbeat(member, 1);
        }
        let mut commands = harness.handle(Event::Wake);
        while commands
            .iter()
            .any(|command| matches!(command, Command::Append { .. }))
        {
            commands = harness.commit(&commands);
        }
    }
}

#[test]
fn an_offset_of_a_consumer_without_a_group_expires_a_week_after_its_commit() {
    let mut harness = loaded();
    let (_, commands) = harness.send(commit("", -1, 42, ""));
    harness.commit(&commands);
    pass_to(&mut harness, BEGIN + WEEK_MS - 1, None);
    assert_eq!(fetch(&mut harness).0, 42);
    pass_to(&mut harness, BEGIN + WEEK_MS, None);
    assert_eq!(fetch(&mut harness).0, -1);
    assert!(harness.coordinator.groups.is_empty());
    assert!(restarted(&harness).coordinator.groups.is_empty());
}

#[test]
fn the_offsets_of_an_empty_group_expire_a_week_after_its_last_member_left_and_the_group_with_them()
{
    let mut harness = loaded();
    let member = stable_consumer(&mut harness, &["topic"]);
    let (_, commands) = harness.send(commit(&member, 1, 42, ""));
    harness.commit(&commands);
    harness.wall = TimestampMs(BEGIN + 2 * WEEK_MS);
    let leave = LeaveGroupRequest::default()
        .with_group_id(group_id())
        .with_member_id(text(&member));
    harness.version = 2;
    let (_, commands) = harness.send(GroupRequest::LeaveGroup(leave));
    harness.commit(&commands);
    pass_to(&mut harness, BEGIN + 3 * WEEK_MS - 1, None);
    assert_eq!(fetch(&mut harness).0, 42);
    pass_to(&mut harness, BEGIN + 3 * WEEK_MS, None);
    assert_eq!(fetch(&mut harness).0, -1);
    assert!(harness.coordinator.groups.is_empty());
    assert!(restarted(&harness).coordinator.groups.is_empty());
}

#[test]
fn a_stable_group_keeps_the_offsets_of_what_it_subscribes_to_and_loses_others() {
    for (topics, expected) in [(["topic", "x"], 42), (["other", "x"], -1)] {
        let mut harness = loaded();
        let member = stable_consumer(&mut harness, &topics);
        let (_, commands) = harness.send(commit(&member, 1, 42, ""));
        harness.commit(&commands);
        pass_to(&mut harness, BEGIN + WEEK_MS, Some(&member));
        assert_eq!(fetch(&mut harness).0, expected, "{topics:?}");
        assert_eq!(fetch(&mut restarted(&harness)).0, expected);
    }
}

#[test]
fn members_that_subscribe_in_an_unknown_way_keep_all_offsets() {
    let mut harness = loaded();
    harness.version = 3;
    let (token, _) = harness.join("");
    harness.now_ms += 3_000;
    let commands = harness.handle(Event::Wake);
    let member = joined_of(&commands, token).member_id.to_string();
    let (_, commands) = harness.sync(&member, 1, &[]);
    harness.commit(&commands);
    let (_, commands) = harness.send(commit(&member, 1, 42, ""));
    harness.commit(&commands);
    pass_to(&mut harness, BEGIN + 9 * WEEK_MS, Some(&member));
    assert_eq!(fetch(&mut harness).0, 42);
}

#[test]
fn a_client_of_version_two_to_four_says_itself_how_long_its_offsets_stay() {
    let GroupRequest::OffsetCommit(request) = commit("", -1, 42, "") else {
        panic!()
    };
    for (retention_ms, until) in [(1_000, BEGIN + 1_000), (2 * WEEK_MS, BEGIN + 2 * WEEK_MS)] {
        let mut harness = loaded();
        let request: OffsetCommitRequest = request.clone().with_retention_time_ms(retention_ms);
        let (_, commands) = harness.send(GroupRequest::OffsetCommit(request));
        harness.commit(&commands);
        let mut harness = restarted(&harness);
        pass_to(&mut harness, until - 1, None);
        assert_eq!(fetch(&mut harness).0, 42);
        pass_to(&mut harness, until, None);
        assert_eq!(fetch(&mut harness).0, -1);
    }
}

#[test]
fn an_offset_that_is_being_committed_does_not_expire_under_it() {
    let mut harness = loaded();
    let (_, commands) = harness.send(commit("", -1, 42, ""));
    harness.commit(&commands);
    harness.wall = TimestampMs(BEGIN + WEEK_MS);
    let (_, commit_commands) = harness.send(commit("", -1, 43, ""));
    harness.now_ms += 600_000;
    assert_eq!(harness.handle(Event::Wake), vec![]);
    harness.commit(&commit_commands);
    assert_eq!(fetch(&mut harness).0, 43);
}

#[test]
fn the_offsets_of_a_deleted_topic_go_at_once_and_those_of_a_new_one_of_its_name_stay() {
    let mut harness = loaded();
    let (_, commands) = harness.send(commit("", -1, 42, ""));
    harness.commit(&commands);
    let gone = |topic: &str| Event::TopicsDeleted {
        topics: vec![topic.parse().unwrap()],
    };
    assert_eq!(harness.handle(gone("another")), vec![]);
    assert_eq!(fetch(&mut harness).0, 42);
    let commands = harness.handle(gone("topic"));
    harness.wall = TimestampMs(BEGIN + 1);
    let (_, commit_commands) = harness.send(commit("", -1, 7, ""));
    harness.commit(&commands);
    assert_eq!(fetch(&mut harness).0, -1);
    harness.commit(&commit_commands);
    assert_eq!(fetch(&mut harness).0, 7);
    assert_eq!(fetch(&mut restarted(&harness)).0, 7);
}

#[test]
fn many_offsets_are_looked_through_in_slices_and_all_expire() {
    let mut harness = loaded();
    for partition in 0..25 {
        let GroupRequest::OffsetCommit(mut request) = commit("", -1, 1, "") else {
            panic!()
        };
        let first = request.topics[0].partitions[0].clone();
        request.topics[0].partitions = (partition * 500..(partition + 1) * 500)
            .map(|index| first.clone().with_partition_index(index))
            .collect();
        let (_, commands) = harness.send(GroupRequest::OffsetCommit(request));
        harness.commit(&commands);
    }
    harness.wall = TimestampMs(BEGIN + WEEK_MS);
    harness.now_ms += 600_000;
    let mut slices = 0;
    while !harness.coordinator.groups.is_empty() {
        slices += 1;
        assert!(slices < 100, "does not end");
        let due = harness.coordinator.next_wake();
        assert!(due < Time::NEVER);
        harness.now_ms += 5;
        let commands = harness.handle(Event::Wake);
        if !commands.is_empty() {
            harness.commit(&commands);
        }
    }
    assert!(slices >= 12, "{slices} slices of at most 1,000");
}
