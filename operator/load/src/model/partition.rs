//! What is known of one partition.

use std::collections::BTreeMap;

use super::Since;
use crate::ewma::Ewma;
use crate::history::History;
use crate::{Counters, Millis, PartitionSample};

#[derive(Clone, Debug, Default)]
pub struct Partition {
    /// Its replicas by broker, as last told.
    replicas: BTreeMap<i32, Replica>,
    /// Who said last that it leads.
    pub leader: Option<i32>,
    pub rates: Ewma<6>,
    /// Up to where consumers may read, over time.
    pub history: History,
}

#[derive(Clone, Copy, Debug)]
struct Replica {
    at: Millis,
    sample: PartitionSample,
}

impl Partition {
    /// One that nobody has told of yet, with rates of before.
    pub fn with(rates: Ewma<6>) -> Self {
        Self {
            rates,
            ..Self::default()
        }
    }

    /// Whether the broker leads it now and led it at its sample before.
    pub fn was_led(&self, since: &Since, sample: &PartitionSample) -> bool {
        let before = self.replicas.get(&since.broker);
        let led_before =
            before.is_some_and(|replica| since.is_previous(replica.at) && replica.sample.is_leader);
        led_before && sample.is_leader
    }

    /// What was added on a broker since its sample before; None if it began anew.
    pub fn added(&self, broker: i32, sample: &PartitionSample) -> Option<Counters> {
        let before = self.replicas.get(&broker)?.sample.counters?;
        sample.counters?.since(&before)
    }

    /// How many records its log grew by there.
    pub fn grown(&self, broker: i32, sample: &PartitionSample) -> f64 {
        let before = self.replicas.get(&broker).map(|r| r.sample.log_end);
        before.map_or(0.0, |before| (sample.log_end - before).max(0.0))
    }

    /// Counts what was added. False if it is not believed.
    pub fn count(&mut self, added: &Counters, interval_ms: Millis) -> bool {
        self.rates.add(added.values(), interval_ms)
    }

    pub fn keep(&mut self, since: &Since, sample: &PartitionSample) {
        let replica = Replica {
            at: since.at,
            sample: *sample,
        };
        self.replicas.insert(since.broker, replica);
        if sample.is_leader {
            self.leader = Some(since.broker);
            // Whoever led before and has not answered since has not led all the time.
            for (id, replica) in &mut self.replicas {
                replica.sample.is_leader &= *id == since.broker;
            }
            // A new leader may start with an older mark; consumers have not gone back for it.
            let end = sample.high_watermark.max(self.history.end().unwrap_or(0.0));
            let end = if sample.log_end < end {
                sample.high_watermark
            } else {
                end
            };
            self.history.record(since.at, end);
        } else if self.leader == Some(since.broker) {
            self.leader = None;
        }
    }

    /// Keeps replicas by broker and time; false if none is left.
    pub fn retain(&mut self, mut keeps: impl FnMut(i32, Millis) -> bool) -> bool {
        self.replicas.retain(|id, replica| keeps(*id, replica.at));
        if self
            .leader
            .is_some_and(|leader| !self.replicas.contains_key(&leader))
        {
            self.leader = None;
        }
        !self.replicas.is_empty()
    }

    /// The brokers that have a replica, by when each was last sampled.
    pub fn brokers(&self, is_last: impl Fn(i32, Millis) -> bool) -> Vec<i32> {
        let replicas = self.replicas.iter();
        let present = replicas.filter(|(id, replica)| is_last(**id, replica.at));
        present.map(|(id, _)| *id).collect()
    }

    /// Bytes on disk: the leader's, or the largest while none leads.
    pub fn size_bytes(&self) -> f64 {
        let leader = self.leader.and_then(|leader| self.replicas.get(&leader));
        let sizes = self
            .replicas
            .values()
            .map(|replica| replica.sample.size_bytes);
        leader.map_or_else(
            || sizes.fold(0.0, f64::max),
            |leader| leader.sample.size_bytes,
        )
    }

    /// Bytes on the disk of one broker.
    pub fn size_on(&self, broker: i32) -> f64 {
        self.replicas
            .get(&broker)
            .map_or(0.0, |replica| replica.sample.size_bytes)
    }
}
