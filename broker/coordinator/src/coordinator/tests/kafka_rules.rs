//! Rules of Kafka's group coordinator that clients rely on, one a test.

use bytes::Bytes;
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::leave_group_request::MemberIdentity;
use kafka_protocol::messages::{JoinGroupRequest, LeaveGroupRequest};
use kintsugi_types::ErrorCode;

use super::harness::*;
use super::offsets::{commit, committed};
use super::restart::restarted;
use crate::CoordinatorConfig;
use crate::event::{Command, Event, GroupRequest, GroupResponse};
use crate::id::GroupId;

fn offering(member: &str, protocols: &[&str]) -> JoinGroupRequest {
    let protocols = protocols.iter().map(|name| {
        JoinGroupRequestProtocol::default()
            .with_name(text(name))
            .with_metadata(Bytes::from_static(b"topics"))
    });
    join(member).with_protocols(protocols.collect())
}

fn instance(member: &str, instance: &str) -> JoinGroupRequest {
    join(member).with_group_instance_id(Some(text(instance)))
}

fn send_join(harness: &mut Harness, request: JoinGroupRequest) -> (u64, Vec<Command>) {
    harness.send(GroupRequest::JoinGroup(request))
}

/// Wakes until the initial delay is over.
fn after_initial_delay(harness: &mut Harness) -> Vec<Command> {
    let mut all = Vec::new();
    for _ in 0..30 {
        harness.now_ms += 3_000;
        all.extend(harness.handle(Event::Wake));
        if !all.is_empty() {
            return all;
        }
    }
    panic!("the join never ends");
}

fn error_of(commands: &[Command]) -> ErrorCode {
    let code = match commands {
        [Command::Respond { response, .. }] => match response {
            GroupResponse::JoinGroup(response) => response.error_code,
            GroupResponse::SyncGroup(response) => response.error_code,
            GroupResponse::Heartbeat(response) => response.error_code,
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    };
    ErrorCode::from_code(code).unwrap()
}

fn leave(
    harness: &mut Harness,
    members: &[(&str, Option<&str>)],
) -> (Vec<ErrorCode>, Vec<Command>) {
    let members = members.iter().map(|(member, instance)| {
        MemberIdentity::default()
            .with_member_id(text(member))
            .with_group_instance_id(instance.map(text))
    });
    let request = LeaveGroupRequest::default()
        .with_group_id(group_id())
        .with_members(members.collect());
    let (token, commands) = harness.send(GroupRequest::LeaveGroup(request));
    let found = commands.iter().find_map(|command| match command {
        Command::Respond {
            token: to,
            response: GroupResponse::LeaveGroup(response),
        } if *to == token => Some(response.members.clone()),
        _ => None,
    });
    let errors = found.unwrap().into_iter();
    let errors = errors.map(|member| ErrorCode::from_code(member.error_code).unwrap());
    (errors.collect(), commands)
}

#[test]
fn the_protocol_that_most_members_prefer_is_chosen_among_those_that_all_know() {
    let mut harness = Harness::new();
    let wanted: [&[&str]; 3] = [
        &["sticky", "range"],
        &["range", "sticky"],
        &["range", "mine", "sticky"],
    ];
    let tokens: Vec<u64> = wanted
        .iter()
        .map(|protocols| send_join(&mut harness, offering("", protocols)).0)
        .collect();
    let commands = after_initial_delay(&mut harness);
    for token in tokens {
        let response = joined_of(&commands, token);
        assert_eq!(response.protocol_name.as_deref(), Some("range"));
    }
}

#[test]
fn a_member_that_shares_no_protocol_or_type_with_the_group_is_refused() {
    let mut harness = Harness::new();
    harness.stable_pair();
    let error = ErrorCode::InconsistentGroupProtocol;
    let (_, commands) = send_join(&mut harness, offering("", &["other"]));
    assert_eq!(error_of(&commands), error);
    let (_, commands) = send_join(&mut harness, join("").with_protocol_type(text("connect")));
    assert_eq!(error_of(&commands), error);
    let mut empty = Harness::new();
    let (_, commands) = send_join(&mut empty, offering("", &[]));
    assert_eq!(error_of(&commands), error);
    let (_, commands) = send_join(&mut empty, join("").with_protocol_type(text("")));
    assert_eq!(error_of(&commands), error);
    assert!(empty.coordinator.groups.is_empty());
}

#[test]
fn a_member_that_the_group_does_not_know_cannot_join_by_an_id_of_its_own() {
    let mut harness = Harness::new();
    let (_, commands) = harness.join("made-up");
    assert_eq!(error_of(&commands), ErrorCode::UnknownMemberId);
    harness.stable_pair();
    let (_, commands) = harness.join("made-up");
    assert_eq!(error_of(&commands), ErrorCode::UnknownMemberId);
}

#[test]
fn a_follower_that_joins_again_unchanged_disturbs_nobody_and_a_leader_begins_a_rebalance() {
    let mut harness = Harness::new();
    let (leader, other) = harness.stable_pair();
    let (token, commands) = harness.join(&other);
    assert_eq!(joined_of(&commands, token).generation_id, 1);
    assert_eq!(harness.heartbeat(&leader, 1), ErrorCode::None);
    let (_, commands) = harness.join(&leader);
    assert_eq!(commands, vec![]);
    assert_eq!(harness.heartbeat(&other, 1), ErrorCode::RebalanceInProgress);
}

#[test]
fn a_follower_whose_subscription_changed_begins_a_rebalance() {
    let mut harness = Harness::new();
    let (leader, other) = harness.stable_pair();
    let mut request = join(&other);
    request.protocols[0].metadata = Bytes::from_static(b"other topics");
    assert_eq!(send_join(&mut harness, request).1, vec![]);
    assert_eq!(
        harness.heartbeat(&leader, 1),
        ErrorCode::RebalanceInProgress
    );
}

#[test]
fn when_the_leader_leaves_another_that_joined_leads() {
    let mut harness = Harness::new();
    harness.version = 3;
    let (leader, other) = harness.stable_pair();
    let (errors, _) = leave(&mut harness, &[(&leader, None)]);
    assert_eq!(errors, vec![ErrorCode::None]);
    let (token, commands) = harness.join(&other);
    let response = joined_of(&commands, token);
    assert_eq!((&*response.leader, response.generation_id), (&*other, 2));
    assert_eq!(response.members.len(), 1);
}

#[test]
fn a_leader_that_does_not_join_again_is_replaced_by_one_that_did() {
    let mut harness = Harness::new();
    let (leader, other) = harness.stable_pair();
    let mut request = join(&other);
    request.protocols[0].metadata = Bytes::from_static(b"other topics");
    let (token, _) = send_join(&mut harness, request);
    // The leader lives, but does not join in time.
    let mut commands = Vec::new();
    for _ in 0..REBALANCE_MS / 5_000 {
        harness.heartbeat(&leader, 1);
        harness.now_ms += 5_000;
        commands.extend(harness.handle(Event::Wake));
    }
    assert_eq!(&*joined_of(&commands, token).leader, &*other);
    assert_eq!(harness.heartbeat(&leader, 2), ErrorCode::UnknownMemberId);
}

#[test]
fn members_are_told_of_an_old_generation_before_they_are_served() {
    let mut harness = Harness::new();
    let (leader, other) = harness.stable_pair();
    assert_eq!(harness.heartbeat(&other, 0), ErrorCode::IllegalGeneration);
    let (_, commands) = harness.sync(&leader, 2, &[]);
    assert_eq!(error_of(&commands), ErrorCode::IllegalGeneration);
    assert_eq!(harness.heartbeat("nobody", 1), ErrorCode::UnknownMemberId);
}

#[test]
fn a_commit_between_join_and_sync_is_told_that_the_group_rebalances() {
    let mut harness = Harness::new();
    let (token, _) = harness.join("");
    let commands = after_initial_delay(&mut harness);
    let member = joined_of(&commands, token).member_id.to_string();
    let (token, commands) = harness.send(commit(&member, 1, 5, ""));
    assert_eq!(
        commands,
        vec![committed(token, ErrorCode::RebalanceInProgress)]
    );
}

#[test]
fn a_commit_to_a_group_that_does_not_exist_needs_no_generation_or_is_refused_by_version() {
    for (version, error) in [
        (8, ErrorCode::IllegalGeneration),
        (9, ErrorCode::GroupIdNotFound),
    ] {
        let mut harness = Harness::new();
        harness.version = version;
        let (token, commands) = harness.send(commit("someone", 1, 5, ""));
        assert_eq!(commands, vec![committed(token, error)]);
        let (_, commands) = harness.send(commit("", -1, 5, ""));
        assert_eq!(commands.len(), 1, "only the append: {commands:?}");
    }
}

#[test]
fn a_group_that_does_not_exist_is_described_as_dead_or_from_version_six_on_as_not_found() {
    let mut harness = Harness::new();
    for (version, error) in [(5, ErrorCode::None), (6, ErrorCode::GroupIdNotFound)] {
        harness.version = version;
        let request = GroupRequest::DescribeGroup(GroupId("nowhere".to_owned()));
        let (_, commands) = harness.send(request);
        let [
            Command::Respond {
                response: GroupResponse::DescribeGroup(group),
                ..
            },
        ] = &commands[..]
        else {
            panic!("{commands:?}")
        };
        assert_eq!(&*group.group_state, "Dead");
        assert_eq!(group.error_code, error.code());
        assert_eq!(group.error_message.is_some(), error != ErrorCode::None);
    }
}

#[test]
fn groups_are_listed_by_state_and_type_in_any_case() {
    let mut harness = Harness::new();
    harness.stable_pair();
    let mut count = |states: &[&str], types: &[&str]| {
        let own = |texts: &[&str]| texts.iter().map(ToString::to_string).collect();
        let (_, commands) = harness.send(GroupRequest::ListGroups {
            states: own(states),
            types: own(types),
        });
        match &commands[..] {
            [
                Command::Respond {
                    response: GroupResponse::ListGroups(groups),
                    ..
                },
            ] => groups.len(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(count(&[], &[]), 1);
    assert_eq!(count(&["STABLE", "empty"], &["Classic"]), 1);
    assert_eq!(count(&[], &["consumer"]), 0);
    assert_eq!(count(&["Empty"], &[]), 0);
}

#[test]
fn members_beyond_the_largest_size_are_refused_and_static_ones_still_replaced() {
    let mut harness = Harness::with(CoordinatorConfig {
        members_max: 2,
        ..CoordinatorConfig::default()
    });
    harness.version = 5;
    send_join(&mut harness, instance("", "one"));
    send_join(&mut harness, instance("", "two"));
    let (_, commands) = send_join(&mut harness, instance("", "three"));
    assert_eq!(error_of(&commands), ErrorCode::GroupMaxSizeReached);
    let (_, commands) = send_join(&mut harness, instance("", "two"));
    assert!(matches!(
        &commands[..],
        [Command::Respond { response: GroupResponse::JoinGroup(fenced), .. }]
            if fenced.error_code == ErrorCode::FencedInstanceId.code()
    ));
}

#[test]
fn a_group_that_is_too_large_for_its_new_coordinator_rebalances_to_those_who_join_first() {
    let mut harness = Harness::new();
    let (leader, other) = harness.stable_pair();
    let mut next = restarted(&harness);
    next.coordinator.config.members_max = 1;
    next.coordinator
        .finish_load(kintsugi_types::Time::from_millis(next.now_ms), next.wall);
    assert_eq!(next.heartbeat(&leader, 1), ErrorCode::RebalanceInProgress);
    let (token, commands) = next.join(&other);
    assert_eq!(commands, vec![]);
    let (_, commands) = next.join(&leader);
    assert_eq!(error_of(&commands), ErrorCode::GroupMaxSizeReached);
    let mut commands = Vec::new();
    for _ in 0..REBALANCE_MS / 5_000 {
        next.now_ms += 5_000;
        commands.extend(next.handle(Event::Wake));
    }
    assert_eq!(joined_of(&commands, token).members.len(), 1);
}

#[test]
fn several_members_leave_at_once_each_with_its_own_result() {
    let mut harness = Harness::new();
    harness.version = 5;
    let (one, _) = send_join(&mut harness, instance("", "one"));
    let (two, _) = send_join(&mut harness, instance("", "two"));
    let commands = after_initial_delay(&mut harness);
    let one = joined_of(&commands, one).member_id.to_string();
    let two = joined_of(&commands, two).member_id.to_string();
    let (errors, commands) = leave(
        &mut harness,
        &[
            ("", Some("one")),
            ("stranger", Some("two")),
            ("", Some("three")),
            ("nobody", None),
            (&two, Some("two")),
        ],
    );
    assert_eq!(
        errors,
        vec![
            ErrorCode::None,
            ErrorCode::FencedInstanceId,
            ErrorCode::UnknownMemberId,
            ErrorCode::UnknownMemberId,
            ErrorCode::None,
        ]
    );
    // The group is empty now, which is recorded.
    harness.commit(&commands);
    assert_eq!(harness.heartbeat(&one, 1), ErrorCode::UnknownMemberId);
}

#[test]
fn a_static_member_keeps_its_place_for_its_session_though_it_does_not_join_again() {
    let mut harness = Harness::new();
    harness.version = 5;
    let (one, _) = send_join(&mut harness, instance("", "one"));
    let (two, _) = send_join(&mut harness, instance("", "two"));
    let commands = after_initial_delay(&mut harness);
    let leader = joined_of(&commands, one).leader.to_string();
    let one = joined_of(&commands, one).member_id.to_string();
    let two = joined_of(&commands, two).member_id.to_string();
    let (away, away_instance) = match leader == one {
        true => (&two, "two"),
        false => (&one, "one"),
    };
    harness.sync(away, 1, &[]);
    let (_, commands) = harness.sync(&leader, 1, &[(&one, "a"), (&two, "b")]);
    harness.commit(&commands);
    assert_eq!(harness.heartbeat(away, 1), ErrorCode::None);
    // The other one goes away for less than its session.
    harness.now_ms += SESSION_MS - 1;
    harness.heartbeat(&leader, 1);
    harness.handle(Event::Wake);
    let (token, commands) = send_join(&mut harness, instance("", away_instance));
    let commands = harness.commit(&commands);
    let response = joined_of(&commands, token);
    assert_eq!(response.generation_id, 1);
    assert_eq!(harness.heartbeat(&leader, 1), ErrorCode::None);
    // And for longer.
    let back = response.member_id.to_string();
    for _ in 0..3 {
        harness.now_ms += SESSION_MS / 2;
        harness.heartbeat(&leader, 1);
        harness.handle(Event::Wake);
    }
    assert_eq!(
        harness.heartbeat(&leader, 1),
        ErrorCode::RebalanceInProgress
    );
    assert_eq!(harness.heartbeat(&back, 1), ErrorCode::UnknownMemberId);
}

#[test]
fn a_static_member_that_starts_again_rebalances_only_if_the_protocol_changes() {
    for (protocols, is_quiet) in [(&["range", "sticky"][..], true), (&["sticky"][..], false)] {
        let mut harness = Harness::new();
        harness.version = 5;
        let request = offering("", &["range", "sticky"]).with_group_instance_id(Some(text("one")));
        let (token, _) = send_join(&mut harness, request);
        let commands = after_initial_delay(&mut harness);
        let member = joined_of(&commands, token).member_id.to_string();
        let (_, commands) = harness.sync(&member, 1, &[(&member, "a")]);
        harness.commit(&commands);
        let mut request = offering("", protocols).with_group_instance_id(Some(text("one")));
        // It owns no partitions and knows of no generation, and says so in its subscription.
        request.protocols[0].metadata = Bytes::from_static(b"owns nothing");
        let (token, commands) = send_join(&mut harness, request);
        if is_quiet {
            let commands = harness.commit(&commands);
            assert_eq!(joined_of(&commands, token).generation_id, 1);
        } else {
            let response = joined_of(&commands, token);
            assert_eq!(response.generation_id, 2);
            assert_eq!(response.protocol_name.as_deref(), Some("sticky"));
        }
    }
}

#[test]
fn a_fenced_instance_is_told_so_in_every_request() {
    let mut harness = Harness::new();
    harness.version = 5;
    let (token, _) = send_join(&mut harness, instance("", "one"));
    let commands = after_initial_delay(&mut harness);
    let old = joined_of(&commands, token).member_id.to_string();
    let (_, commands) = harness.sync(&old, 1, &[(&old, "a")]);
    harness.commit(&commands);
    let (_, commands) = send_join(&mut harness, instance("", "one"));
    harness.commit(&commands);

    let fenced = ErrorCode::FencedInstanceId;
    let (_, commands) = send_join(&mut harness, instance(&old, "one"));
    assert_eq!(error_of(&commands), fenced);
    let heartbeat = kafka_protocol::messages::HeartbeatRequest::default()
        .with_group_id(group_id())
        .with_member_id(text(&old))
        .with_group_instance_id(Some(text("one")))
        .with_generation_id(1);
    let (_, commands) = harness.send(GroupRequest::Heartbeat(heartbeat));
    assert_eq!(error_of(&commands), fenced);
    let sync = kafka_protocol::messages::SyncGroupRequest::default()
        .with_group_id(group_id())
        .with_member_id(text(&old))
        .with_group_instance_id(Some(text("one")))
        .with_generation_id(1);
    let (_, commands) = harness.send(GroupRequest::SyncGroup(sync));
    assert_eq!(error_of(&commands), fenced);
    let GroupRequest::OffsetCommit(request) = commit(&old, 1, 5, "") else {
        panic!()
    };
    let request = request.with_group_instance_id(Some(text("one")));
    let (token, commands) = harness.send(GroupRequest::OffsetCommit(request));
    assert_eq!(commands, vec![committed(token, fenced)]);
}
