//! The load of a cluster: samples in, rates out.

mod broker;
mod partition;
mod report;
mod resume;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use broker::{Broker, Interval};
use partition::Partition;

use crate::history::Age;
use crate::kept::Resumed;
use crate::split::split;
use crate::{BrokerSample, Counters, Millis, TopicPartition, TopicSample};

/// Brokers of a cluster; samples of further ones are not taken.
pub const BROKERS_MAX: usize = 1_000;

/// Partitions of a cluster; further ones are not taken.
pub const PARTITIONS_MAX: usize = 1_000_000;

const WARM_UP_MS: Millis = 10_000;

/// How long counters have to be observed before their rates mean something: three samples 5 s apart.
pub const WARM_UP: Duration = Duration::from_millis(WARM_UP_MS);

const FORGET_AFTER_MS: Millis = 300_000;

/// A broker, replica or partition that nobody told of for so long is forgotten.
pub const FORGET_AFTER: Duration = Duration::from_millis(FORGET_AFTER_MS);

/// The model. See the crate's documentation.
#[derive(Clone, Debug, Default)]
pub struct LoadModel {
    brokers: BTreeMap<i32, Broker>,
    partitions: BTreeMap<TopicPartition, Partition>,
    resumed: Option<Resumed>,
    swept_at: Millis,
    refused_intervals: u64,
    left_out: u64,
}

impl LoadModel {
    /// Takes what a broker told at `at`, of the caller's clock.
    ///
    /// An interval counts for a partition where the broker led it at both ends. That of a leader's
    /// move is left out on both sides, so that a move neither lowers nor doubles a rate.
    pub fn take(&mut self, id: i32, at: Millis, sample: &BrokerSample) {
        if self.brokers.len() >= BROKERS_MAX && !self.brokers.contains_key(&id) {
            self.left_out += 1;
            return;
        }
        let resumed = self.resumed.as_mut();
        let entry = self.brokers.entry(id);
        let broker = entry.or_insert_with(|| {
            let rates = resumed.and_then(|it| it.broker(id, at));
            Broker::with(rates.unwrap_or_default())
        });
        let previous = broker.sampled_at;
        let interval_ms = match broker.interval(at, sample) {
            // An answer from the same moment, or one that came late.
            Interval::TooShort => return,
            Interval::First => None,
            Interval::Refused => {
                self.refused_intervals += 1;
                None
            }
            Interval::Counts(interval_ms) => Some(interval_ms),
        };
        if let Some(interval_ms) = interval_ms
            && !broker.count(sample, interval_ms)
        {
            self.refused_intervals += 1;
        }
        let between = interval_ms.map(|_| (previous, at));
        broker
            .produce_times
            .take(sample.produce_times.as_ref(), between);
        let topics_before = std::mem::take(&mut broker.topics);
        broker.keep(at, sample);
        let since = Since {
            broker: id,
            at,
            previous,
            interval_ms,
        };
        for topic in &sample.topics {
            let of_topic = topics_before.get(&topic.name).zip(topic.counters.as_ref());
            let added = of_topic.and_then(|(before, now)| now.since(before));
            self.take_topic(&since, topic, added.as_ref());
        }
        if at.saturating_sub(self.swept_at) >= FORGET_AFTER_MS / 5 {
            self.sweep(at);
        }
    }

    fn take_topic(&mut self, since: &Since, topic: &TopicSample, added: Option<&Counters>) {
        let parts = added.map(|added| self.parts(since, topic, added));
        let mut parts = parts.unwrap_or_default().into_iter();
        for sample in &topic.partitions {
            let key = TopicPartition {
                topic: Arc::clone(&topic.name),
                number: sample.number,
            };
            if self.partitions.len() >= PARTITIONS_MAX && !self.partitions.contains_key(&key) {
                self.left_out += 1;
                continue;
            }
            let resumed = self.resumed.as_mut();
            let entry = self.partitions.entry(key);
            let partition = entry.or_insert_with_key(|key| {
                let rates = resumed.and_then(|it| it.partition(key, since.at));
                Partition::with(rates.unwrap_or_default())
            });
            if let Some(interval_ms) = since.interval_ms
                && partition.was_led(since, sample)
            {
                let added = match sample.counters {
                    Some(_) => partition.added(since.broker, sample),
                    None => parts.next(),
                };
                let counted = added.is_some_and(|added| partition.count(&added, interval_ms));
                self.refused_intervals += u64::from(!counted);
            }
            partition.keep(since, sample);
        }
    }

    /// The parts of a topic's traffic, for the partitions that were led at both ends, in order.
    fn parts(&self, since: &Since, topic: &TopicSample, added: &Counters) -> Vec<Counters> {
        let grown = topic.partitions.iter().filter_map(|sample| {
            let key = TopicPartition {
                topic: Arc::clone(&topic.name),
                number: sample.number,
            };
            let partition = self.partitions.get(&key)?;
            partition
                .was_led(since, sample)
                .then(|| partition.grown(since.broker, sample))
        });
        split(added, &grown.collect::<Vec<_>>())
    }

    /// Forgets what nobody told of for long.
    fn sweep(&mut self, now: Millis) {
        self.swept_at = now;
        self.forget_resumed(now);
        let is_fresh = |at: Millis| now.saturating_sub(at) < FORGET_AFTER_MS;
        self.brokers.retain(|_, broker| is_fresh(broker.sampled_at));
        let brokers = &self.brokers;
        self.partitions.retain(|_, partition| {
            partition.retain(|id, at| {
                let broker = brokers.get(&id);
                broker.is_some_and(|broker| broker.sampled_at == at || is_fresh(at))
            })
        });
    }

    /// How old the record at `offset` is; None: not written yet, or the partition is not known.
    pub fn age(&self, partition: &TopicPartition, offset: f64, now: Millis) -> Option<Age> {
        self.partitions.get(partition)?.history.age(offset, now)
    }

    /// Up to where consumers may read, as its leader last told.
    pub fn high_watermark(&self, partition: &TopicPartition) -> Option<f64> {
        self.partitions.get(partition)?.history.end()
    }

    /// Intervals that were not believed: counters that went back, clocks that jumped, rates that
    /// cannot be.
    pub fn refused_intervals(&self) -> u64 {
        self.refused_intervals
    }

    /// Brokers and partitions that were not taken because of a limit.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }
}

/// Between which moments a broker's sample counts.
struct Since {
    broker: i32,
    at: Millis,
    /// When the broker was sampled before.
    previous: Millis,
    interval_ms: Option<Millis>,
}

impl Since {
    fn is_previous(&self, at: Millis) -> bool {
        at == self.previous
    }
}
