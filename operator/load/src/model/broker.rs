//! What is known of one broker.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::ewma::{Ewma, INTERVAL_MIN, is_interval};
use crate::times::TimesHistory;
use crate::{BrokerSample, Counters, Millis};

/// The broker's own clock and the caller's may tell different lengths of an interval, because answers
/// take their time: by so much, or by half of it.
const CLOCKS_APART_MAX: Millis = 1_500;

/// Processor seconds, and bytes in, out, from leaders, to followers.
const RATES: usize = 5;

#[derive(Clone, Debug, Default)]
pub struct Broker {
    is_known: bool,
    pub sampled_at: Millis,
    start_seconds: Option<f64>,
    uptime_ms: Option<Millis>,
    totals: [Option<f64>; RATES],
    pub rates: Ewma<RATES>,
    pub produce_times: TimesHistory,
    pub disk_total_bytes: Option<f64>,
    pub disk_usable_bytes: Option<f64>,
    /// Counters by topic, from brokers that have none by partition.
    pub topics: BTreeMap<Arc<str>, Counters>,
}

/// What lies between two samples.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Interval {
    /// Nothing came before, or another run of the process.
    First,
    /// Too little: the sample is to be passed over.
    TooShort,
    /// It is not believed, or too long.
    Refused,
    /// So many milliseconds.
    Counts(Millis),
}

impl Broker {
    /// One that has not answered yet, with rates of before.
    pub fn with(rates: Ewma<RATES>) -> Self {
        Self {
            rates,
            ..Self::default()
        }
    }

    pub fn interval(&self, at: Millis, sample: &BrokerSample) -> Interval {
        if !self.is_known {
            return Interval::First;
        }
        if at < self.sampled_at + INTERVAL_MIN {
            return Interval::TooShort;
        }
        if sample.start_seconds != self.start_seconds {
            return Interval::First;
        }
        let by_caller = at - self.sampled_at;
        let interval_ms = match self.uptime_ms.zip(sample.uptime_ms) {
            None => by_caller,
            Some((before, now)) => {
                let Some(by_broker) = now.checked_sub(before) else {
                    return Interval::Refused;
                };
                if by_broker.abs_diff(by_caller) > CLOCKS_APART_MAX.max(by_caller / 2) {
                    return Interval::Refused;
                }
                if by_broker < INTERVAL_MIN {
                    return Interval::TooShort;
                }
                by_broker
            }
        };
        if is_interval(interval_ms) {
            Interval::Counts(interval_ms)
        } else {
            Interval::Refused
        }
    }

    /// Counts what was added since the sample before. False if it is not believed.
    pub fn count(&mut self, sample: &BrokerSample, interval_ms: Millis) -> bool {
        let mut added = [0.0; RATES];
        for (added, (now, before)) in added.iter_mut().zip(totals(sample).iter().zip(self.totals)) {
            // What is not told counts as nothing.
            *added = now.zip(before).map_or(0.0, |(now, before)| now - before);
        }
        self.rates.add(added, interval_ms)
    }

    pub fn keep(&mut self, at: Millis, sample: &BrokerSample) {
        self.is_known = true;
        self.sampled_at = at;
        self.start_seconds = sample.start_seconds;
        self.uptime_ms = sample.uptime_ms;
        self.totals = totals(sample);
        self.disk_total_bytes = sample.disk_total_bytes;
        self.disk_usable_bytes = sample.disk_usable_bytes;
        let topics = sample.topics.iter();
        let counted = topics.filter_map(|topic| Some((Arc::clone(&topic.name), topic.counters?)));
        self.topics = counted.collect();
    }
}

fn totals(sample: &BrokerSample) -> [Option<f64>; RATES] {
    [
        sample.cpu_seconds,
        sample.network_in_bytes,
        sample.network_out_bytes,
        sample.replication_in_bytes,
        sample.replication_out_bytes,
    ]
}
