use kafka_protocol::messages::JoinGroupRequest;
use kintsugi_types::ErrorCode;

use super::harness::*;
use crate::event::GroupRequest;

fn static_join(member: &str) -> GroupRequest {
    let request: JoinGroupRequest = join(member).with_group_instance_id(Some(text("pod-0")));
    GroupRequest::JoinGroup(request)
}

/// A stable group of one static member.
fn stable_static(harness: &mut Harness) -> String {
    let (token, commands) = harness.send(static_join(""));
    assert_eq!(commands, vec![]);
    let commands = harness.wake_at(4_000);
    let member = joined_of(&commands, token).member_id.to_string();
    let (_, commands) = harness.sync(&member, 1, &[(&member, "a")]);
    harness.commit(&commands);
    member
}

#[test]
fn a_static_member_that_restarts_takes_its_place_without_a_rebalance() {
    let mut harness = Harness::new();
    harness.version = 5;
    let old = stable_static(&mut harness);
    let (token, commands) = harness.send(static_join(""));
    assert_eq!(commands.len(), 1, "only the append: {commands:?}");
    let commands = harness.commit(&commands);
    let new = joined_of(&commands, token).member_id.to_string();
    assert_ne!(new, old);
    assert_eq!(commands, vec![joined(token, 1, &old, &new, &[])]);
    let (token, commands) = harness.sync(&new, 1, &[]);
    assert_eq!(commands, vec![synced(token, "a")]);

    let (token, commands) = harness.send(static_join(&old));
    let fenced = join_failed(token, &old, ErrorCode::FencedInstanceId);
    assert_eq!(commands, vec![fenced]);
}

#[test]
fn a_static_leader_that_restarts_is_told_not_to_assign_from_version_nine_on() {
    let mut harness = Harness::new();
    harness.version = 9;
    let old = stable_static(&mut harness);
    let (token, commands) = harness.send(static_join(""));
    let commands = harness.commit(&commands);
    let response = joined_of(&commands, token);
    assert!(response.skip_assignment);
    assert_eq!(response.leader, response.member_id);
    assert_ne!(*response.leader, *old);
    assert_eq!(response.members.len(), 1);
}
