//! Clusters whose processes know a secret, and strangers that do not.
#![allow(clippy::unwrap_used)]

mod support;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

use kintsugi_secret::Keys;
use kintsugi_secret::handshake::{Acceptor, Context, Dialer, Nonce, Port};
use serde_json::json;
use support::http::request_with;
use support::records::{create_topic, produce};
use support::{Cluster, Node, PATIENCE, eventually, metadata, partition};

const SECRET: &str = "0123456789abcdef0123456789abcdef";
const NEXT: &str = "fedcba9876543210fedcba9876543210";
const FILE: &str = "kintsugi.cluster.secret.file";
/// The cluster of `--dev`.
const CLUSTER: &str = "kintsugi-dev";
/// Within which a connection that proves nothing is ended.
const REFUSED_WITHIN: Duration = Duration::from_secs(10);

fn keys(secret: &str) -> Keys {
    Keys::parse(secret.as_bytes()).unwrap()
}

/// Three controllers and brokers that know what stands in the file, which is given back.
async fn start(directory: &Path) -> (Cluster, std::path::PathBuf) {
    let file = directory.join("secret");
    std::fs::write(&file, SECRET).unwrap();
    let cluster = Cluster::start_with(directory, 3, &[(FILE, file.to_str().unwrap())]);
    cluster.await_brokers(3).await;
    let connection = cluster.brokers[0].connect().await;
    assert_eq!(create_topic(&connection, "t", 3, 3).await, 0);
    (cluster, file)
}

/// The leader of partition 0 as a broker other than `except` tells it.
async fn leader(cluster: &Cluster, except: i32) -> i32 {
    let connection = cluster.other_than(except).connect().await;
    eventually("a leader", async || {
        let leader = partition(&connection, "t", 0).await?.leader_id.0;
        (leader >= 0 && leader != except).then_some(leader)
    })
    .await
}

async fn produce_somehow(cluster: &Cluster, value: &str, except: i32) {
    eventually("an acknowledgement", async || {
        let leader = leader(cluster, except).await;
        let node = cluster.brokers.iter().find(|node| node.id == leader)?;
        let connection = node.connect().await;
        produce(&connection, "t", 0, value).await?.ok()
    })
    .await;
}

async fn await_full_isr(cluster: &Cluster, except: i32) {
    let connection = cluster.other_than(except).connect().await;
    eventually("a full ISR", async || {
        let metadata = metadata(&connection, &["t"]).await?;
        let partitions = &metadata.topics.first()?.partitions;
        partitions
            .iter()
            .all(|partition| partition.isr_nodes.len() == 3)
            .then_some(())
    })
    .await;
}

/// How often a node refused one for that reason.
fn refused(node: &Node, port: &str, reason: &str) -> u64 {
    let mut stream = TcpStream::connect(("127.0.0.1", node.http_port)).unwrap();
    let head = "GET /metrics HTTP/1.1\r\nhost: node\r\nconnection: close\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let name = format!("kintsugi_handshakes_refused_total{{port=\"{port}\",reason=\"{reason}\"}} ");
    let line = text.lines().find_map(|line| line.strip_prefix(&name));
    line.unwrap().parse().unwrap()
}

/// A connection to a port between processes.
struct Stranger {
    stream: TcpStream,
}

impl Stranger {
    fn dial(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_read_timeout(Some(REFUSED_WITHIN)).unwrap();
        Self { stream }
    }

    fn send(&mut self, frame: &[u8]) {
        let length = u32::try_from(frame.len()).unwrap().to_be_bytes();
        self.stream.write_all(&[&length, frame].concat()).unwrap();
    }

    fn receive(&mut self) -> Vec<u8> {
        let mut length = [0; 4];
        self.stream.read_exact(&mut length).unwrap();
        let mut frame = vec![0; u32::from_be_bytes(length) as usize];
        self.stream.read_exact(&mut frame).unwrap();
        frame
    }

    /// Waits for the end of the connection, on which nothing comes before.
    fn assert_ended(mut self) {
        let began = Instant::now();
        let mut rest = Vec::new();
        // A reset is an end too.
        let _ = self.stream.read_to_end(&mut rest);
        assert!(rest.is_empty(), "it was told {rest:?}");
        assert!(began.elapsed() < REFUSED_WITHIN, "it was left open");
    }

    fn is_open(&mut self) -> bool {
        let wait = Some(Duration::from_millis(300));
        self.stream.set_read_timeout(wait).unwrap();
        self.stream.read(&mut [0; 1]).is_err()
    }
}

fn context(secret: &str, port: Port) -> Context {
    Context {
        keys: keys(secret),
        cluster: CLUSTER.to_owned(),
        port,
    }
}

/// A handshake by one who knows a secret; gives the frames that it sent.
fn shake(stranger: &mut Stranger, secret: &str, port: Port) -> [Vec<u8>; 2] {
    let (dialer, greeting) = Dialer::greet(context(secret, port), [7; 32]);
    stranger.send(&greeting);
    let proof = dialer.answer(&stranger.receive()).unwrap();
    stranger.send(&proof);
    [greeting, proof]
}

/// Everything that strangers try on one port of a node; each is refused and counted.
fn besiege(node: &Node, listener: &str, port: Port) {
    let place = node.port(listener);
    let count = |reason: &str| refused(node, port.name(), reason);
    let before = ["no-proof", "wrong-proof", "malformed", "timed-out"].map(count);

    // Whoever knows the secret is let in: what follows is refused for what it lacks.
    let mut friend = Stranger::dial(place);
    let overheard = shake(&mut friend, SECRET, port);
    assert!(friend.is_open());

    // Without a proof: what a process without the setting would send.
    let mut bare = Stranger::dial(place);
    bare.send(b"\x01 hello, I am broker 0");
    bare.assert_ended();
    let mut long = Stranger::dial(place);
    long.stream.write_all(&[0xff; 64]).unwrap();
    long.assert_ended();

    // With a wrong secret: it believes the port, which does not believe it.
    let mut wrong = Stranger::dial(place);
    let (dialer, greeting) = Dialer::greet(context(NEXT, port), [8; 32]);
    wrong.send(&greeting);
    let nonce: Nonce = wrong.receive()[..32].try_into().unwrap();
    let (_, forged) = Acceptor::challenge(context(NEXT, port), nonce, &greeting).unwrap();
    wrong.send(&dialer.answer(&forged).unwrap());
    wrong.assert_ended();

    // With what it overheard.
    let mut replayed = Stranger::dial(place);
    replayed.send(&overheard[0]);
    replayed.receive();
    replayed.send(&overheard[1]);
    replayed.assert_ended();

    // With what the port said itself.
    let mut reflected = Stranger::dial(place);
    reflected.send(&greeting);
    let challenge = reflected.receive();
    reflected.send(&challenge[32..]);
    reflected.assert_ended();

    let mut odd = Stranger::dial(place);
    odd.send(&[&b"KTSG\x01"[..], &[0; 31]].concat());
    odd.assert_ended();

    // Half open: silent from the start, and silent after a greeting.
    let silent = Stranger::dial(place);
    let mut greeted = Stranger::dial(place);
    greeted.send(&greeting);
    greeted.receive();
    silent.assert_ended();
    greeted.assert_ended();

    let after = ["no-proof", "wrong-proof", "malformed", "timed-out"].map(count);
    let more: Vec<u64> = before.iter().zip(after).map(|(b, a)| a - b).collect();
    assert_eq!(more, [2, 3, 1, 2]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_with_a_secret_forms_and_fails_over_while_strangers_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let (mut cluster, _) = start(directory.path()).await;
    produce_somehow(&cluster, "before", -1).await;

    tokio::task::block_in_place(|| {
        for node in &cluster.controllers {
            besiege(node, "kintsugi.controller.listener", Port::Controller);
        }
        for node in &cluster.brokers {
            besiege(node, "kintsugi.replication.listener", Port::Replication);
        }
    });
    let log = cluster.controllers[0].log();
    assert!(log.contains("refused a connection") && log.contains("127.0.0.1"));
    assert!(!log.contains(SECRET));

    let dead = leader(&cluster, -1).await;
    cluster.broker(dead).kill();
    let killed = Instant::now();
    produce_somehow(&cluster, "after", dead).await;
    println!(
        "first acknowledgement {} ms after the kill",
        killed.elapsed().as_millis()
    );
    cluster.broker(dead).start();
    await_full_isr(&cluster, dead).await;
}

#[tokio::test]
async fn a_broker_without_the_secret_or_with_another_does_not_join() {
    let directory = tempfile::tempdir().unwrap();
    let (cluster, _) = start(directory.path()).await;
    let other = directory.path().join("other");
    std::fs::write(&other, NEXT).unwrap();
    for (id, file) in [(8, ""), (9, other.to_str().unwrap())] {
        let data = directory.path().join(format!("data-{id}"));
        let mut stranger = support::single(directory.path())
            .with("node.id", id)
            .with("process.roles", "broker")
            .with("log.dirs", data.display())
            .with("controller.quorum.voters", &cluster.voters)
            .with(FILE, file);
        stranger.start();
        eventually("a refusal", async || {
            let reason = if file.is_empty() {
                "no-proof"
            } else {
                "wrong-proof"
            };
            let refusals = cluster.controllers.iter();
            // One that distrusts the other side ends the connection itself.
            let said = stranger
                .log()
                .contains("failed to prove the cluster's secret");
            let counted = refusals
                .map(|node| refused(node, "controller", reason))
                .sum::<u64>();
            (said || counted >= 3).then_some(())
        })
        .await;
        let connection = cluster.brokers[0].connect().await;
        assert_eq!(metadata(&connection, &[]).await.unwrap().brokers.len(), 3);
    }
}

#[tokio::test]
async fn changes_over_http_need_the_token_and_reading_does_not() {
    let directory = tempfile::tempdir().unwrap();
    let (cluster, _) = start(directory.path()).await;
    let (right, wrong) = (keys(SECRET).token(CLUSTER), keys(NEXT).token(CLUSTER));
    let changes = [
        (
            "POST",
            "/v1/brokers/77/generations",
            json!({"generation": 1}).to_string(),
        ),
        ("POST", "/v1/quorum/voters", json!({}).to_string()),
        (
            "DELETE",
            "/v1/quorum/voters/7/00000000-0000-0000-0000-000000000007",
            String::new(),
        ),
        ("PUT", "/v1/quorum", String::new()),
        ("POST", "/metrics", String::new()),
    ];
    for node in &cluster.controllers {
        for path in ["/v1/quorum", "/metrics", "/livez", "/readyz"] {
            let (status, _) = request_with(node.http_port, "GET", path, "", None)
                .await
                .unwrap();
            assert_eq!(status, 200, "{path}");
        }
        let before = ["no-proof", "wrong-proof"].map(|reason| refused(node, "http", reason));
        for (method, path, body) in &changes {
            for token in [None, Some("x"), Some(&*wrong), Some(SECRET)] {
                let answer = request_with(node.http_port, method, path, body, token).await;
                let (status, answer) = answer.unwrap();
                assert_eq!(status, 401, "{method} {path} {token:?}");
                assert!(answer["reason"].as_str().unwrap().contains("token"));
            }
            let answer = request_with(node.http_port, method, path, body, Some(&right)).await;
            assert_ne!(answer.unwrap().0, 401, "{method} {path}");
        }
        let after = ["no-proof", "wrong-proof"].map(|reason| refused(node, "http", reason));
        assert_eq!([after[0] - before[0], after[1] - before[1]], [5, 15]);
    }
}

/// Has every process take up what the file holds now.
async fn give(cluster: &Cluster, file: &Path, secrets: &str, changes: usize) {
    std::fs::write(file, secrets).unwrap();
    let nodes = || cluster.controllers.iter().chain(&cluster.brokers);
    eventually("every process to read the file again", async || {
        let told = |node: &Node| node.log().matches("secrets have changed").count() >= changes;
        nodes().all(told).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_secret_is_changed_in_two_steps_while_everything_runs() {
    let directory = tempfile::tempdir().unwrap();
    let (mut cluster, file) = start(directory.path()).await;
    give(&cluster, &file, &format!("{SECRET}\n{NEXT}\n"), 1).await;
    give(&cluster, &file, NEXT, 2).await;
    // Its connections are new ones, by the new secret.
    cluster.broker(1).kill();
    cluster.broker(1).start();
    await_full_isr(&cluster, 1).await;
    produce_somehow(&cluster, "after", -1).await;
    let token = keys(SECRET).token(CLUSTER);
    let (path, port) = ("/v1/quorum/voters", cluster.controllers[0].http_port);
    let answer = request_with(port, "POST", path, "{}", Some(&token)).await;
    assert_eq!(answer.unwrap().0, 401, "the old secret is of no use");
}

#[tokio::test]
async fn a_process_does_not_start_with_a_secret_that_can_be_guessed() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("secret");
    std::fs::write(&file, "hunter2").unwrap();
    let mut node = support::single(directory.path()).with(FILE, file.display());
    node.start();
    let deadline = Instant::now() + PATIENCE;
    while node.has_ended().is_none() {
        assert!(Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(node.has_ended(), Some(1));
    let log = node.log();
    assert!(
        log.contains("openssl rand -hex 32") && !log.contains("hunter2"),
        "{log}"
    );
}
