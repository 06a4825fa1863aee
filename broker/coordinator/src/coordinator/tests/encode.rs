use bytes::BytesMut;
use kafka_protocol::messages::offset_fetch_request::OffsetFetchRequestTopic;
use kafka_protocol::messages::{
    DescribeGroupsResponse, ListGroupsResponse, OffsetFetchRequest, TopicName,
};
use kafka_protocol::protocol::Encodable;
use kintsugi_types::ErrorCode;

use super::harness::*;
use crate::event::{Command, GroupRequest, GroupResponse};
use crate::id::GroupId;
use crate::offset_fetch;

fn encodes(message: &impl Encodable, versions: std::ops::RangeInclusive<i16>) {
    for version in versions {
        let result = message.encode(&mut BytesMut::new(), version);
        assert!(result.is_ok(), "version {version}: {result:?}");
    }
}

fn answer(harness: &mut Harness, request: GroupRequest) -> GroupResponse {
    match harness.send(request).1.into_iter().next() {
        Some(Command::Respond { response, .. }) => response,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_join_is_answered_in_every_version() {
    for version in 0..=9 {
        let mut harness = Harness::new();
        harness.version = version;
        let (mut token, commands) = harness.join("");
        if version >= 4 {
            let given = joined_of(&commands, token).member_id.to_string();
            encodes(joined_of(&commands, token), version..=version);
            (token, _) = harness.join(&given);
        }
        let commands = harness.wake_at(4_000);
        let response = joined_of(&commands, token);
        assert_eq!(response.members.len(), 1);
        encodes(response, version..=version);
    }
}

#[test]
fn admin_answers_can_be_encoded_in_every_version() {
    let mut harness = Harness::new();
    harness.stable_pair();
    let request = GroupRequest::DescribeGroup(GroupId("group".to_owned()));
    let GroupResponse::DescribeGroup(group) = answer(&mut harness, request) else {
        panic!()
    };
    encodes(
        &DescribeGroupsResponse::default().with_groups(vec![group]),
        0..=6,
    );
    let request = GroupRequest::ListGroups {
        states: vec![],
        types: vec![],
    };
    let GroupResponse::ListGroups(groups) = answer(&mut harness, request) else {
        panic!()
    };
    encodes(&ListGroupsResponse::default().with_groups(groups), 0..=5);
}

#[test]
fn an_offset_fetch_is_taken_apart_and_put_together_in_every_version() {
    for version in 1..=9 {
        let mut harness = Harness::new();
        let (_, commands) = harness.send(super::offsets::commit("", -1, 5, "x"));
        harness.commit(&commands);
        let request = if version < 8 {
            let topic = OffsetFetchRequestTopic::default()
                .with_name(TopicName(text("topic")))
                .with_partition_indexes(vec![0]);
            OffsetFetchRequest::default()
                .with_group_id(group_id())
                .with_topics(Some(vec![topic]))
        } else {
            let all =
                kafka_protocol::messages::offset_fetch_request::OffsetFetchRequestGroup::default()
                    .with_group_id(group_id())
                    .with_topics(None);
            OffsetFetchRequest::default().with_groups(vec![all])
        };
        let groups = offset_fetch::split(version, request);
        let request = GroupRequest::OffsetFetch(groups[0].clone());
        let GroupResponse::OffsetFetch(found) = answer(&mut harness, request.clone()) else {
            panic!()
        };
        let response = offset_fetch::join(version, &groups, vec![found]);
        encodes(&response, version..=version);
        let offset = match version {
            8.. => response.groups[0].topics[0].partitions[0].committed_offset,
            _ => response.topics[0].partitions[0].committed_offset,
        };
        assert_eq!(offset, 5);

        let refused = request.refuse(ErrorCode::NotCoordinator);
        let GroupResponse::OffsetFetch(refused) = refused else {
            panic!()
        };
        let response = offset_fetch::join(version, &groups, vec![refused]);
        encodes(&response, version..=version);
        let code = match version {
            1 => response.topics[0].partitions[0].error_code,
            8.. => response.groups[0].error_code,
            _ => response.error_code,
        };
        assert_eq!(code, ErrorCode::NotCoordinator.code(), "version {version}");
    }
}
