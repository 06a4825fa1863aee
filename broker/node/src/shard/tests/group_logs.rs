//! The logs of coordinators stay in proportion to what is in use.

use std::collections::BTreeMap;

use kintsugi_metadata::MetadataRecord;
use kintsugi_types::{ErrorCode, TopicId};
use uuid::Uuid;

use super::groups::{ask, commit, committed, fetch, fetched, with_offsets_topic};
use super::harness::{Cluster, GROUP_LOG_BYTES, PARTITION, open, state};
use crate::directory::LastRun;
use crate::message::shard::Event;

/// Longer than a coordinator is left alone after it was loaded.
const PAUSE_MS: u64 = 31_000;

fn log_start(cluster: &Cluster, id: usize) -> i64 {
    let shard = cluster.brokers[id].shard.as_ref().unwrap();
    shard.partitions[&PARTITION].log.log_start().0
}

fn size_bytes(cluster: &Cluster, id: usize) -> u64 {
    let shard = cluster.brokers[id].shard.as_ref().unwrap();
    shard.partitions[&PARTITION].log.size_bytes()
}

/// So many commits, one after another, of the numbers from `first` on.
fn commit_many(cluster: &mut Cluster, id: usize, first: u64, count: u64) {
    for number in first..first + count {
        ask(cluster, id, number, commit(number as i64));
        cluster.pass(10);
        assert_eq!(committed(cluster, id, number), Some(0), "commit {number}");
    }
}

#[test]
fn a_log_that_has_grown_is_rewritten_on_the_leader_and_begins_there_on_every_follower() {
    let mut cluster = with_offsets_topic();
    cluster.pass(PAUSE_MS);
    for round in 0..4 {
        commit_many(&mut cluster, 0, 1 + round * 400, 400);
        cluster.pass(2_000);
    }
    assert!(cluster.end(0) > 1_600);
    assert!(log_start(&cluster, 0) > 1_000, "{}", log_start(&cluster, 0));
    assert!(size_bytes(&cluster, 0) < 3 * GROUP_LOG_BYTES);
    // Followers let segments go when they look for them.
    cluster.pass(300_000);
    for id in [1, 2] {
        assert_eq!(log_start(&cluster, id), log_start(&cluster, 0));
        assert!(size_bytes(&cluster, id) < 4 * GROUP_LOG_BYTES);
    }
    cluster.publish(vec![state(1, 2, 2, &[0, 1, 2])]);
    cluster.pass(500);
    ask(&mut cluster, 1, 9_000, fetch());
    assert_eq!(fetched(&cluster, 1, 9_000), Some(Ok(1_600)));
}

#[test]
fn a_leader_that_is_lost_in_the_middle_of_a_rewrite_loses_no_offset() {
    let mut cluster = with_offsets_topic();
    commit_many(&mut cluster, 0, 1, 400);
    assert!(size_bytes(&cluster, 0) > GROUP_LOG_BYTES);
    // The rewrite is appended, but no follower gets it.
    cluster.cut_off.insert(0);
    let end = cluster.end(0);
    let until_appended = |cluster: &mut Cluster| {
        for _ in 0..60 {
            cluster.pass(1_000);
            if cluster.end(0) > end {
                return;
            }
        }
        panic!("no rewrite began");
    };
    until_appended(&mut cluster);
    assert_eq!(log_start(&cluster, 0), 0);
    cluster.publish(vec![state(1, 2, 2, &[1, 2])]);
    cluster.cut_off.clear();
    cluster.pass(2_500);
    ask(&mut cluster, 1, 9_000, fetch());
    assert_eq!(fetched(&cluster, 1, 9_000), Some(Ok(400)));
    assert_eq!(cluster.end(0), cluster.end(1));
}

#[test]
fn a_follower_that_missed_a_rewrite_begins_where_the_leader_does() {
    let mut cluster = with_offsets_topic();
    cluster.cut_off.insert(2);
    // One that it does not have, or it would be taken back at once.
    ask(&mut cluster, 0, 1, commit(1));
    cluster.pass(PAUSE_MS);
    cluster.publish(vec![state(0, 1, 2, &[0, 1])]);
    commit_many(&mut cluster, 0, 2, 399);
    cluster.pass(2_000);
    assert!(log_start(&cluster, 0) > 0);
    cluster.cut_off.clear();
    cluster.pass(5_000);
    assert_eq!(log_start(&cluster, 2), log_start(&cluster, 0));
    assert_eq!(cluster.end(2), cluster.end(0));
    cluster.publish(vec![state(0, 1, 3, &[0, 1, 2])]);
    cluster.publish(vec![state(2, 2, 4, &[0, 1, 2])]);
    cluster.pass(2_500);
    ask(&mut cluster, 2, 9_000, fetch());
    assert_eq!(fetched(&cluster, 2, 9_000), Some(Ok(400)));
}

#[test]
fn a_broker_that_is_killed_after_a_rewrite_still_knows_what_was_committed() {
    let mut cluster = with_offsets_topic();
    cluster.pass(PAUSE_MS);
    commit_many(&mut cluster, 0, 1, 400);
    cluster.pass(2_000);
    assert!(log_start(&cluster, 0) > 0);
    let checkpoints = cluster.brokers[0].shard.as_mut().unwrap().checkpoints();
    let last = LastRun {
        checkpoints,
        ..LastRun::default()
    };
    cluster.brokers[0].shard = None;
    cluster.drop_fetches(0);
    let shard = open(&cluster.brokers[0].fs, 0, &last);
    cluster.brokers[0].shard = Some(shard);
    cluster.push_image(None, &[0]);
    let until = kintsugi_types::Time::from_millis(9_000_000);
    cluster.send(0, Event::ExtendLease { until });
    cluster.pass(2_500);
    ask(&mut cluster, 0, 9_000, fetch());
    assert_eq!(fetched(&cluster, 0, 9_000), Some(Ok(400)));
}

#[test]
fn the_offsets_of_a_topic_go_when_it_is_deleted() {
    let mut cluster = with_offsets_topic();
    let other = TopicId(Uuid::from_u128(2));
    cluster.publish(vec![MetadataRecord::TopicCreated {
        topic: other,
        name: "t".parse().unwrap(),
        configs: BTreeMap::new(),
    }]);
    ask(&mut cluster, 0, 1, commit(7));
    cluster.pass(100);
    assert_eq!(committed(&cluster, 0, 1), Some(0));
    cluster.publish(vec![MetadataRecord::TopicDeleted { topic: other }]);
    cluster.pass(2_500);
    let mut request = fetch();
    if let kintsugi_coordinator::GroupRequest::OffsetFetch(group) = &mut request {
        let topic =
            kafka_protocol::messages::offset_fetch_request::OffsetFetchRequestTopics::default()
                .with_name(kafka_protocol::messages::TopicName(
                    kafka_protocol::protocol::StrBytes::from_static_str("t"),
                ))
                .with_partition_indexes(vec![0]);
        group.topics = Some(vec![topic]);
    }
    ask(&mut cluster, 0, 2, request);
    assert_eq!(fetched(&cluster, 0, 2), Some(Ok(-1)));
}

#[test]
fn a_request_that_comes_while_a_long_log_is_read_is_told_so_and_a_later_one_is_served() {
    let mut cluster = with_offsets_topic();
    // Nothing is rewritten before the pause is over.
    let metadata = "x".repeat(4_000);
    for number in 1..=900 {
        let mut request = commit(number);
        if let kintsugi_coordinator::GroupRequest::OffsetCommit(request) = &mut request {
            let text = kafka_protocol::protocol::StrBytes::from_string(metadata.clone());
            request.topics[0].partitions[0].committed_metadata = Some(text);
        }
        ask(&mut cluster, 0, number as u64, request);
        cluster.pass(1);
    }
    assert!(size_bytes(&cluster, 0) > 3 << 20);
    cluster.pass(100);
    cluster.publish_to(vec![state(1, 2, 2, &[0, 1, 2])], &[1]);
    ask(&mut cluster, 1, 5_000, fetch());
    let loading = ErrorCode::CoordinatorLoadInProgress.code();
    assert_eq!(fetched(&cluster, 1, 5_000), Some(Err(loading)));
    cluster.push_image(None, &[0, 2]);
    cluster.pass(100);
    ask(&mut cluster, 1, 5_001, fetch());
    assert_eq!(fetched(&cluster, 1, 5_001), Some(Ok(900)));
}
