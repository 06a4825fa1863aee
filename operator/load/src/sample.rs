//! What one broker told at one moment.

use std::ops::AddAssign;
use std::sync::Arc;

use crate::times::RequestTimes;

/// A moment in milliseconds, of any clock that does not go back.
pub type Millis = u64;

/// A partition by its topic's name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub struct TopicPartition {
    /// The topic.
    pub topic: Arc<str>,
    /// The partition's number.
    pub number: i32,
}

/// Cumulative counters of a partition or topic. Whole numbers that only grow while a broker runs.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Counters {
    /// Bytes that producers had appended.
    pub bytes_in: f64,
    /// Records that producers had appended.
    pub messages_in: f64,
    /// Produce requests.
    pub produce_requests: f64,
    /// Bytes that consumers were given.
    pub bytes_out: f64,
    /// Consumers' fetch requests.
    pub fetch_requests: f64,
    /// Bytes that followers were given.
    pub replication_bytes_out: f64,
}

impl Counters {
    /// All of them, in order.
    pub const fn values(&self) -> [f64; 6] {
        [
            self.bytes_in,
            self.messages_in,
            self.produce_requests,
            self.bytes_out,
            self.fetch_requests,
            self.replication_bytes_out,
        ]
    }

    /// From all of them, in order.
    pub const fn from_values(values: [f64; 6]) -> Self {
        let [
            bytes_in,
            messages_in,
            produce_requests,
            bytes_out,
            fetch_requests,
            replication_bytes_out,
        ] = values;
        Self {
            bytes_in,
            messages_in,
            produce_requests,
            bytes_out,
            fetch_requests,
            replication_bytes_out,
        }
    }

    /// What was added since `before`; None if one of them went back, because they began anew.
    pub fn since(&self, before: &Self) -> Option<Self> {
        let (now, then) = (self.values(), before.values());
        let mut added = [0.0; 6];
        for (added, (now, then)) in added.iter_mut().zip(now.iter().zip(then)) {
            if *now < then {
                return None;
            }
            *added = now - then;
        }
        Some(Self::from_values(added))
    }

    /// Each times `share`.
    #[must_use]
    pub fn share(&self, share: f64) -> Self {
        Self::from_values(self.values().map(|value| value * share))
    }
}

impl AddAssign for Counters {
    fn add_assign(&mut self, other: Self) {
        let mut sum = self.values();
        for (sum, value) in sum.iter_mut().zip(other.values()) {
            *sum += value;
        }
        *self = Self::from_values(sum);
    }
}

/// One partition on one broker.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct PartitionSample {
    /// Its number.
    pub number: i32,
    /// Whether that broker leads it.
    pub is_leader: bool,
    /// Bytes of its log there.
    pub size_bytes: f64,
    /// Where its log ends there.
    pub log_end: f64,
    /// Up to where consumers may read; where brokers do not tell, `log_end`.
    pub high_watermark: f64,
    /// What passed through it there; None: counted by topic only.
    pub counters: Option<Counters>,
}

/// The partitions of one topic on one broker.
#[derive(Clone, PartialEq, Debug)]
pub struct TopicSample {
    /// The topic's name.
    pub name: Arc<str>,
    /// What passed through all of its partitions there, where that is told by topic.
    pub counters: Option<Counters>,
    /// Its partitions there, in order of their numbers.
    pub partitions: Vec<PartitionSample>,
}

/// What one broker told.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct BrokerSample {
    /// When the process started, in seconds since 1970: another value means that counters began
    /// anew. None: not told; then only counters that went back show it.
    pub start_seconds: Option<f64>,
    /// The broker's own clock as of the counters; None: not told.
    pub uptime_ms: Option<Millis>,
    /// Processor time used, in seconds.
    pub cpu_seconds: Option<f64>,
    /// Bytes read from clients.
    pub network_in_bytes: Option<f64>,
    /// Bytes written to clients.
    pub network_out_bytes: Option<f64>,
    /// Bytes fetched from leaders.
    pub replication_in_bytes: Option<f64>,
    /// Bytes that followers were given.
    pub replication_out_bytes: Option<f64>,
    /// Size of the volume with the logs.
    pub disk_total_bytes: Option<f64>,
    /// What may still be written to it.
    pub disk_usable_bytes: Option<f64>,
    /// How long producers' requests took; None: not told.
    pub produce_times: Option<RequestTimes>,
    /// In order of their names.
    pub topics: Vec<TopicSample>,
}
