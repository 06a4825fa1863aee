//! What brokers' disks have in use, and a load that makes some fuller than others.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use anyhow::Context;

use super::environment::Environment;
use super::own_topic::{OwnTopic, Placed};
use super::sent_load::SentLoad;
use crate::kubernetes::http;
use crate::load::producer::Load;

/// Partitions of the topic that fills disks.
pub const PARTITIONS: i32 = 24;
/// Five megabytes a second for each disk.
const VALUE_SIZE_BYTES: usize = 4_096;
const INTERVAL: Duration = Duration::from_millis(20);
/// By so much of itself every filled disk is fuller than before, and than the emptiest one.
const FULLER_PERCENT: f64 = 12.0;
/// What is told of a disk may be off by so much of it: logs grow meanwhile.
const ROOM_ERROR_PERCENT: f64 = 1.0;
/// How long that may take.
const FILL_LIMIT: Duration = Duration::from_secs(240);

/// What each broker's disk has in use, in percent of it, as the broker tells.
#[derive(Clone, Debug, PartialEq)]
pub struct Disks(BTreeMap<i32, f64>);

impl Disks {
    /// Asks every broker.
    ///
    /// # Errors
    /// If one does not tell.
    pub fn look(environment: &Environment) -> anyhow::Result<Self> {
        let pods = environment.brokers()?.into_iter();
        let used = pods.map(|(id, pod)| {
            let ip = pod.ip.context("a broker's pod has no address")?;
            let text = http::get(&ip, "/metrics")?;
            let value = |name: &str| -> anyhow::Result<f64> {
                let mut lines = text.lines();
                let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
                let value = value.with_context(|| format!("broker {id} does not tell {name}"))?;
                Ok(value.parse()?)
            };
            let total = value("kintsugi_log_directory_total_bytes")?;
            let usable = value("kintsugi_log_directory_usable_bytes")?;
            Ok((id, (total - usable) / total * 100.0))
        });
        used.collect::<anyhow::Result<_>>().map(Self)
    }

    /// Of the one that has least in use.
    #[must_use]
    pub fn emptiest(&self) -> f64 {
        self.0.values().copied().fold(f64::INFINITY, f64::min)
    }

    /// Of the one that has most in use.
    #[must_use]
    pub fn fullest(&self) -> f64 {
        self.0.values().copied().fold(0.0, f64::max)
    }

    /// The highest bound, in percent, at which the others have less room than one disk has too much.
    ///
    /// # Errors
    /// If the others have room at any bound.
    pub fn bound_without_room(&self, broker: i32) -> anyhow::Result<i32> {
        let full = *self.0.get(&broker).context("that broker told nothing")?;
        let others = || self.0.iter().filter(|(id, _)| **id != broker);
        let lacks_room = |bound: &i32| {
            let bound = f64::from(*bound);
            let room: f64 = others().map(|(_, used)| (bound - used).max(0.0)).sum();
            full - bound > room + ROOM_ERROR_PERCENT
        };
        let mut bounds = (1..100).rev();
        let bound = bounds.find(lacks_room);
        bound.with_context(|| format!("broker {broker} has nothing that finds no room: {self}"))
    }

    fn emptiest_of(&self, brokers: &[i32]) -> f64 {
        let those = self.0.iter().filter(|(id, _)| brokers.contains(id));
        those.map(|(_, used)| *used).fold(f64::INFINITY, f64::min)
    }
}

impl fmt::Display for Disks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let each = self.0.iter();
        let each = each.map(|(id, used)| format!("broker {id} uses {used:.1} % of its disk"));
        f.write_str(&each.collect::<Vec<_>>().join(", "))
    }
}

/// Sends to a topic that has a replica of each partition on each of these brokers, until their disks are
/// fuller than before, and than the emptiest one.
///
/// # Errors
/// If they do not become so.
pub fn fill(environment: &Environment, brokers: &[i32]) -> anyhow::Result<SentLoad> {
    let topic = OwnTopic {
        name: "filling",
        partitions: PARTITIONS,
        placed: Placed::On(brokers),
        interval: INTERVAL,
        value_size_bytes: VALUE_SIZE_BYTES,
    };
    let settings = topic.create(environment)?;
    let topic = settings.topic.clone();
    let before = Disks::look(environment)?.emptiest_of(brokers);
    let load = Load::start(settings, fastrand::u64(..))?;
    let started = Instant::now();
    let what = "disks to be fuller than the emptiest";
    environment.kubernetes.wait(what, FILL_LIMIT, |_| {
        let used = Disks::look(environment)?;
        let full = used.emptiest_of(brokers);
        let is_full = full >= used.emptiest().max(before) + FULLER_PERCENT;
        Ok(is_full.then_some(()).ok_or_else(|| used.to_string()))
    })?;
    println!("  filled within {:.1?}", started.elapsed());
    Ok(SentLoad {
        run: load.run,
        history: load.stop(Duration::from_secs(30))?,
        topic,
        partitions: PARTITIONS,
        copies: i32::try_from(brokers.len())?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_without_room_is_the_highest_at_which_others_take_less_than_is_too_much() {
        let used = Disks([(0, 21.0), (1, 20.0), (2, 1.4)].into());
        // At 10 % 11 of it are too much, and 8.6 have room; at 11 % it is 10 and 9.6.
        assert_eq!(used.bound_without_room(0).ok(), Some(10));
        assert!(used.bound_without_room(2).is_err());
        assert!(used.bound_without_room(7).is_err());
    }
}
