//! What brokers with many partitions cost when nothing happens, and how fast they come back.
//!
//! Guarantees: only acknowledged records count as written; every start is measured from the start
//! of the process to the broker's first answer and to every replica's being in sync again. Assumes
//! that the whole cluster shares this machine. The page cache is warm: what a kill leaves unread
//! was written moments before.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use rustix::process::Signal;

use super::probe::{ProbePlan, probe};
use super::served::wait_until_served;
use super::speed::{Stream, VALUE_SIZE_BYTES};
use super::topology::{Topology, create_topic, wait_for};
use crate::host::descriptors;
use crate::load::record::probe_run;
use crate::processes::{BROKERS, Cluster, Engine, NodePlan, Opened};

/// How long forming, or becoming whole again, may take.
const HEAL_LIMIT: Duration = Duration::from_secs(300);
/// How long a start may take until the broker answers.
const START_LIMIT: Duration = Duration::from_secs(120);
/// How long a clean stop may take.
const STOP_LIMIT: Duration = Duration::from_secs(60);
/// How long the cluster is left alone before what it uses is measured.
const CALM: Duration = Duration::from_secs(5);
/// The time between two looks at what brokers have made.
const LOOK_INTERVAL: Duration = Duration::from_millis(200);
/// The most partitions that are asked for after the whole cluster started.
const PROBED_MAX: usize = 1_000;
/// The topic.
const TOPIC: &str = "many";

/// A cluster of processes with one topic of many partitions.
pub struct ManyPartitions<E: Engine> {
    /// The processes.
    pub cluster: Cluster<E>,
    /// The topic's partitions.
    pub partitions: i32,
}

/// What one node takes while nothing happens.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Idle {
    /// The node.
    pub id: i32,
    /// Percent of one processor.
    pub processor_percent: f64,
    /// Resident memory.
    pub resident_bytes: u64,
    /// Open descriptors.
    pub descriptors: usize,
}

/// How long one start took, each counted from the start of the process (of the first, if several).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Start {
    /// Every log was open: the last broker's, if several were started.
    pub opened: Duration,
    /// The bytes of logs that a broker read to verify them: the most of any.
    pub verified_bytes: u64,
    /// The broker answered: the last one, if several were started.
    pub served: Duration,
    /// Every partition that was asked acknowledged a record; `None` where none was.
    pub written: Option<Duration>,
    /// Every replica is in sync again.
    pub whole: Duration,
}

impl<E: Engine> ManyPartitions<E> {
    /// Creates the topic; gives how long it took until every replica was in sync with its log made:
    /// the metadata names new replicas as in sync before brokers have heard of them.
    ///
    /// # Errors
    /// If the cluster does not become whole.
    pub fn fill_with_partitions(&self) -> anyhow::Result<Duration> {
        let bootstrap = self.cluster.bootstrap();
        let brokers = usize::try_from(BROKERS)?;
        let all_are_live = |topology: &Topology| topology.brokers.len() == brokers;
        let what = "all brokers to register";
        wait_for(&bootstrap, TOPIC, what, HEAL_LIMIT, all_are_live)?;
        let started = Instant::now();
        create_topic(&bootstrap, TOPIC, self.partitions, 3, HEAL_LIMIT)?;
        for broker in 0..BROKERS {
            self.wait_until_made(broker, started)?;
        }
        self.wait_until_whole()?;
        Ok(started.elapsed())
    }

    /// What each node takes over `time`, after a pause.
    ///
    /// # Errors
    /// If a process is gone.
    pub fn idle(&self, time: Duration) -> anyhow::Result<Vec<Idle>> {
        std::thread::sleep(CALM);
        let used = |id: i32| self.process(id)?.cpu_used().map_err(anyhow::Error::from);
        let ids = self.cluster.ids();
        let started = Instant::now();
        let before: Vec<Duration> = ids.iter().map(|id| used(*id)).collect::<Result<_, _>>()?;
        std::thread::sleep(time);
        let (mut idle, elapsed) = (Vec::new(), started.elapsed());
        for (id, before) in ids.into_iter().zip(before) {
            let process = self.process(id)?;
            idle.push(Idle {
                id,
                processor_percent: 100.0 * (used(id)? - before).div_duration_f64(elapsed),
                resident_bytes: process.resident_bytes()?,
                descriptors: descriptors::open(process.id())?,
            });
        }
        Ok(idle)
    }

    /// Writes `records` records of 1 KiB to every partition; gives the bytes of values.
    ///
    /// # Errors
    /// If one is not acknowledged.
    pub fn write(&self, records: u64) -> anyhow::Result<u64> {
        let stream = Stream {
            bootstrap: self.cluster.bootstrap(),
            topic: TOPIC.to_owned(),
            partitions: self.partitions,
        };
        stream.fill(records)?;
        let size_bytes = u64::try_from(VALUE_SIZE_BYTES)?;
        Ok(records * u64::from(self.partitions.unsigned_abs()) * size_bytes)
    }

    /// Stops one broker by SIGTERM and starts it again; gives the stop's time too.
    ///
    /// # Errors
    /// If it does not stop or start, or the cluster does not become whole.
    pub fn restart(&mut self, broker: i32) -> anyhow::Result<(Duration, Start)> {
        let stopping = Instant::now();
        self.cluster.stop(broker, STOP_LIMIT)?;
        let stopped = stopping.elapsed();
        Ok((stopped, self.start(&[broker])?))
    }

    /// Kills one broker and starts it again at once.
    ///
    /// # Errors
    /// If it does not start, or the cluster does not become whole.
    pub fn kill(&mut self, broker: i32) -> anyhow::Result<Start> {
        self.cluster.kill(broker)?;
        self.start(&[broker])
    }

    /// Stops every node by SIGTERM, all at once, and starts them all again.
    ///
    /// # Errors
    /// As [`Self::restart`].
    pub fn restart_all(&mut self) -> anyhow::Result<(Duration, Start)> {
        let ids = self.cluster.ids();
        let stopping = Instant::now();
        let brokers = ids.iter().filter(|id| **id < BROKERS);
        for id in brokers.clone() {
            self.process(*id)?.signal(Signal::TERM)?;
        }
        for id in brokers {
            self.cluster.stop(*id, STOP_LIMIT)?;
        }
        for id in ids.iter().filter(|id| **id >= BROKERS) {
            self.cluster.stop(*id, STOP_LIMIT)?;
        }
        let stopped = stopping.elapsed();
        Ok((stopped, self.start(&ids)?))
    }

    /// Kills every broker, one right after the other, and starts them all again.
    ///
    /// # Errors
    /// As [`Self::kill`].
    pub fn kill_all_brokers(&mut self) -> anyhow::Result<Start> {
        let brokers: Vec<i32> = (0..BROKERS).collect();
        for id in &brokers {
            self.process(*id)?.signal(Signal::KILL)?;
        }
        for id in &brokers {
            self.cluster.kill(*id)?;
        }
        self.start(&brokers)
    }

    fn start(&mut self, ids: &[i32]) -> anyhow::Result<Start> {
        let started = Instant::now();
        for id in ids {
            self.cluster.start_node(*id)?;
        }
        let mut served = Duration::ZERO;
        let mut opened = Opened::default();
        for id in ids.iter().filter(|id| **id < BROKERS) {
            let at = wait_until_served(self.address(*id)?, START_LIMIT)
                .with_context(|| format!("broker {id}"))?;
            served = served.max(at - started);
            let own = Opened::read(&self.node(*id)?.folder.join("process.log"))?;
            opened.at = opened.at.max(own.at);
            opened.verified_bytes = opened.verified_bytes.max(own.verified_bytes);
        }
        let written = match ids.len() {
            1 => None,
            _ => Some(self.write_everywhere(started)?),
        };
        self.wait_until_whole()?;
        let whole = started.elapsed();
        Ok(Start {
            opened: opened.at,
            verified_bytes: opened.verified_bytes,
            served,
            written,
            whole,
        })
    }

    /// Waits until a sample of the partitions acknowledged a record each, wherever they are led.
    fn write_everywhere(&self, started: Instant) -> anyhow::Result<Duration> {
        let step = usize::try_from(self.partitions)?
            .div_ceil(PROBED_MAX)
            .max(1);
        let brokers = (0..BROKERS).map(|id| self.address(id));
        let brokers: Vec<SocketAddr> = brokers.collect::<anyhow::Result<_>>()?;
        let plan = ProbePlan {
            topic: TOPIC.to_owned(),
            run: probe_run(fastrand::u64(..)),
            partitions: (0..self.partitions).step_by(step).collect(),
            brokers: brokers
                .iter()
                .map(|address| (address.ip().to_string(), address.port()))
                .collect(),
        };
        let served = probe(&plan, started, HEAL_LIMIT);
        let (asked, answered) = (plan.partitions.len(), served.len());
        ensure!(
            asked == answered,
            "only {answered} of {asked} partitions were written within {HEAL_LIMIT:?}"
        );
        Ok(served.into_values().max().unwrap_or_default())
    }

    fn wait_until_made(&self, broker: i32, started: Instant) -> anyhow::Result<()> {
        let data = self.node(broker)?.folder.join("data");
        let (wanted, prefix) = (usize::try_from(self.partitions)?, format!("{TOPIC}-"));
        loop {
            let entries = std::fs::read_dir(&data)?;
            let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
            let made = names.filter(|name| name.starts_with(&prefix)).count();
            if made >= wanted {
                return Ok(());
            }
            ensure!(
                started.elapsed() < HEAL_LIMIT,
                "broker {broker} made only {made} of {wanted} logs within {HEAL_LIMIT:?}"
            );
            std::thread::sleep(LOOK_INTERVAL);
        }
    }

    fn wait_until_whole(&self) -> anyhow::Result<()> {
        let partitions = usize::try_from(self.partitions)?;
        let what = "every replica in sync and leaders spread";
        let whole = |t: &Topology| t.is_healthy(partitions) && t.is_balanced();
        wait_for(&self.cluster.bootstrap(), TOPIC, what, HEAL_LIMIT, whole).map(drop)
    }

    /// A running node.
    ///
    /// # Errors
    /// If it does not run.
    pub fn process(&self, id: i32) -> anyhow::Result<&crate::processes::Process> {
        let process = self.cluster.process(id);
        process.with_context(|| format!("node {id} does not run"))
    }

    /// The plan of a node.
    ///
    /// # Errors
    /// If there is none of that id.
    pub fn node(&self, broker: i32) -> anyhow::Result<&NodePlan> {
        let node = self.cluster.node(broker);
        node.with_context(|| format!("there is no broker {broker}"))
    }

    fn address(&self, broker: i32) -> anyhow::Result<SocketAddr> {
        let node = self.node(broker)?;
        Ok((Ipv4Addr::LOCALHOST, node.ports[0]).into())
    }
}
