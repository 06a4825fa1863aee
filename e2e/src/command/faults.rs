//! The faults that the benchmark makes in a cluster of processes.

use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use anyhow::Context;
use rustix::process::Signal;

use crate::bench::failover::Target;
use crate::bench::roll::Rollable;
use crate::bench::topology::Topology;
use crate::processes::{Cluster, Engine, Steps, send};

/// How long a frozen broker may stay unfenced before it is killed all the same.
const FENCE_LIMIT: Duration = Duration::from_secs(60);
/// The time between two looks whether it is fenced.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);
/// How long a planned stop may take.
const STOP_LIMIT: Duration = Duration::from_secs(60);

/// What is done to a broker.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub enum Fault {
    /// SIGKILL.
    Kill,
    /// SIGSTOP; when the cluster has fenced it, SIGKILL, as the operator would.
    Freeze,
    /// SIGKILL together with the active controller.
    Controller,
    /// SIGKILL of a group's coordinator, which leads partitions too; a member reads and commits.
    Coordinator,
    /// A rolling restart: SIGTERM and a new start, broker after broker.
    Roll,
}

/// A cluster of processes, and what is done to it.
pub struct Processes<E: Engine> {
    /// The processes.
    pub cluster: Cluster<E>,
    /// What is done.
    pub fault: Fault,
    /// How long a stopped broker stays away.
    pub down: Duration,
    operator: Duration,
    last: Option<(i32, SystemTime)>,
    controller: Option<i32>,
    operating: Option<JoinHandle<()>>,
}

impl<E: Engine> Processes<E> {
    /// A cluster that nothing was done to yet.
    #[must_use]
    pub fn new(cluster: Cluster<E>, fault: Fault, operator_ms: u64) -> Self {
        Self {
            cluster,
            fault,
            down: Duration::ZERO,
            operator: Duration::from_millis(operator_ms),
            last: None,
            controller: None,
            operating: None,
        }
    }

    /// Kills the frozen process some time after the cluster fenced its broker.
    fn operate(&self, broker: i32, process: u32) -> JoinHandle<()> {
        // The frozen one takes connections and never answers: asked first, it costs a look's whole limit.
        let (bootstrap, wait) = (self.cluster.bootstrap_without(broker), self.operator);
        std::thread::spawn(move || {
            let started = Instant::now();
            // By new leaders of all that it led: brokers may be listed for a while after they were
            // fenced, and none is named as a leader, for a while before, that does not answer.
            let is_replaced = || {
                Topology::fetch(&bootstrap, "failover").is_ok_and(|topology| {
                    let mut leaders = topology.partitions.values().map(|view| view.leader);
                    leaders.all(|leader| leader.is_some_and(|leader| leader != broker))
                })
            };
            while started.elapsed() < FENCE_LIMIT && !is_replaced() {
                std::thread::sleep(LOOK_INTERVAL);
            }
            let fenced = started.elapsed();
            std::thread::sleep(wait);
            let killed = send(process, Signal::KILL);
            eprintln!("  frozen: fenced after {fenced:.1?}, killed {wait:?} later: {killed:?}");
        })
    }
}

impl<E: Engine> Target for Processes<E> {
    fn bootstrap(&self) -> String {
        self.cluster.bootstrap()
    }

    fn strike(&mut self, broker: i32) -> anyhow::Result<Duration> {
        if self.fault == Fault::Controller {
            let active = self.cluster.active_controller();
            self.controller = Some(active.context("no controller is known to be active")?);
        }
        let (sent, wall) = (Instant::now(), SystemTime::now());
        self.last = Some((broker, wall));
        match self.fault {
            Fault::Freeze => {
                let process = self.cluster.process(broker);
                let process = process.with_context(|| format!("broker {broker} does not run"))?;
                process.signal(Signal::STOP)?;
                self.operating = Some(self.operate(broker, process.id()));
            }
            Fault::Controller => {
                if let Some(controller) = self.controller {
                    self.cluster.kill(controller)?;
                }
                self.cluster.kill(broker)?;
            }
            Fault::Kill | Fault::Coordinator | Fault::Roll => self.cluster.kill(broker)?,
        }
        Ok(sent.elapsed())
    }

    fn steps(&self) -> Option<Steps> {
        let (broker, wall) = self.last?;
        self.cluster.steps(broker, wall)
    }

    fn revive(&mut self, broker: i32) -> anyhow::Result<()> {
        if let Some(operating) = self.operating.take() {
            let panicked = |_| anyhow::anyhow!("the thread that plays the operator panicked");
            operating.join().map_err(panicked)?;
            self.cluster.kill(broker)?;
        }
        if let Some(controller) = self.controller.take() {
            self.cluster.start_node(controller)?;
        }
        Ok(self.cluster.start_node(broker)?)
    }
}

impl<E: Engine> Rollable for Processes<E> {
    fn bootstrap(&self) -> String {
        self.cluster.bootstrap()
    }

    fn stop(&mut self, broker: i32) -> anyhow::Result<()> {
        Ok(self.cluster.stop(broker, STOP_LIMIT)?)
    }

    fn start(&mut self, broker: i32) -> anyhow::Result<()> {
        std::thread::sleep(self.down);
        Ok(self.cluster.start_node(broker)?)
    }
}
