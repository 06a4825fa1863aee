//! The loads: each on a topic of its own, and verified on its own.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::ensure;

use crate::bench::topology::{Topology, create_topic, wait_for};
use crate::load::producer::{Load, LoadSettings};
use crate::scenario::environment::{Environment, HEAL_LIMIT};
use crate::scenario::sent_load::SentLoad;
use crate::scenario::under_load::COPIES;
use crate::verify::Verdict;

/// Large enough that what is received is mostly values.
const VALUE_SIZE_BYTES: usize = 1_000;
/// What a broker appends for one value: with its key, its header and its batch's, of which each record has
/// one, as nothing lingers. Near enough: forecasts are about changes.
const APPENDED_BYTES: f64 = 1_070.0;
/// How long what is unanswered may take when a load stops.
const FLUSH_LIMIT: Duration = Duration::from_secs(30);
/// The least number of acknowledged records for a load to mean anything.
const ACKED_MIN: u64 = 1_000;

/// What one load sends.
#[derive(Clone, Copy, Debug)]
pub struct Stage {
    /// The topic's name, before what tells runs apart.
    pub topic: &'static str,
    /// Its partitions.
    pub partitions: u32,
    /// The time between two records of one partition.
    pub interval: Duration,
}

impl Stage {
    /// Bytes a second that brokers append, without copies.
    #[must_use]
    pub fn appended_bytes_per_second(&self) -> f64 {
        let records = f64::from(self.partitions) / self.interval.as_secs_f64();
        records * APPENDED_BYTES
    }

    /// Creates the topic, begins to send, and says so.
    ///
    /// # Errors
    /// If the topic does not become whole, or the load cannot be started.
    pub fn start(&self, bootstrap: &str) -> anyhow::Result<Running> {
        let partitions = i32::try_from(self.partitions)?;
        // A name of its own, so that the demo may run again on the same cluster.
        let topic = format!("{}-{:08x}", self.topic, fastrand::u32(..));
        create_topic(bootstrap, &topic, partitions, COPIES, HEAL_LIMIT)?;
        let count = usize::try_from(self.partitions)?;
        let what = "the topic to be whole";
        wait_for(bootstrap, &topic, what, HEAL_LIMIT, |now| {
            now.is_healthy(count)
        })?;
        let settings = LoadSettings {
            bootstrap: bootstrap.to_owned(),
            topic: topic.clone(),
            partitions,
            interval: self.interval,
            value_size_bytes: VALUE_SIZE_BYTES,
            client: BTreeMap::new(),
        };
        let load = Load::start(settings, fastrand::u64(..))?;
        println!(
            "  writing to {} partitions of {}, acks=all: {:.0} kB a second for the brokers to receive, copies too",
            self.partitions,
            self.topic,
            self.appended_bytes_per_second() * f64::from(COPIES) / 1_000.0
        );
        Ok(Running {
            load,
            topic,
            partitions,
        })
    }
}

/// A load that is sent.
pub struct Running {
    load: Load,
    topic: String,
    partitions: i32,
}

impl Running {
    /// Its topic.
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// Stops it.
    ///
    /// # Errors
    /// If its thread died.
    pub fn stop(self) -> anyhow::Result<SentLoad> {
        let run = self.load.run;
        Ok(SentLoad {
            history: self.load.stop(FLUSH_LIMIT)?,
            run,
            topic: self.topic,
            partitions: self.partitions,
            copies: COPIES,
        })
    }
}

/// How many of a topic's partitions a broker leads, and how many it follows.
///
/// # Errors
/// If no broker tells.
pub fn share_of(topic: &str, bootstrap: &str, broker: i32) -> anyhow::Result<(usize, usize)> {
    let now = Topology::fetch(bootstrap, topic)?;
    Ok((now.led_by(broker).len(), now.followed_by(broker).len()))
}

/// Reads a load back, of which no send may have failed.
///
/// # Errors
/// If what is read differs from what the producer was told, replicas differ, a send failed, or too
/// little was sent to mean anything.
pub fn judge(sent: &SentLoad, environment: &Environment) -> anyhow::Result<Verdict> {
    let verdict = sent.judge(environment)?;
    let (topic, unknown, acked) = (&sent.topic, verdict.unknown, verdict.acked);
    ensure!(unknown == 0, "{unknown} sends to {topic} failed");
    ensure!(
        acked >= ACKED_MIN,
        "only {acked} records of {topic} were acknowledged: too few to mean anything"
    );
    Ok(verdict)
}
