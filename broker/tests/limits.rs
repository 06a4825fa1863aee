//! What hostile or careless clients may not do.
#![allow(clippy::unwrap_used)]

mod support;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use support::records::{create_topic, produce};
use support::{Node, PATIENCE, metadata, single};

fn dial(node: &Node) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", node.client_port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Sends bytes and waits for the end of the connection; gives what came before it.
fn send_and_wait_for_the_end(node: &Node, bytes: &[u8]) -> Vec<u8> {
    let mut stream = dial(node);
    stream.write_all(bytes).unwrap();
    let mut answer = Vec::new();
    // A reset is an end too.
    let _ = stream.read_to_end(&mut answer);
    answer
}

#[tokio::test]
async fn frames_that_are_too_long_or_no_request_end_only_their_own_connection() {
    let directory = tempfile::tempdir().unwrap();
    let mut node = single(directory.path());
    node.start();
    let connection = node.connect().await;
    metadata(&connection, &[]).await.unwrap();
    let frames: [&[u8]; 6] = [
        // A length of 2 GiB, and a negative one.
        &[0x7f, 0xff, 0xff, 0xff],
        &[0xff, 0xff, 0xff, 0xff],
        // Shorter than any header.
        &[0, 0, 0, 0],
        &[0, 0, 0, 3, 0, 3, 0],
        // An API that is not there.
        &[0, 0, 0, 10, 0x7f, 0, 0, 0, 0, 0, 0, 1, 0xff, 0xff],
        // Metadata version 1 that claims 2^31-1 topics.
        &[
            0, 0, 0, 14, 0, 3, 0, 1, 0, 0, 0, 1, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff,
        ],
    ];
    for frame in frames {
        let answer = send_and_wait_for_the_end(&node, frame);
        assert!(answer.is_empty(), "{frame:?} was answered by {answer:?}");
    }
    metadata(&connection, &[]).await.unwrap();
}

#[tokio::test]
async fn api_versions_of_an_unknown_version_is_answered_in_version_zero() {
    let directory = tempfile::tempdir().unwrap();
    let mut node = single(directory.path());
    node.start();
    drop(node.connect().await);
    let mut stream = dial(&node);
    let request = [0, 0, 0, 10, 0, 18, 0, 99, 0, 0, 0, 7, 0xff, 0xff];
    stream.write_all(&request).unwrap();
    let mut answer = [0; 10];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(answer[4..8], [0, 0, 0, 7], "the correlation id");
    assert_eq!(answer[8..10], [0, 35], "UNSUPPORTED_VERSION");
}

#[tokio::test]
async fn connections_over_the_limit_are_closed_and_idle_ones_end() {
    let directory = tempfile::tempdir().unwrap();
    let mut node = single(directory.path())
        .with("max.connections", 2)
        .with("connections.max.idle.ms", 1_000);
    node.start();
    let first = node.connect().await;
    metadata(&first, &[]).await.unwrap();
    let _second = dial(&node);
    std::thread::sleep(Duration::from_millis(200));
    assert!(send_and_wait_for_the_end(&node, &[]).is_empty());
    let mut idle = _second;
    let mut end = Vec::new();
    assert_eq!(idle.read_to_end(&mut end).unwrap_or(0), 0);
}

#[tokio::test]
async fn a_batch_over_the_topics_limit_is_refused_and_a_request_over_the_sockets_limit_ends() {
    let directory = tempfile::tempdir().unwrap();
    let mut node = single(directory.path())
        .with("message.max.bytes", 1_000)
        .with("socket.request.max.bytes", 65_536);
    node.start();
    let connection = node.connect().await;
    assert_eq!(create_topic(&connection, "t", 1, 1).await, 0);
    let too_large = "x".repeat(2_000);
    let refused = produce(&connection, "t", 0, &too_large).await;
    assert_eq!(refused, Some(Err(10)));
    assert_eq!(produce(&connection, "t", 0, "small").await, Some(Ok(0)));
    let far_too_large = "x".repeat(100_000);
    assert_eq!(produce(&connection, "t", 0, &far_too_large).await, None);
}

#[tokio::test]
async fn nobody_but_coordinators_writes_to_the_topic_of_offsets() {
    let directory = tempfile::tempdir().unwrap();
    let mut node = single(directory.path());
    node.start();
    let connection = node.connect().await;
    let refused = produce(&connection, "__consumer_offsets", 0, "x").await;
    assert_eq!(refused, Some(Err(17)));
}
