//! A load that is over: what its producer was told, to be compared with what the cluster holds.

use std::time::Duration;

use anyhow::ensure;

use super::environment::Environment;
use super::under_load::compare_replicas;
use crate::bench::topology::delete_topic;
use crate::load::consumer::read_topic;
use crate::load::history::History;
use crate::verify::{Duplicates, Verdict, verify};

/// How long reading one topic back may take.
const READ_LIMIT: Duration = Duration::from_secs(120);

/// What was sent, and what became of it.
pub struct SentLoad {
    /// What the producer was told.
    pub history: History,
    /// Tells this run's records from an earlier run's.
    pub run: u64,
    /// Where it was sent to.
    pub topic: String,
    /// The topic's partitions.
    pub partitions: i32,
    /// How many replicas each of them has.
    pub copies: i32,
}

impl SentLoad {
    /// Reads everything back and compares it with what the producer was told, and replicas with each
    /// other; prints what it found.
    ///
    /// # Errors
    /// If they differ, or cannot be read.
    pub fn judge(&self, environment: &Environment) -> anyhow::Result<Verdict> {
        let (topic, bootstrap) = (&self.topic, environment.bootstrap()?);
        let read = read_topic(&bootstrap, topic, self.partitions, READ_LIMIT)?;
        let verdict = verify(self.run, &self.history, &read, Duplicates::Forbidden);
        println!("  verdict on {topic}: {verdict}");
        ensure!(
            verdict.is_clean(),
            "the log of {topic} and what its producer was told differ"
        );
        compare_replicas(environment, topic, self.partitions, self.copies)?;
        Ok(verdict)
    }

    /// As [`SentLoad::judge`]; then deletes the topic, so that what filled disks is not in the way of the
    /// scenarios that follow.
    ///
    /// # Errors
    /// As [`SentLoad::judge`]; and if the topic cannot be deleted.
    pub fn judge_and_delete(&self, environment: &Environment) -> anyhow::Result<()> {
        self.judge(environment)?;
        delete_topic(&environment.bootstrap()?, &self.topic)
    }
}
