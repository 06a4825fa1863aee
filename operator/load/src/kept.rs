//! What outlives the process that measured it: rates, and how much they count.
//!
//! Counters and positions are not kept: they live in the brokers, and the first answer tells them.
//! Rates from before a pause stand until new ones outweigh them, and count less the longer it was:
//! a pause ages them as the time between two samples does.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::ewma::{Ewma, HALF_LIFE_MS, RATE_MAX};
use crate::{Millis, TopicPartition};

/// Partitions whose rates are kept, the busiest first. An idle one has nothing to keep.
pub const PARTITIONS_KEPT_MAX: usize = 5_000;

/// The rates of a cluster's brokers and partitions.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Kept {
    /// By broker.
    pub(crate) brokers: Vec<(i32, KeptRates)>,
    /// By topic, and by partition in it.
    pub(crate) topics: Vec<(String, Vec<(i32, KeptRates)>)>,
}

/// Rates a second, their weight, and how much time they were observed over.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) struct KeptRates {
    rates: Vec<f32>,
    weight: f32,
    observed_ms: Millis,
}

impl Kept {
    /// How many partitions it has rates of.
    pub fn partitions(&self) -> usize {
        self.topics.iter().map(|(_, parts)| parts.len()).sum()
    }
}

impl<const N: usize> Ewma<N> {
    pub(crate) fn keep(&self) -> KeptRates {
        let (rates, weight) = (self.rates(), self.weight());
        KeptRates {
            rates: rates.iter().map(|rate| *rate as f32).collect(),
            weight: weight as f32,
            observed_ms: self.observed_ms(),
        }
    }

    /// Rates that were kept `age_ms` ago. None where they are no rates.
    pub(crate) fn take_up(kept: &KeptRates, age_ms: Millis) -> Option<Self> {
        let rates: [f32; N] = kept.rates.as_slice().try_into().ok()?;
        let rates = rates.map(f64::from);
        let is_rate = |rate: &f64| (0.0..=RATE_MAX).contains(rate);
        if !rates.iter().all(is_rate) || !(0.0..=1.0).contains(&kept.weight) {
            return None;
        }
        let aged = f64::from(kept.weight) * (-(age_ms as f64) / HALF_LIFE_MS as f64).exp2();
        (aged > 0.0).then(|| Self::of(rates, aged, kept.observed_ms))
    }
}

/// What was kept and nobody has told of yet.
#[derive(Clone, Debug)]
pub(crate) struct Resumed {
    /// Brokers that have not answered yet.
    pub(crate) brokers: BTreeMap<i32, KeptRates>,
    partitions: BTreeMap<TopicPartition, KeptRates>,
    /// When it was taken up, and how old it was then.
    pub(crate) began: Millis,
    age_ms: Millis,
}

impl Resumed {
    pub(crate) fn new(kept: Kept, began: Millis, age_ms: Millis) -> Self {
        let mut partitions = BTreeMap::new();
        for (topic, parts) in kept.topics {
            let topic: Arc<str> = Arc::from(topic);
            for (number, rates) in parts {
                let topic = Arc::clone(&topic);
                partitions.insert(TopicPartition { topic, number }, rates);
            }
        }
        Self {
            brokers: kept.brokers.into_iter().collect(),
            partitions,
            began,
            age_ms,
        }
    }

    /// The rates of a broker that answers at `at` for the first time.
    pub(crate) fn broker<const N: usize>(&mut self, id: i32, at: Millis) -> Option<Ewma<N>> {
        let kept = self.brokers.remove(&id)?;
        Ewma::take_up(&kept, self.age(at))
    }

    /// The rates of a partition that is told of at `at` for the first time.
    pub(crate) fn partition<const N: usize>(
        &mut self,
        key: &TopicPartition,
        at: Millis,
    ) -> Option<Ewma<N>> {
        let kept = self.partitions.remove(key)?;
        Ewma::take_up(&kept, self.age(at))
    }

    fn age(&self, at: Millis) -> Millis {
        let since = at.saturating_sub(self.began);
        self.age_ms.saturating_add(since)
    }
}
