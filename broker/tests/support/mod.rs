//! Whole processes on loopback: the real binary, free ports, directories that go away.
#![allow(dead_code, missing_docs, clippy::unwrap_used)]

use std::future::Future;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::metadata_response::MetadataResponsePartition;
use kafka_protocol::messages::{MetadataRequest, MetadataResponse};
use kafka_protocol::protocol::StrBytes;
use kintsugi_client::{Connection, Limits};
use kintsugi_types::Endpoint;

pub mod http;
pub mod java;
pub mod python;
pub mod reassign;
pub mod records;

/// How long anything that should happen is waited for.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Ports that nobody listens on now, and that stay free while a node is down: below the range
/// that the kernel takes the ports of outgoing connections from (32768 and up).
pub fn free_ports<const N: usize>() -> [u16; N] {
    const FIRST: u32 = 10_000;
    const COUNT: u32 = 22_000;
    static TAKEN: AtomicU32 = AtomicU32::new(0);
    let start = std::process::id().wrapping_mul(7_919) % COUNT;
    let next = || {
        let taken = TAKEN.fetch_add(1, Ordering::Relaxed);
        assert!(taken < COUNT, "every port was tried");
        u16::try_from(FIRST + (start + taken) % COUNT).unwrap()
    };
    std::array::from_fn(|_| {
        loop {
            let port = next();
            if is_free(port) {
                return port;
            }
        }
    })
}

/// Whether nobody listens on a port. Binds and does not listen: a process that another test starts
/// at this moment holds the socket too until it runs its own program, and a listening one would take
/// the first connection that is meant for the node of this test, and reset it.
fn is_free(port: u16) -> bool {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_reuseaddr(true).unwrap();
    let address = std::net::SocketAddr::from(([127, 0, 0, 1], port));
    socket.bind(address).is_ok()
}

/// One process.
pub struct Node {
    pub id: i32,
    pub client_port: u16,
    pub http_port: u16,
    arguments: Vec<String>,
    log: PathBuf,
    child: Option<Child>,
}

impl Node {
    pub fn new(id: i32, directory: &Path, client_port: u16, http_port: u16) -> Self {
        let log = directory.join(format!("node-{id}.log"));
        Self {
            id,
            client_port,
            http_port,
            arguments: Vec::new(),
            log,
            child: None,
        }
    }

    #[must_use]
    pub fn with(mut self, key: &str, value: impl ToString) -> Self {
        self.arguments.push("--override".to_owned());
        self.arguments.push(format!("{key}={}", value.to_string()));
        self
    }

    /// The port of a listener that [`Self::with`] gave it.
    pub fn port(&self, listener: &str) -> u16 {
        let prefix = format!("{listener}=");
        let given = self.arguments.iter().rev();
        let mut listeners = given.filter_map(|argument| argument.strip_prefix(&prefix));
        let (_, port) = listeners.next().unwrap().rsplit_once(':').unwrap();
        port.parse().unwrap()
    }

    pub fn start(&mut self) {
        // Figures are measured with another build than the tests' own.
        let built = env!("CARGO_BIN_EXE_kintsugi-broker").to_owned();
        let binary = std::env::var("KINTSUGI_BROKER").unwrap_or(built);
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.log)
            .unwrap();
        let child = Command::new(binary)
            .arg("--dev")
            .args(&self.arguments)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        self.child = Some(child);
    }

    pub fn pid(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    /// Kills the process as a crash would.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Sends SIGTERM, waits, and gives the exit status.
    pub fn stop(&mut self) -> Option<i32> {
        let mut child = self.child.take().unwrap();
        let pid = child.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-TERM", &pid])
                .status()
                .unwrap()
                .success()
        );
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if let Some(status) = child.try_wait().unwrap() {
                return status.code();
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        panic!("node {} did not stop; its log:\n{}", self.id, self.log());
    }

    pub fn has_ended(&mut self) -> Option<i32> {
        let child = self.child.as_mut()?;
        child
            .try_wait()
            .unwrap()
            .map(|status| status.code().unwrap_or(-1))
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    pub fn endpoint(&self) -> Endpoint {
        Endpoint {
            host: "127.0.0.1".to_owned(),
            port: self.client_port,
        }
    }

    pub async fn connect(&self) -> Connection {
        eventually("a connection", async || {
            let endpoint = self.endpoint();
            let connected = Connection::connect(&endpoint, "test", Limits::default());
            connected.await.ok()
        })
        .await
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            let tail: Vec<&str> = log.lines().rev().take(40).collect();
            eprintln!("--- log of node {}, newest first", self.id);
            for line in tail {
                eprintln!("{line}");
            }
        }
        self.kill();
    }
}

/// One node of both roles.
pub fn single(directory: &Path) -> Node {
    let [client, replication, control, controller, http] = free_ports::<5>();
    Node::new(1, directory, client, http)
        .with("log.dirs", directory.join("data").display())
        .with("listeners", format!("PLAINTEXT://127.0.0.1:{client}"))
        .with(
            "advertised.listeners",
            format!("PLAINTEXT://127.0.0.1:{client}"),
        )
        .with(
            "kintsugi.replication.listener",
            format!("127.0.0.1:{replication}"),
        )
        .with("kintsugi.control.listener", format!("127.0.0.1:{control}"))
        .with(
            "kintsugi.controller.listener",
            format!("127.0.0.1:{controller}"),
        )
        .with(
            "controller.quorum.voters",
            format!("1@127.0.0.1:{controller}"),
        )
        .with("kintsugi.http.listener", format!("127.0.0.1:{http}"))
}

/// Separate controllers and brokers.
pub struct Cluster {
    pub controllers: Vec<Node>,
    pub brokers: Vec<Node>,
    /// The controllers that form the quorum, as in the settings.
    pub voters: String,
}

impl Cluster {
    /// Starts three controllers (1000..) and so many brokers (0..).
    pub fn start(directory: &Path, brokers: i32) -> Self {
        Self::start_with(directory, brokers, &[])
    }

    /// [`Self::start`] with settings that every process gets.
    pub fn start_with(directory: &Path, brokers: i32, settings: &[(&str, &str)]) -> Self {
        let common = |node: Node, directory: &Path, voters: &str| {
            let node = common(node, directory, voters);
            settings
                .iter()
                .fold(node, |node, (key, value)| node.with(key, value))
        };
        let ports = free_ports::<3>();
        let voters: Vec<String> = ports
            .iter()
            .zip(1000..)
            .map(|(port, id)| format!("{id}@127.0.0.1:{port}"))
            .collect();
        let voters = voters.join(",");
        let controllers = ports.iter().zip(1000..).map(|(port, id)| {
            let [http] = free_ports::<1>();
            let node = Node::new(id, directory, 0, http)
                .with("process.roles", "controller")
                .with("kintsugi.controller.listener", format!("127.0.0.1:{port}"));
            common(node, directory, &voters)
        });
        let controllers = controllers.collect();
        let brokers = (0..brokers).map(|id| {
            let [client, replication, control, http] = free_ports::<4>();
            let node = Node::new(id, directory, client, http)
                .with("process.roles", "broker")
                .with("listeners", format!("PLAINTEXT://127.0.0.1:{client}"))
                .with(
                    "advertised.listeners",
                    format!("PLAINTEXT://127.0.0.1:{client}"),
                )
                .with(
                    "kintsugi.replication.listener",
                    format!("127.0.0.1:{replication}"),
                )
                .with("kintsugi.control.listener", format!("127.0.0.1:{control}"))
                .with("broker.rack", format!("rack-{id}"));
            common(node, directory, &voters)
        });
        let brokers = brokers.collect();
        let mut cluster = Self {
            controllers,
            brokers,
            voters,
        };
        for node in cluster.controllers.iter_mut().chain(&mut cluster.brokers) {
            node.start();
        }
        cluster
    }

    pub fn broker(&mut self, id: i32) -> &mut Node {
        self.brokers.iter_mut().find(|node| node.id == id).unwrap()
    }

    pub fn other_than(&self, id: i32) -> &Node {
        self.brokers.iter().find(|node| node.id != id).unwrap()
    }

    /// Where its brokers listen, as clients are told.
    pub fn bootstrap(&self) -> String {
        let ports = self.brokers.iter().map(|node| node.client_port);
        let places: Vec<String> = ports.map(|port| format!("127.0.0.1:{port}")).collect();
        places.join(",")
    }

    /// Waits until so many brokers are live.
    pub async fn await_brokers(&self, count: usize) {
        let connection = self.brokers[0].connect().await;
        eventually("all brokers to be live", async || {
            let metadata = metadata(&connection, &[]).await?;
            (metadata.brokers.len() == count).then_some(())
        })
        .await;
    }
}

fn common(node: Node, directory: &Path, voters: &str) -> Node {
    let data = directory.join(format!("data-{}", node.id));
    let (id, http) = (node.id, node.http_port);
    node.with("node.id", id)
        .with("log.dirs", data.display())
        .with("controller.quorum.voters", voters)
        .with("kintsugi.http.listener", format!("127.0.0.1:{http}"))
        .with("default.replication.factor", 3)
        .with("min.insync.replicas", 2)
        .with("offsets.topic.replication.factor", 3)
        .with("offsets.topic.num.partitions", 3)
        .with("kintsugi.shards", 2)
}

/// Waits until `attempt` gives something.
pub async fn eventually<T, A, R>(what: &str, attempt: A) -> T
where
    A: Fn() -> R,
    R: Future<Output = Option<T>>,
{
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        if let Some(found) = attempt().await {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("waited {PATIENCE:?} for {what}");
}

pub fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

/// Metadata of these topics (none: of no topic, only brokers), which are not created by asking.
pub async fn metadata(connection: &Connection, topics: &[&str]) -> Option<MetadataResponse> {
    let topics = topics
        .iter()
        .map(|name| MetadataRequestTopic::default().with_name(Some(text(name).into())));
    let request = MetadataRequest::default()
        .with_topics(Some(topics.collect()))
        .with_allow_auto_topic_creation(false);
    connection.request(12, &request).await.ok()
}

/// One partition, as this broker tells it.
pub async fn partition(
    connection: &Connection,
    topic: &str,
    index: i32,
) -> Option<MetadataResponsePartition> {
    let metadata = metadata(connection, &[topic]).await?;
    let topic = metadata.topics.into_iter().next()?;
    topic
        .partitions
        .into_iter()
        .find(|partition| partition.partition_index == index)
}
