//! What the model gives: plain values that a planner's input is made of.

use crate::{Millis, TopicPartition};

/// Rates of a partition, a second.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Rates {
    /// Bytes that producers have appended.
    pub bytes_in: f64,
    /// Records that producers have appended.
    pub messages_in: f64,
    /// Produce requests.
    pub produce_requests: f64,
    /// Bytes that consumers are given.
    pub bytes_out: f64,
    /// Consumers' fetch requests.
    pub fetch_requests: f64,
    /// Bytes that followers are given, all together.
    pub replication_bytes_out: f64,
}

/// What a replica or a broker uses of the four resources.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Load {
    /// Bytes on disk.
    pub disk_bytes: f64,
    /// Bytes received each second, from producers and from leaders.
    pub network_in_bytes_per_second: f64,
    /// Bytes sent each second, to consumers and to followers.
    pub network_out_bytes_per_second: f64,
    /// Processor time each second, in cores.
    pub cpu: f64,
}

/// One partition.
#[derive(Clone, PartialEq, Debug)]
pub struct PartitionLoad {
    /// Which.
    pub partition: TopicPartition,
    /// The broker that leads it, as last told by itself; None while none does.
    pub leader: Option<i32>,
    /// The brokers that told of a replica, in order of their ids.
    pub brokers: Vec<i32>,
    /// What passes through it.
    pub rates: Rates,
    /// What its leader uses.
    pub leader_load: Load,
    /// What each follower uses.
    pub follower_load: Load,
    /// How much time its rates were observed over.
    pub observed_ms: Millis,
}

/// What passes through one partition of a topic.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct PartitionRates {
    /// Its number.
    pub number: i32,
    /// What passes through it.
    pub rates: Rates,
    /// How much time that was observed over.
    pub observed_ms: Millis,
    /// When its leader last answered; None while none is known.
    pub told_at: Option<Millis>,
}

/// One broker, as measured.
#[derive(Clone, PartialEq, Debug)]
pub struct BrokerLoad {
    /// Its id.
    pub id: i32,
    /// What it uses. Network: between clients and it, and between brokers, without the frames' heads.
    pub load: Load,
    /// Size of its volume, where it tells.
    pub disk_capacity_bytes: Option<f64>,
    /// How much time its rates were observed over.
    pub observed_ms: Millis,
    /// When it last answered.
    pub sampled_at: Millis,
}
