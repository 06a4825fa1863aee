//! Groups whose coordinator is killed: nothing that was committed goes back, members go on, and the
//! gap between two commits is short. `--nocapture` shows the gaps.
#![allow(clippy::unwrap_used)]

mod support;

use std::time::{Duration, Instant};

use bytes::Bytes;
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_protocol::messages::offset_fetch_request::OffsetFetchRequestGroup;
use kafka_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use kafka_protocol::messages::{
    FindCoordinatorRequest, GroupId, HeartbeatRequest, JoinGroupRequest, OffsetCommitRequest,
    OffsetFetchRequest, SyncGroupRequest,
};
use kintsugi_client::Connection;
use kintsugi_types::Endpoint;
use support::records::create_topic;
use support::{Cluster, PATIENCE, eventually, metadata, text};

/// Commits between two kills: several times what a log of this test is rewritten at.
const COMMITS: i64 = 3_000;

fn group() -> GroupId {
    GroupId(text("g"))
}

/// The coordinator that a broker names, unless it is `except`.
async fn coordinator(cluster: &Cluster, except: i32) -> Option<i32> {
    let endpoint: Endpoint = cluster.other_than(except).endpoint();
    let limits = kintsugi_client::Limits::default();
    let connection = Connection::connect(&endpoint, "test", limits).await.ok()?;
    let request = FindCoordinatorRequest::default().with_key(text("g"));
    let found = connection.request(3, &request).await.ok()?;
    let id = found.node_id.0;
    (found.error_code == 0 && id != except).then_some(id)
}

async fn connect(cluster: &Cluster, except: i32) -> Connection {
    let id = eventually("a coordinator", async || coordinator(cluster, except).await).await;
    let node = cluster.brokers.iter().find(|node| node.id == id).unwrap();
    node.connect().await
}

/// One commit; gives its error.
async fn commit(connection: &Connection, offset: i64) -> Option<i16> {
    let partition = OffsetCommitRequestPartition::default().with_committed_offset(offset);
    let topic = OffsetCommitRequestTopic::default()
        .with_name(text("t").into())
        .with_partitions(vec![partition]);
    let request = OffsetCommitRequest::default()
        .with_group_id(group())
        .with_topics(vec![topic]);
    let response = connection.request(8, &request).await.ok()?;
    Some(response.topics[0].partitions[0].error_code)
}

/// Commits until it is acknowledged, wherever the coordinator is.
async fn commit_somehow(cluster: &Cluster, offset: i64, except: i32) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        assert!(Instant::now() < deadline, "{offset} was never committed");
        if let Some(id) = coordinator(cluster, except).await {
            let node = cluster.brokers.iter().find(|node| node.id == id).unwrap();
            if commit(&node.connect().await, offset).await == Some(0) {
                return;
            }
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn committed(connection: &Connection) -> Option<i64> {
    let group = OffsetFetchRequestGroup::default()
        .with_group_id(group())
        .with_topics(None);
    let request = OffsetFetchRequest::default().with_groups(vec![group]);
    let response = connection.request(9, &request).await.ok()?;
    let group = response.groups.first()?;
    let topic = group.topics.first().filter(|_| group.error_code == 0)?;
    Some(topic.partitions.first()?.committed_offset)
}

/// Waits until every partition of the offsets' topic is in sync everywhere.
async fn in_sync(cluster: &Cluster) {
    let connection = cluster.brokers[0].connect().await;
    eventually("a full ISR", async || {
        let metadata = metadata(&connection, &["__consumer_offsets"]).await?;
        let partitions = &metadata.topics.first()?.partitions;
        let is_full = !partitions.is_empty() && partitions.iter().all(|p| p.isr_nodes.len() == 3);
        is_full.then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_committed_offset_never_goes_back_though_coordinators_are_killed_and_their_logs_rewritten()
 {
    let directory = tempfile::tempdir().unwrap();
    let settings = [("kintsugi.offsets.log.bytes", "65536")];
    let mut cluster = Cluster::start_with(directory.path(), 3, &settings);
    cluster.await_brokers(3).await;
    let connection = cluster.brokers[0].connect().await;
    assert_eq!(create_topic(&connection, "t", 1, 3).await, 0);
    let mut offset = 0;
    let mut gaps = Vec::new();
    for _ in 0..2 {
        let connection = connect(&cluster, -1).await;
        commit_somehow(&cluster, offset, -1).await;
        for next in offset + 1..offset + COMMITS {
            assert_eq!(commit(&connection, next).await, Some(0));
        }
        offset += COMMITS;
        let dead = coordinator(&cluster, -1).await.unwrap();
        let node = cluster.brokers.iter().find(|node| node.id == dead).unwrap();
        eventually("a rewrite", async || {
            let rewrites = counter(node, "kintsugi_group_log_rewrites_total").await;
            (rewrites > 0.0).then_some(())
        })
        .await;
        cluster.broker(dead).kill();
        let killed = Instant::now();
        commit_somehow(&cluster, offset, dead).await;
        gaps.push(killed.elapsed().as_millis());
        let connection = connect(&cluster, dead).await;
        assert_eq!(committed(&connection).await, Some(offset));
        cluster.broker(dead).start();
        in_sync(&cluster).await;
        let connection = connect(&cluster, -1).await;
        let found = eventually("offsets", async || committed(&connection).await).await;
        assert_eq!(found, offset);
        offset += 1;
    }
    println!("from the kill of the coordinator to the next commit: {gaps:?} ms");
}

/// A counter's value as `/metrics` tells it.
async fn counter(node: &support::Node, name: &str) -> f64 {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    eventually("metrics", async || {
        let address = ("127.0.0.1", node.http_port);
        let mut stream = tokio::net::TcpStream::connect(address).await.ok()?;
        let request = b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        stream.write_all(request).await.ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).await.ok()?;
        let line = text.lines().find(|line| line.starts_with(name))?;
        line.split_whitespace().last()?.parse().ok()
    })
    .await
}

#[tokio::test]
async fn a_member_goes_on_in_its_generation_when_its_coordinator_is_killed() {
    let directory = tempfile::tempdir().unwrap();
    let settings = [("group.initial.rebalance.delay.ms", "0")];
    let mut cluster = Cluster::start_with(directory.path(), 3, &settings);
    cluster.await_brokers(3).await;
    let connection = connect(&cluster, -1).await;
    let protocol = JoinGroupRequestProtocol::default()
        .with_name(text("range"))
        .with_metadata(Bytes::from_static(b"topics"));
    let join = JoinGroupRequest::default()
        .with_group_id(group())
        .with_session_timeout_ms(30_000)
        .with_rebalance_timeout_ms(30_000)
        .with_group_instance_id(Some(text("one")))
        .with_protocol_type(text("consumer"))
        .with_protocols(vec![protocol]);
    let joined = eventually("a generation", async || {
        let joined = connection.request(5, &join).await.ok()?;
        (joined.error_code == 0).then_some(joined)
    })
    .await;
    let member = joined.member_id.clone();
    let assignment = SyncGroupRequestAssignment::default()
        .with_member_id(member.clone())
        .with_assignment(Bytes::from_static(b"all"));
    let sync = SyncGroupRequest::default()
        .with_group_id(group())
        .with_generation_id(joined.generation_id)
        .with_member_id(member.clone())
        .with_assignments(vec![assignment]);
    let synced = connection.request(3, &sync).await.unwrap();
    assert_eq!(synced.error_code, 0);

    let dead = coordinator(&cluster, -1).await.unwrap();
    cluster.broker(dead).kill();
    let heartbeat = HeartbeatRequest::default()
        .with_group_id(group())
        .with_generation_id(joined.generation_id)
        .with_member_id(member);
    let code = eventually("a heartbeat", async || {
        let id = coordinator(&cluster, dead).await?;
        let node = cluster.brokers.iter().find(|node| node.id == id).unwrap();
        let answer = node.connect().await.request(3, &heartbeat).await.ok()?;
        // Not the coordinator yet, or still loading.
        let is_settled = !matches!(answer.error_code, 14..=16);
        is_settled.then_some(answer.error_code)
    })
    .await;
    assert_eq!(code, 0);
    let connection = connect(&cluster, dead).await;
    let again = sync.with_assignments(Vec::new());
    let synced = connection.request(3, &again).await.unwrap();
    assert_eq!((synced.error_code, &*synced.assignment), (0, &b"all"[..]));
}
