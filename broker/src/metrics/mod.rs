//! What is counted, by Prometheus's names.
//!
//! Names that Kafka's JMX exporter gives are kept where the meaning is the same
//! (`kafka_server_...`); the rest begin with `kintsugi_`.

mod handshakes;
mod partitions;
mod process;
mod requests;
mod shards;
mod traffic;

use prometheus::{Encoder as _, IntCounter, IntCounterVec, IntGauge, Opts, Registry, TextEncoder};

pub use partitions::{Change, Partitions};
pub use process::{Process, volume};
pub use requests::Times;
pub use shards::ShardCounters;
pub use traffic::Traffic;

/// All metrics of the process.
#[derive(Clone, Debug)]
pub struct Metrics {
    registry: Registry,
    /// Clients and their requests.
    pub traffic: Traffic,
    /// Partitions and brokers.
    pub partitions: Partitions,
    /// What shards count.
    pub shards: ShardCounters,
    /// Who did not prove the cluster's secret, by port and reason.
    pub refused_handshakes: IntCounterVec,
    /// What the process uses.
    pub process: Process,
}

impl Metrics {
    /// All at zero.
    ///
    /// # Errors
    /// When two metrics have one name.
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        Ok(Self {
            traffic: Traffic::new(&registry)?,
            partitions: Partitions::new(&registry)?,
            shards: ShardCounters::new(&registry)?,
            refused_handshakes: handshakes::refused(&registry)?,
            process: Process::new(&registry)?,
            registry,
        })
    }

    /// All metrics as text.
    ///
    /// # Errors
    /// When one cannot be written as text.
    pub fn render(&self) -> Result<String, prometheus::Error> {
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    /// Counts something that a limit refused.
    pub fn limit(&self, name: &str) {
        self.traffic.limited.with_label_values(&[name]).inc();
    }
}

fn counter(registry: &Registry, name: &str, help: &str) -> Result<IntCounter, prometheus::Error> {
    let counter = IntCounter::new(name, help)?;
    registry.register(Box::new(counter.clone()))?;
    Ok(counter)
}

fn labelled(
    registry: &Registry,
    name: &str,
    help: &str,
    label: &str,
) -> Result<IntCounterVec, prometheus::Error> {
    let counter = IntCounterVec::new(Opts::new(name, help), &[label])?;
    registry.register(Box::new(counter.clone()))?;
    Ok(counter)
}

fn gauge(registry: &Registry, name: &str, help: &str) -> Result<IntGauge, prometheus::Error> {
    let gauge = IntGauge::new(name, help)?;
    registry.register(Box::new(gauge.clone()))?;
    Ok(gauge)
}
