//! A topic of a scenario's own, and the load that is to be sent to it.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::ensure;

use super::environment::{Environment, HEAL_LIMIT};
use crate::bench::topology::{create_topic, create_topic_on};
use crate::load::producer::LoadSettings;

/// The topic and its load.
#[derive(Clone, Copy, Debug)]
pub struct OwnTopic<'a> {
    /// How its name begins.
    pub name: &'a str,
    /// Its partitions.
    pub partitions: i32,
    /// Where their replicas are.
    pub placed: Placed<'a>,
    /// The time between two records of one partition.
    pub interval: Duration,
    /// The size of a value.
    pub value_size_bytes: usize,
}

/// Where replicas are.
#[derive(Clone, Copy, Debug)]
pub enum Placed<'a> {
    /// So many of each partition, where the cluster puts them.
    Spread(i32),
    /// Of every partition on these brokers, the first of them leading.
    On(&'a [i32]),
}

impl OwnTopic<'_> {
    /// Creates it, under a name that lets the scenario run again on the same cluster.
    ///
    /// # Errors
    /// If the cluster does not take it.
    pub fn create(&self, environment: &Environment) -> anyhow::Result<LoadSettings> {
        let topic = format!("{}-{:08x}", self.name, fastrand::u32(..));
        let (bootstrap, partitions) = (environment.bootstrap()?, self.partitions);
        match self.placed {
            Placed::Spread(copies) => {
                create_topic(&bootstrap, &topic, partitions, copies, HEAL_LIMIT)
            }
            Placed::On(brokers) => {
                create_topic_on(&bootstrap, &topic, partitions, brokers, HEAL_LIMIT)
            }
        }?;
        Ok(LoadSettings {
            bootstrap,
            topic,
            partitions,
            interval: self.interval,
            value_size_bytes: self.value_size_bytes,
            client: BTreeMap::new(),
        })
    }
}

/// So many brokers to heap something on, with at least one that is left without.
///
/// # Errors
/// If there are no more than that.
pub fn some_brokers(environment: &Environment, count: i32) -> anyhow::Result<Vec<i32>> {
    let (mut brokers, count): (Vec<i32>, _) = (
        environment.brokers()?.into_keys().collect(),
        usize::try_from(count)?,
    );
    ensure!(
        brokers.len() > count,
        "there are {} brokers, and {} are needed: one must be without load",
        brokers.len(),
        count + 1
    );
    brokers.truncate(count);
    Ok(brokers)
}
