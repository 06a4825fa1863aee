//! Coordinators of groups, hosted by the shards that lead their partitions.

use std::collections::BTreeMap;

use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_protocol::messages::offset_fetch_request::OffsetFetchRequestGroup;
use kafka_protocol::messages::{GroupId, OffsetCommitRequest, TopicName};
use kafka_protocol::protocol::StrBytes;
use kintsugi_coordinator::{Client, GroupRequest, GroupResponse, TOPIC_NAME};
use kintsugi_metadata::MetadataRecord;
use kintsugi_types::ErrorCode;

use super::harness::{Cluster, PARTITION, TOPIC, state};
use crate::message::shard::{Command, Event, GroupAsk, Token};

const VERSION: i16 = 8;

pub(super) fn with_offsets_topic() -> Cluster {
    let mut cluster = Cluster::new();
    cluster.publish(vec![
        MetadataRecord::TopicCreated {
            topic: TOPIC,
            name: TOPIC_NAME.parse().unwrap(),
            configs: BTreeMap::new(),
        },
        state(0, 1, 1, &[0, 1, 2]),
    ]);
    cluster
}

fn text(text: &'static str) -> StrBytes {
    StrBytes::from_static_str(text)
}

pub(super) fn ask(cluster: &mut Cluster, id: usize, token: u64, request: GroupRequest) {
    let ask = GroupAsk {
        token: Token(token),
        partition: PARTITION,
        version: VERSION,
        client: Client::default(),
        request,
    };
    cluster.send(id, Event::Group(Box::new(ask)));
}

pub(super) fn commit(offset: i64) -> GroupRequest {
    let partition = OffsetCommitRequestPartition::default().with_committed_offset(offset);
    let topic = OffsetCommitRequestTopic::default()
        .with_name(TopicName(text("t")))
        .with_partitions(vec![partition]);
    let request = OffsetCommitRequest::default()
        .with_group_id(GroupId(text("g")))
        .with_topics(vec![topic]);
    GroupRequest::OffsetCommit(request)
}

pub(super) fn fetch() -> GroupRequest {
    let group = OffsetFetchRequestGroup::default()
        .with_group_id(GroupId(text("g")))
        .with_topics(None);
    GroupRequest::OffsetFetch(group)
}

fn answer(cluster: &Cluster, id: usize, asked: u64) -> Option<GroupResponse> {
    let commands = cluster.brokers[id].commands.iter();
    let mut answers = commands.filter_map(|command| match command {
        Command::AnswerGroup { token, response } if token.0 == asked => Some(response.clone()),
        _ => None,
    });
    let answer = answers.next();
    assert!(answers.next().is_none(), "two answers to one request");
    answer
}

/// The error of a commit's answer, if there is an answer.
pub(super) fn committed(cluster: &Cluster, id: usize, asked: u64) -> Option<i16> {
    match answer(cluster, id, asked)? {
        GroupResponse::OffsetCommit(response) => Some(response.topics[0].partitions[0].error_code),
        other => panic!("{other:?}"),
    }
}

/// The committed offset that an answer tells, or its error.
pub(super) fn fetched(cluster: &Cluster, id: usize, asked: u64) -> Option<Result<i64, i16>> {
    match answer(cluster, id, asked)? {
        GroupResponse::OffsetFetch(group) if group.error_code != 0 => Some(Err(group.error_code)),
        GroupResponse::OffsetFetch(group) => {
            Some(Ok(group.topics[0].partitions[0].committed_offset))
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_commit_is_answered_when_its_record_is_committed_not_before() {
    let mut cluster = with_offsets_topic();
    cluster.cut_off.insert(2);
    ask(&mut cluster, 0, 1, commit(7));
    assert_eq!(committed(&cluster, 0, 1), None);
    cluster.cut_off.clear();
    cluster.pass(2_500);
    assert_eq!(committed(&cluster, 0, 1), Some(0));
    ask(&mut cluster, 0, 2, fetch());
    assert_eq!(fetched(&cluster, 0, 2), Some(Ok(7)));
}

#[test]
fn a_new_leader_takes_over_what_was_committed_and_the_old_one_refers_to_it() {
    let mut cluster = with_offsets_topic();
    ask(&mut cluster, 0, 1, commit(7));
    cluster.pass(2_500);
    assert_eq!(committed(&cluster, 0, 1), Some(0));
    cluster.publish(vec![state(1, 2, 2, &[0, 1, 2])]);
    cluster.pass(2_500);
    ask(&mut cluster, 1, 2, fetch());
    assert_eq!(fetched(&cluster, 1, 2), Some(Ok(7)));
    ask(&mut cluster, 0, 3, fetch());
    let code = ErrorCode::NotCoordinator.code();
    assert_eq!(fetched(&cluster, 0, 3), Some(Err(code)));
}

#[test]
fn a_commit_that_waits_is_refused_when_leadership_is_lost() {
    let mut cluster = with_offsets_topic();
    cluster.cut_off.insert(2);
    ask(&mut cluster, 0, 1, commit(7));
    assert_eq!(committed(&cluster, 0, 1), None);
    cluster.publish(vec![state(1, 2, 2, &[0, 1, 2])]);
    let error = committed(&cluster, 0, 1).unwrap();
    assert_ne!(error, 0);
}

#[test]
fn a_new_leader_answers_nothing_before_what_it_took_over_is_committed() {
    let mut cluster = with_offsets_topic();
    cluster.cut_off.insert(2);
    ask(&mut cluster, 0, 1, commit(7));
    cluster.cut_off.insert(0);
    cluster.publish(vec![state(1, 2, 2, &[0, 1, 2])]);
    ask(&mut cluster, 1, 2, fetch());
    let code = ErrorCode::CoordinatorLoadInProgress.code();
    assert_eq!(fetched(&cluster, 1, 2), Some(Err(code)));
    cluster.cut_off.clear();
    cluster.pass(2_500);
    ask(&mut cluster, 1, 3, fetch());
    assert_eq!(fetched(&cluster, 1, 3), Some(Ok(7)));
}

#[test]
fn a_partition_of_another_topic_has_no_coordinator() {
    let mut cluster = Cluster::with_topic();
    ask(&mut cluster, 0, 1, fetch());
    let code = ErrorCode::NotCoordinator.code();
    assert_eq!(fetched(&cluster, 0, 1), Some(Err(code)));
}
