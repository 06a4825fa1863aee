//! Going on with the rates that another process measured.

use std::collections::BTreeMap;

use super::{FORGET_AFTER_MS, LoadModel, WARM_UP_MS};
use crate::kept::{Kept, Resumed};
use crate::{Millis, TopicPartition};

impl LoadModel {
    /// The rates of every broker, and of `partitions_max` partitions, the busiest.
    pub fn keep(&self, partitions_max: usize) -> Kept {
        let observed = self
            .brokers
            .iter()
            .filter(|(_, b)| b.rates.observed_ms() > 0);
        let brokers = observed.map(|(id, broker)| (*id, broker.rates.keep()));
        let bytes = |key: &TopicPartition| {
            let rates = self.rates(key);
            rates.bytes_in + rates.bytes_out
        };
        let mut busy: Vec<(f64, &TopicPartition)> = self
            .partitions
            .keys()
            .map(|key| (bytes(key), key))
            .collect();
        busy.retain(|(bytes, _)| *bytes > 0.0);
        busy.sort_by(|(a, _), (b, _)| b.total_cmp(a));
        let mut topics = BTreeMap::<&str, Vec<_>>::new();
        for (_, key) in busy.into_iter().take(partitions_max) {
            if let Some(partition) = self.partitions.get(key) {
                let parts = topics.entry(&key.topic).or_default();
                parts.push((key.number, partition.rates.keep()));
            }
        }
        let topics = topics.into_iter();
        Kept {
            brokers: brokers.collect(),
            topics: topics
                .map(|(topic, parts)| (topic.to_owned(), parts))
                .collect(),
        }
    }

    /// Goes on with rates that were kept `age_ms` before `at`. False, and nothing changes, where that
    /// is so long ago that they would have been forgotten. Brokers and partitions that were measured
    /// here already have newer ones.
    pub fn resume(&mut self, kept: Kept, at: Millis, age_ms: Millis) -> bool {
        if age_ms >= FORGET_AFTER_MS {
            return false;
        }
        let mut resumed = Resumed::new(kept, at, age_ms);
        for (id, broker) in &mut self.brokers {
            if let Some(rates) = resumed.broker(*id, at)
                && broker.rates.observed_ms() == 0
            {
                broker.rates = rates;
            }
        }
        for (key, partition) in &mut self.partitions {
            if let Some(rates) = resumed.partition(key, at)
                && partition.rates.observed_ms() == 0
            {
                partition.rates = rates;
            }
        }
        self.resumed = Some(resumed);
        true
    }

    /// Whether brokers that were measured before a restart may still answer for the first time.
    pub(super) fn awaits_brokers(&self) -> bool {
        let newest = self.brokers.values().map(|broker| broker.sampled_at).max();
        self.resumed.as_ref().is_some_and(|resumed| {
            let until = resumed.began.saturating_add(WARM_UP_MS);
            !resumed.brokers.is_empty() && newest.is_none_or(|newest| newest < until)
        })
    }

    /// Forgets what was kept of brokers and partitions that nobody told of for long.
    pub(super) fn forget_resumed(&mut self, at: Millis) {
        let is_over = |resumed: &Resumed| at.saturating_sub(resumed.began) >= FORGET_AFTER_MS;
        if self.resumed.as_ref().is_some_and(is_over) {
            self.resumed = None;
        }
    }
}
