//! A whole cluster as processes on loopback, of Kintsugi or of Apache Kafka: what benchmarks
//! compare, with the same client and the same faults on both.
//!
//! Kills only processes that it started, by id, and ends them all when it is dropped.

mod kafka;
mod kafka_tools;
mod kintsugi;
mod opened;
mod process;
mod steps;

use std::collections::BTreeMap;
use std::io;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tokio::net::TcpSocket;

pub use kafka::Kafka;
pub use kafka_tools::{KafkaTools, Placed, Placement, run};
pub use kintsugi::{HTTP, Kintsugi};
pub use opened::Opened;
pub use process::{Process, send};
pub use steps::Steps;

/// How many controllers a cluster has.
pub const CONTROLLERS: i32 = 3;
/// How many brokers a cluster has.
pub const BROKERS: i32 = 3;

/// How many nodes of each role a cluster has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Size {
    /// Controllers.
    pub controllers: i32,
    /// Brokers, with ids from 0.
    pub brokers: i32,
}

impl Default for Size {
    fn default() -> Self {
        Self {
            controllers: CONTROLLERS,
            brokers: BROKERS,
        }
    }
}

/// The settings of a cluster that is measured. Leaders go back soon after each fault, so that every
/// fault meets the same picture.
#[must_use]
pub fn settings() -> BTreeMap<String, String> {
    let settings = [
        ("min.insync.replicas", "2"),
        ("default.replication.factor", "3"),
        ("leader.imbalance.check.interval.seconds", "2"),
        ("leader.imbalance.per.broker.percentage", "0"),
    ];
    settings
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into()
}
/// The first controller's id.
const CONTROLLER_ID_FIRST: i32 = 1_000;

/// What kind of broker this is, and how to run one.
pub trait Engine {
    /// Its name, for tables.
    fn name(&self) -> String;

    /// Writes what the node needs into its folder, and formats it if that has to be done.
    ///
    /// # Errors
    /// If files cannot be written, or a tool that must run fails.
    fn prepare(&self, node: &NodePlan, cluster: &ClusterPlan) -> io::Result<()>;

    /// The command that runs the node.
    fn command(&self, node: &NodePlan) -> std::process::Command;

    /// Which controller is active, if any is known to be.
    fn active_controller(&self, cluster: &ClusterPlan) -> Option<i32>;

    /// What the nodes' logs tell of the failover from a broker that died at `fault`, for engines
    /// whose logs are known.
    fn steps(&self, _cluster: &ClusterPlan, _broker: i32, _fault: SystemTime) -> Option<Steps> {
        None
    }
}

/// Where one node lives.
#[derive(Clone, Debug)]
pub struct NodePlan {
    /// Its id.
    pub id: i32,
    /// Controller or broker.
    pub is_controller: bool,
    /// Its folder: settings, logs of the process, data.
    pub folder: PathBuf,
    /// Its ports on loopback: the first is the one that clients or controllers dial.
    pub ports: Vec<u16>,
}

/// What every node knows of the others.
#[derive(Clone, Debug)]
pub struct ClusterPlan {
    /// All nodes, controllers first.
    pub nodes: Vec<NodePlan>,
    /// Settings added to every broker's, by Kafka's names.
    pub settings: BTreeMap<String, String>,
}

/// A running cluster.
pub struct Cluster<E: Engine> {
    engine: E,
    plan: ClusterPlan,
    processes: BTreeMap<i32, Process>,
}

impl<E: Engine> Cluster<E> {
    /// Starts three controllers and three brokers under `folder`.
    ///
    /// # Errors
    /// If a port, a file or a process cannot be had.
    pub fn start(engine: E, folder: &Path, settings: BTreeMap<String, String>) -> io::Result<Self> {
        Self::start_of(Size::default(), engine, folder, settings)
    }

    /// Starts a cluster of another size under `folder`.
    ///
    /// # Errors
    /// As [`Cluster::start`].
    pub fn start_of(
        size: Size,
        engine: E,
        folder: &Path,
        settings: BTreeMap<String, String>,
    ) -> io::Result<Self> {
        let controllers = (0..size.controllers).map(|n| (CONTROLLER_ID_FIRST + n, true));
        let brokers = (0..size.brokers).map(|n| (n, false));
        let mut nodes = Vec::new();
        for (id, is_controller) in controllers.chain(brokers) {
            let folder = folder.join(format!("node-{id}"));
            std::fs::create_dir_all(&folder)?;
            nodes.push(NodePlan {
                id,
                is_controller,
                folder,
                ports: free_ports(4)?,
            });
        }
        let plan = ClusterPlan { nodes, settings };
        let mut cluster = Self {
            engine,
            plan,
            processes: BTreeMap::new(),
        };
        for node in cluster.plan.nodes.clone() {
            cluster.engine.prepare(&node, &cluster.plan)?;
            cluster.start_node(node.id)?;
        }
        Ok(cluster)
    }

    /// `bootstrap.servers` of the cluster.
    #[must_use]
    pub fn bootstrap(&self) -> String {
        self.bootstrap_of(|_| true)
    }

    /// The same of all brokers but one, which may not answer.
    #[must_use]
    pub fn bootstrap_without(&self, broker: i32) -> String {
        self.bootstrap_of(|id| id != broker)
    }

    fn bootstrap_of(&self, is_wanted: impl Fn(i32) -> bool) -> String {
        let nodes = self.plan.nodes.iter();
        let brokers = nodes.filter(|node| !node.is_controller && is_wanted(node.id));
        let addresses: Vec<String> = brokers
            .map(|node| format!("127.0.0.1:{}", node.ports[0]))
            .collect();
        addresses.join(",")
    }

    /// The name of the engine.
    #[must_use]
    pub fn name(&self) -> String {
        self.engine.name()
    }

    /// Starts a node (again).
    ///
    /// # Errors
    /// If it is not one of the cluster's, or cannot be started.
    pub fn start_node(&mut self, id: i32) -> io::Result<()> {
        let node = self.node(id);
        let node = node.ok_or_else(|| io::Error::other(format!("there is no node {id}")))?;
        let process = Process::start(&self.engine.command(node), &node.folder.join("process.log"))?;
        self.processes.insert(id, process);
        Ok(())
    }

    /// Ends a node with SIGKILL and reaps it.
    ///
    /// # Errors
    /// If it does not run.
    pub fn kill(&mut self, id: i32) -> io::Result<()> {
        let process = self.processes.remove(&id);
        process
            .ok_or_else(|| io::Error::other(format!("node {id} does not run")))?
            .kill()
    }

    /// Stops a node by SIGTERM and waits for its end.
    ///
    /// # Errors
    /// If it does not run, or does not end in `limit`.
    pub fn stop(&mut self, id: i32, limit: Duration) -> io::Result<()> {
        let process = self.processes.remove(&id);
        process
            .ok_or_else(|| io::Error::other(format!("node {id} does not run")))?
            .stop(limit)
    }

    /// Which controller is active, if any is known to be.
    #[must_use]
    pub fn active_controller(&self) -> Option<i32> {
        self.engine.active_controller(&self.plan)
    }

    /// What the logs tell of a failover.
    #[must_use]
    pub fn steps(&self, broker: i32, fault: SystemTime) -> Option<Steps> {
        self.engine.steps(&self.plan, broker, fault)
    }

    /// A node's settings, folder and ports.
    #[must_use]
    pub fn node(&self, id: i32) -> Option<&NodePlan> {
        self.plan.nodes.iter().find(|node| node.id == id)
    }

    /// The ids of all controllers, then of all brokers.
    #[must_use]
    pub fn ids(&self) -> Vec<i32> {
        self.plan.nodes.iter().map(|node| node.id).collect()
    }

    /// The process of a node, if it runs.
    #[must_use]
    pub fn process(&self, id: i32) -> Option<&Process> {
        self.processes.get(&id)
    }
}

/// Ports that nobody listens on now, and that stay free while a node is down: below the range
/// that the kernel takes the ports of outgoing connections from (32768 and up).
fn free_ports(count: usize) -> io::Result<Vec<u16>> {
    const FIRST: u16 = 10_000;
    const LAST: u16 = 32_000;
    const TRIES_MAX: usize = 10_000;
    let mut ports = Vec::new();
    for _ in 0..TRIES_MAX {
        if ports.len() == count {
            return Ok(ports);
        }
        let port = fastrand::u16(FIRST..LAST);
        if !ports.contains(&port) && is_free(port)? {
            ports.push(port);
        }
    }
    let message = format!("found no {count} free ports from {FIRST} to {LAST}");
    Err(io::Error::other(message))
}

/// Whether nobody listens on a port. Binds and does not listen: a process that is started at this
/// moment holds the socket too until it runs its own program, and a listening one would take, and
/// reset, a connection that is meant for whoever is given the port.
fn is_free(port: u16) -> io::Result<bool> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    Ok(socket.bind((Ipv4Addr::LOCALHOST, port).into()).is_ok())
}

/// Writes settings as a properties file.
fn write_properties(path: &Path, settings: &BTreeMap<String, String>) -> io::Result<()> {
    let lines: String = settings
        .iter()
        .map(|(key, value)| format!("{key}={value}\n"))
        .collect();
    std::fs::write(path, lines)
}
