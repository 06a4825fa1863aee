use kafka_protocol::messages::LeaveGroupRequest;
use kafka_protocol::messages::LeaveGroupResponse;
use kintsugi_types::{ErrorCode, Time};

use super::harness::*;
use crate::CoordinatorConfig;
use crate::event::{Command, Event, GroupRequest, GroupResponse};

fn leave(member: &str) -> GroupRequest {
    let request = LeaveGroupRequest::default()
        .with_group_id(group_id())
        .with_member_id(text(member));
    GroupRequest::LeaveGroup(request)
}

fn left(token: u64, error: ErrorCode) -> Command {
    let response = LeaveGroupResponse::default().with_error_code(error.code());
    Command::Respond {
        token,
        response: GroupResponse::LeaveGroup(response),
    }
}

#[test]
fn two_members_join_wait_the_initial_delay_and_are_stable_once_the_assignment_is_committed() {
    let mut harness = Harness::new();
    let (first_token, commands) = harness.join("");
    assert_eq!(commands, vec![]);
    harness.now_ms += 500;
    let (second_token, commands) = harness.join("");
    assert_eq!(commands, vec![]);

    // One came after the first: the wait is prolonged once.
    assert_eq!(harness.wake_at(4_000), vec![]);
    let commands = harness.wake_at(7_000);
    let first = joined_of(&commands, first_token).member_id.to_string();
    let second = joined_of(&commands, second_token).member_id.to_string();
    let mut ids = [first.as_str(), second.as_str()];
    ids.sort_unstable();
    let mut expected = vec![
        (first.clone(), joined(first_token, 1, &first, &first, &ids)),
        (
            second.clone(),
            joined(second_token, 1, &first, &second, &[]),
        ),
    ];
    expected.sort_by(|a, b| a.0.cmp(&b.0));
    let expected: Vec<Command> = expected.into_iter().map(|(_, command)| command).collect();
    assert_eq!(commands, expected);

    let (second_sync, commands) = harness.sync(&second, 1, &[]);
    assert_eq!(commands, vec![]);
    let (first_sync, commands) = harness.sync(&first, 1, &[(&first, "a"), (&second, "b")]);
    assert_eq!(commands.len(), 1, "only the append: {commands:?}");
    assert_eq!(harness.heartbeat(&first, 1), ErrorCode::None);
    let mut answers = vec![
        (&first, synced(first_sync, "a")),
        (&second, synced(second_sync, "b")),
    ];
    answers.sort_by_key(|(id, _)| *id);
    let answers: Vec<Command> = answers.into_iter().map(|(_, command)| command).collect();
    assert_eq!(harness.commit(&commands), answers);

    let (again, commands) = harness.sync(&second, 1, &[]);
    assert_eq!(commands, vec![synced(again, "b")]);
    assert_eq!(harness.heartbeat(&second, 0), ErrorCode::IllegalGeneration);
    assert_eq!(harness.heartbeat("stranger", 1), ErrorCode::UnknownMemberId);
}

#[test]
fn a_member_that_sends_no_heartbeat_is_removed_and_the_others_rebalance() {
    let mut harness = Harness::new();
    let (leader, other) = harness.stable_pair();
    let start = harness.now_ms;
    harness.now_ms = start + 4_000;
    assert_eq!(harness.heartbeat(&other, 1), ErrorCode::None);

    assert_eq!(harness.wake_at(start + SESSION_MS), vec![]);
    assert_eq!(harness.heartbeat(&leader, 1), ErrorCode::UnknownMemberId);
    assert_eq!(harness.heartbeat(&other, 1), ErrorCode::RebalanceInProgress);
    let (token, commands) = harness.join(&other);
    assert_eq!(commands, vec![joined(token, 2, &other, &other, &[&other])]);
}

#[test]
fn a_member_that_does_not_join_again_is_left_behind_after_the_rebalance_time() {
    let mut harness = Harness::new();
    let (leader, other) = harness.stable_pair();
    let (token, commands) = harness.join(&leader);
    assert_eq!(commands, vec![]);
    let start = harness.now_ms;
    // Its heartbeats keep its session alive, but it never joins.
    let mut now = start;
    while now + 5_000 < start + REBALANCE_MS {
        now += 5_000;
        harness.now_ms = now;
        assert_eq!(harness.heartbeat(&other, 1), ErrorCode::RebalanceInProgress);
    }
    let commands = harness.wake_at(start + REBALANCE_MS);
    assert_eq!(
        commands,
        vec![joined(token, 2, &leader, &leader, &[&leader])]
    );
    assert_eq!(harness.heartbeat(&other, 2), ErrorCode::UnknownMemberId);
}

#[test]
fn members_that_never_sync_are_removed() {
    let mut harness = Harness::new();
    let (leader, other) = harness.stable_pair();
    harness.join(&leader);
    let (_, commands) = harness.join(&other);
    assert_eq!(commands.len(), 2);
    let (sync_token, commands) = harness.sync(&other, 2, &[]);
    assert_eq!(commands, vec![]);
    let start = harness.now_ms;
    for step in 1..12 {
        harness.now_ms = start + step * 5_000;
        assert_eq!(harness.heartbeat(&leader, 2), ErrorCode::None);
    }
    let commands = harness.wake_at(start + REBALANCE_MS);
    assert_eq!(
        commands,
        vec![sync_failed(sync_token, ErrorCode::RebalanceInProgress)]
    );
    assert_eq!(harness.heartbeat(&leader, 2), ErrorCode::UnknownMemberId);
}

#[test]
fn the_last_member_to_leave_makes_the_group_empty_and_records_it() {
    let mut harness = Harness::new();
    harness.version = 2;
    let (leader, other) = harness.stable_pair();
    let (token, commands) = harness.send(leave(&other));
    assert_eq!(commands, vec![left(token, ErrorCode::None)]);
    let (token, commands) = harness.send(leave(&leader));
    assert_eq!(commands.len(), 2);
    assert_eq!(commands[1], left(token, ErrorCode::None));
    assert_eq!(harness.commit(&commands), vec![]);
    assert_eq!(harness.coordinator.next_wake(), Time::NEVER);
    let (token, commands) = harness.send(leave(&leader));
    assert_eq!(commands, vec![left(token, ErrorCode::UnknownMemberId)]);
}

#[test]
fn from_version_four_on_a_member_is_given_an_id_first() {
    let mut harness = Harness::new();
    harness.version = 4;
    let (token, commands) = harness.join("");
    let given = joined_of(&commands, token).member_id.to_string();
    let required = join_failed(token, &given, ErrorCode::MemberIdRequired);
    assert_eq!(commands, vec![required]);
    assert!(given.starts_with("client-"), "{given}");

    let (token, commands) = harness.join(&given);
    assert_eq!(commands, vec![]);
    let commands = harness.wake_at(4_000);
    assert_eq!(commands, vec![joined(token, 1, &given, &given, &[&given])]);
    let (token, commands) = harness.join("made-up");
    let refused = join_failed(token, "made-up", ErrorCode::UnknownMemberId);
    assert_eq!(commands, vec![refused]);
}

#[test]
fn an_id_that_is_never_used_expires_and_its_group_is_forgotten() {
    let mut harness = Harness::new();
    harness.version = 4;
    harness.join("");
    assert_eq!(harness.wake_at(1_000 + SESSION_MS), vec![]);
    assert_eq!(harness.coordinator.next_wake(), Time::NEVER);
    assert!(harness.coordinator.groups.is_empty());
}

#[test]
fn a_failed_append_of_the_assignment_fails_the_syncs_and_begins_again() {
    let mut harness = Harness::new();
    let (leader, other) = harness.stable_pair();
    harness.join(&leader);
    harness.join(&other);
    let (other_sync, _) = harness.sync(&other, 2, &[]);
    let (leader_sync, commands) = harness.sync(&leader, 2, &[(&leader, "c")]);
    let commands = harness.handle(Event::Appended {
        append_token: append_of(&commands).0,
        result: Err(ErrorCode::NotEnoughReplicas),
    });
    let error = ErrorCode::CoordinatorNotAvailable;
    let mut expected = vec![
        (&leader, sync_failed(leader_sync, error)),
        (&other, sync_failed(other_sync, error)),
    ];
    expected.sort_by_key(|(id, _)| *id);
    let expected: Vec<Command> = expected.into_iter().map(|(_, command)| command).collect();
    assert_eq!(commands, expected);
    assert_eq!(harness.heartbeat(&other, 2), ErrorCode::RebalanceInProgress);
}

#[test]
fn requests_outside_the_limits_are_refused() {
    let mut harness = Harness::with(CoordinatorConfig {
        members_max: 1,
        groups_max: 1,
        ..CoordinatorConfig::default()
    });
    let mut refused = |request, error| {
        let (token, commands) = harness.send(GroupRequest::JoinGroup(request));
        assert_eq!(commands, vec![join_failed(token, "", error)]);
    };
    let nameless = join("").with_group_id(Default::default());
    refused(nameless, ErrorCode::InvalidGroupId);
    let hasty = join("").with_session_timeout_ms(5);
    refused(hasty, ErrorCode::InvalidSessionTimeout);
    let negative = join("").with_session_timeout_ms(-1);
    refused(negative, ErrorCode::InvalidSessionTimeout);
    let without_protocol = join("").with_protocols(Vec::new());
    refused(without_protocol, ErrorCode::InconsistentGroupProtocol);
    harness.join("");
    let (token, commands) = harness.join("");
    let full = join_failed(token, "", ErrorCode::GroupMaxSizeReached);
    assert_eq!(commands, vec![full]);
    let elsewhere = join("").with_group_id(kafka_protocol::messages::GroupId(text("second")));
    let (token, commands) = harness.send(GroupRequest::JoinGroup(elsewhere));
    let full = join_failed(token, "", ErrorCode::GroupMaxSizeReached);
    assert_eq!(commands, vec![full]);
}

#[test]
fn resigning_answers_everything_that_waits() {
    let mut harness = Harness::new();
    let (leader, other) = harness.stable_pair();
    let (token, _) = harness.join(&leader);
    let mut out = Vec::new();
    harness.coordinator.resign(&mut out);
    let expected = join_failed(token, &leader, ErrorCode::NotCoordinator);
    assert_eq!(out, vec![expected]);
    drop(other);
}

#[test]
fn an_assignment_that_is_committed_after_the_next_rebalance_began_changes_nothing() {
    let mut harness = Harness::new();
    harness.version = 2;
    let (leader, other) = harness.stable_pair();
    harness.join(&leader);
    harness.join(&other);
    let (sync_token, append) = harness.sync(&leader, 2, &[(&leader, "late")]);
    let (leave_token, commands) = harness.send(leave(&other));
    let expected = vec![
        sync_failed(sync_token, ErrorCode::RebalanceInProgress),
        left(leave_token, ErrorCode::None),
    ];
    assert_eq!(commands, expected);

    assert_eq!(harness.commit(&append), vec![]);
    assert_eq!(
        harness.heartbeat(&leader, 2),
        ErrorCode::RebalanceInProgress
    );
    let (token, commands) = harness.join(&leader);
    assert_eq!(
        commands,
        vec![joined(token, 3, &leader, &leader, &[&leader])]
    );
}
