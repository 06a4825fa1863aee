//! What hostile or careless clients may not do.
#![allow(clippy::unwrap_used)]

mod support;

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

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

/// How often a limit refused something.
fn limited(node: &Node, limit: &str) -> u64 {
    let mut stream = TcpStream::connect(("127.0.0.1", node.http_port)).unwrap();
    let head = "GET /metrics HTTP/1.1\r\nhost: node\r\nconnection: close\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let name = format!("kintsugi_limited_total{{limit=\"{limit}\"}} ");
    let line = text.lines().find_map(|line| line.strip_prefix(&name));
    line.map_or(0, |count| count.parse().unwrap())
}

/// The most memory that a node ever had.
fn memory_kib(node: &Node) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", node.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let figure = line.unwrap().trim().strip_suffix(" kB").unwrap();
    figure.parse().unwrap()
}

/// Waits for the end of a connection of which nothing is taken.
fn is_ended(stream: &mut TcpStream) -> bool {
    stream.read(&mut [0; 1]).map_or_else(
        |cause| cause.kind() != ErrorKind::WouldBlock,
        |read| read == 0,
    )
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

#[tokio::test]
async fn whoever_says_nothing_or_stops_within_a_request_is_let_go() {
    let directory = tempfile::tempdir().unwrap();
    let mut node = single(directory.path())
        .with("kintsugi.first.request.ms", 500)
        .with("kintsugi.request.arrival.ms", 700);
    node.start();
    let connection = node.connect().await;
    metadata(&connection, &[]).await.unwrap();
    let silent = std::thread::spawn({
        let mut stream = dial(&node);
        move || is_ended(&mut stream)
    });
    // 1,000 bytes are announced, ten come.
    let mut half = dial(&node);
    half.write_all(&1_000_u32.to_be_bytes()).unwrap();
    half.write_all(&[0; 10]).unwrap();
    assert!(is_ended(&mut half));
    assert!(silent.join().unwrap());
    assert_eq!(limited(&node, "kintsugi.first.request.ms"), 1);
    assert_eq!(limited(&node, "kintsugi.request.arrival.ms"), 1);
    metadata(&connection, &[]).await.unwrap();
}

#[tokio::test]
async fn one_address_has_its_share_of_connections() {
    let directory = tempfile::tempdir().unwrap();
    let mut node = single(directory.path()).with("max.connections.per.ip", 2);
    node.start();
    let connection = node.connect().await;
    metadata(&connection, &[]).await.unwrap();
    let second = dial(&node);
    assert!(send_and_wait_for_the_end(&node, &[]).is_empty());
    assert!(limited(&node, "max.connections.per.ip") >= 1);
    drop(second);
    support::eventually("the place of a connection that ended", async || {
        let again = node.connect().await;
        metadata(&again, &[]).await
    })
    .await;
}

/// A node whose heartbeats may be late: these tests take all the processors there are.
fn patient(directory: &std::path::Path) -> Node {
    single(directory).with("broker.session.timeout.ms", 20_000)
}

#[tokio::test]
async fn a_flood_of_requests_waits_in_its_own_socket() {
    let directory = tempfile::tempdir().unwrap();
    let mut node = patient(directory.path()).with("kintsugi.write.stall.ms", 1_000);
    node.start();
    let connection = node.connect().await;
    metadata(&connection, &[]).await.unwrap();
    // ApiVersions version 0, again and again, and no answer is taken.
    let request = [0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 7, 0xff, 0xff];
    let flood = request.repeat(1_500_000);
    let flooding = std::thread::spawn({
        let mut stream = dial(&node);
        move || stream.write_all(&flood).is_err()
    });
    for _ in 0..20 {
        let began = Instant::now();
        metadata(&connection, &[]).await.unwrap();
        assert!(began.elapsed() < Duration::from_secs(1));
    }
    assert!(flooding.join().unwrap(), "all of it was taken");
    assert_eq!(limited(&node, "kintsugi.write.stall.ms"), 1);
    assert!(memory_kib(&node) < MEMORY_MAX_KIB);
}

/// What a broker may take in these tests: the memory of a small pod.
const MEMORY_MAX_KIB: u64 = 256 * 1024;

/// Announces 50 MB on each connection and sends 1 MB as soon as it is taken, until told to stop.
fn announce_much(mut streams: Vec<TcpStream>, stop: &AtomicBool) -> usize {
    const SENT_MAX: usize = 1_000_000;
    let chunk = [0; 50_000];
    for stream in &mut streams {
        stream.write_all(&50_000_000_u32.to_be_bytes()).unwrap();
        stream.set_nonblocking(true).unwrap();
    }
    let mut open: Vec<(TcpStream, usize)> = streams.into_iter().map(|s| (s, 0)).collect();
    let mut total = 0;
    while !stop.load(Ordering::Relaxed) {
        open.retain_mut(|(stream, sent)| {
            let left = SENT_MAX - *sent;
            if left == 0 {
                return is_open(stream);
            }
            match stream.write(&chunk[..left.min(chunk.len())]) {
                Ok(written) => {
                    *sent += written;
                    total += written;
                    true
                }
                Err(cause) => cause.kind() == ErrorKind::WouldBlock,
            }
        });
        std::thread::sleep(Duration::from_millis(50));
    }
    total
}

fn is_open(stream: &mut TcpStream) -> bool {
    !is_ended(stream)
}

#[tokio::test]
async fn five_hundred_half_open_frames_of_fifty_megabytes_leave_memory_and_others_alone() {
    let directory = tempfile::tempdir().unwrap();
    let mut node = patient(directory.path()).with("socket.request.max.bytes", 104_857_600);
    node.start();
    let connection = node.connect().await;
    assert_eq!(create_topic(&connection, "t", 1, 1).await, 0);
    let streams: Vec<TcpStream> = (0..500).map(|_| dial(&node)).collect();
    let stop = Arc::new(AtomicBool::new(false));
    let flooding = std::thread::spawn({
        let stop = Arc::clone(&stop);
        move || announce_much(streams, &stop)
    });
    let end = Instant::now() + Duration::from_secs(8);
    let (mut worst, mut worst_large) = (Duration::ZERO, Duration::ZERO);
    while Instant::now() < end {
        let began = Instant::now();
        metadata(&connection, &[]).await.unwrap();
        worst = worst.max(began.elapsed());
        let began = Instant::now();
        let produced = produce(&connection, "t", 0, "small").await;
        assert!(matches!(produced, Some(Ok(_))));
        worst = worst.max(began.elapsed());
        let began = Instant::now();
        let produced = produce(&connection, "t", 0, &"x".repeat(500_000)).await;
        assert!(matches!(produced, Some(Ok(_))));
        worst_large = worst_large.max(began.elapsed());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    stop.store(true, Ordering::Relaxed);
    let sent = flooding.join().unwrap();
    let memory = memory_kib(&node);
    println!(
        "{sent} bytes sent, {memory} KiB taken, others waited {worst:?}, large {worst_large:?}"
    );
    assert!(memory < MEMORY_MAX_KIB, "{memory} KiB");
    assert!(worst < Duration::from_secs(1), "{worst:?}");
    assert!(limited(&node, "queued.max.request.bytes") >= 1);
    assert!(limited(&node, "kintsugi.connection.stall.ms") >= 1);
}
