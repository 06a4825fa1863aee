//! Offsets of topics that are named by id (version 10 of OffsetCommit and OffsetFetch, KIP-848).
//! The protocol crate does not write such requests, so their bytes are written here.
#![allow(clippy::unwrap_used)]

mod support;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use bytes::Bytes;
use kafka_protocol::messages::{FindCoordinatorRequest, OffsetCommitRequest, OffsetFetchRequest};
use kafka_protocol::protocol::Request;
use kintsugi_wire::api::Api;
use kintsugi_wire::frame::ResponseFrame;
use kintsugi_wire::message::decode_response;
use support::records::create_topic;
use support::{Node, PATIENCE, metadata, single, text};

const VERSION: i16 = 10;
const GROUP: &str = "g";
/// The id of no topic.
const NOBODY: [u8; 16] = *b"<no such topic!>";
const UNKNOWN_TOPIC_ID: i16 = 100;

fn compact(text: &str) -> Vec<u8> {
    let mut bytes = vec![u8::try_from(text.len() + 1).unwrap()];
    bytes.extend_from_slice(text.as_bytes());
    bytes
}

/// Sends a request of version 10 and gives the answer.
fn ask<R: Request>(node: &Node, body: &[u8]) -> R::Response {
    let mut request = Vec::new();
    request.extend_from_slice(&R::KEY.to_be_bytes());
    request.extend_from_slice(&VERSION.to_be_bytes());
    // Correlation id 7, no client id, no tagged fields.
    request.extend_from_slice(&[0, 0, 0, 7, 0xff, 0xff, 0]);
    request.extend_from_slice(body);
    let mut stream = TcpStream::connect(("127.0.0.1", node.client_port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let length = u32::try_from(request.len()).unwrap();
    stream.write_all(&length.to_be_bytes()).unwrap();
    stream.write_all(&request).unwrap();
    let mut length = [0; 4];
    stream.read_exact(&mut length).unwrap();
    let mut answer = vec![0; usize::try_from(u32::from_be_bytes(length)).unwrap()];
    stream.read_exact(&mut answer).unwrap();
    let api = Api::find(R::KEY).unwrap();
    let frame = ResponseFrame::parse(api, VERSION, &Bytes::from(answer)).unwrap();
    assert_eq!(frame.correlation_id, 7);
    decode_response::<R>(VERSION, &frame.body).unwrap()
}

/// The errors of a commit of partition 0 of each topic.
fn commit(node: &Node, topics: &[[u8; 16]], offset: i64) -> Vec<([u8; 16], i16)> {
    let mut body = compact(GROUP);
    // Generation -1, no member, no instance.
    body.extend_from_slice(&[0xff, 0xff, 0xff, 0xff, 1, 0]);
    body.push(u8::try_from(topics.len() + 1).unwrap());
    for topic in topics {
        body.extend_from_slice(topic);
        // One partition: 0, the offset, epoch -1, metadata "", no tagged fields; no tagged fields.
        body.extend_from_slice(&[2, 0, 0, 0, 0]);
        body.extend_from_slice(&offset.to_be_bytes());
        body.extend_from_slice(&[0xff, 0xff, 0xff, 0xff, 1, 0, 0]);
    }
    body.push(0);
    let answer = ask::<OffsetCommitRequest>(node, &body);
    let error =
        |topic: &kafka_protocol::messages::offset_commit_response::OffsetCommitResponseTopic| {
            assert!(topic.name.is_empty(), "{topic:?}");
            (topic.topic_id.into_bytes(), topic.partitions[0].error_code)
        };
    answer.topics.iter().map(error).collect()
}

/// What is committed for partition 0 of each topic (none: of every topic), with its error.
fn committed(node: &Node, topics: Option<&[[u8; 16]]>) -> Vec<([u8; 16], i64, i16)> {
    // One group, no member, epoch -1.
    let mut body = vec![2];
    body.extend(compact(GROUP));
    body.extend_from_slice(&[0, 0xff, 0xff, 0xff, 0xff]);
    body.push(topics.map_or(0, |topics| u8::try_from(topics.len() + 1).unwrap()));
    for topic in topics.unwrap_or_default() {
        body.extend_from_slice(topic);
        // Partition 0, no tagged fields.
        body.extend_from_slice(&[2, 0, 0, 0, 0, 0]);
    }
    // No tagged fields of the group; nothing about stable offsets; no tagged fields.
    body.extend_from_slice(&[0, 0, 0]);
    let answer = ask::<OffsetFetchRequest>(node, &body);
    assert_eq!(answer.groups[0].error_code, 0);
    let topics = answer.groups[0].topics.iter().map(|topic| {
        assert!(topic.name.is_empty(), "{topic:?}");
        let partition = &topic.partitions[0];
        let id = topic.topic_id.into_bytes();
        (id, partition.committed_offset, partition.error_code)
    });
    topics.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn offsets_are_committed_and_fetched_by_topic_id_and_an_unknown_id_is_refused_alone() {
    let directory = tempfile::tempdir().unwrap();
    let mut node = single(directory.path());
    node.start();
    let connection = node.connect().await;
    assert_eq!(create_topic(&connection, "t", 1, 1).await, 0);
    let found = metadata(&connection, &["t"]).await.unwrap();
    let id = found.topics[0].topic_id.into_bytes();

    let errors = support::eventually("a coordinator", async || {
        // Asking for it makes the topic of offsets, without which there is none.
        let request = FindCoordinatorRequest::default().with_key(text(GROUP));
        connection.request(3, &request).await.ok()?;
        let errors = commit(&node, &[id, NOBODY], 42);
        (errors[0].1 == 0).then_some(errors)
    })
    .await;
    assert_eq!(errors, [(id, 0), (NOBODY, UNKNOWN_TOPIC_ID)]);
    assert_eq!(
        committed(&node, Some(&[id, NOBODY])),
        [(id, 42, 0), (NOBODY, -1, UNKNOWN_TOPIC_ID)]
    );
    assert_eq!(committed(&node, None), [(id, 42, 0)]);
    assert_eq!(committed(&node, Some(&[])), []);
    assert_eq!(commit(&node, &[NOBODY], 1), [(NOBODY, UNKNOWN_TOPIC_ID)]);
}
