//! The cluster as flat arrays, kept up to date between plans.
//!
//! Guarantees: everything in it was checked; the sums of each broker are those of its replicas.
//! Assumes nothing of its input. Never holds what a plan changes: a plan works on an overlay, so
//! one model serves many plans, and what did not change costs nothing.

mod build;
mod row;
mod update;

use std::collections::{BTreeMap, BTreeSet};

use crate::checker::Tally;
use crate::dims::Vector;
use crate::input::{BrokerState, PartitionId};

pub use row::MAX_REPLICATION_FACTOR;
pub(crate) use row::{Line, NO_LEADER, Row, Seat};

/// Largest number of a load or a capacity.
pub const MAX_LOAD: f64 = 1e18;
/// Brokers of one cluster.
pub const MAX_BROKERS: usize = 10_000;
/// Partitions of one cluster: ten times what Kafka's controllers are known to hold.
pub const MAX_PARTITIONS: usize = 20_000_000;
/// Topics times brokers: counts are held for each pair, 8 bytes of them.
pub const MAX_TOPIC_BROKER_PAIRS: usize = 1 << 27;

/// A broker.
#[derive(Debug, Clone)]
pub(crate) struct Broker {
    pub id: i32,
    pub rack: u16,
    pub state: BrokerState,
    pub capacity: [f64; 4],
}

/// A topic.
#[derive(Debug, Clone)]
pub(crate) struct Topic {
    pub name: String,
    pub min_leaders: u32,
    pub excluded: bool,
    pub partitions: u32,
    pub replicas: u32,
}

/// A checked cluster. Made by [`Model::build`].
#[derive(Debug, Clone)]
pub struct Model {
    pub(crate) brokers: Vec<Broker>,
    pub(crate) topics: Vec<Topic>,
    pub(crate) rows: Vec<Line>,
    /// The partitions that have a replica on each broker.
    pub(crate) members: Vec<Vec<u32>>,
    /// The sums of each broker.
    pub(crate) sums: Vec<Vector>,
    /// Replicas of each topic on each broker.
    pub(crate) topic_replicas: Vec<u32>,
    /// Partitions with two replicas on one rack.
    pub(crate) rack_conflicts: BTreeSet<u32>,
    /// The checker's own sums.
    pub(crate) tally: Tally,
    pub(crate) index_of: BTreeMap<i32, u16>,
}

impl Model {
    /// How many partitions it has.
    pub fn partitions(&self) -> usize {
        self.rows.len()
    }

    /// How many replicas it has.
    pub fn replicas(&self) -> usize {
        self.members.iter().map(Vec::len).sum()
    }

    /// Topic and number of a partition; none if the model does not have it.
    pub fn partition_name(&self, partition: PartitionId) -> Option<(&str, i32)> {
        let row = self.rows.get(partition.0 as usize)?;
        Some((
            self.topics.get(row.topic as usize)?.name.as_str(),
            row.number,
        ))
    }

    /// Brokers that have a replica of a partition, in preferred order, and its leader.
    pub fn assignment(&self, partition: PartitionId) -> Option<(Vec<i32>, Option<i32>)> {
        let seat = &self.rows.get(partition.0 as usize)?.seat;
        Some((
            self.ids(seat),
            seat.leader_broker().map(|broker| self.id(broker)),
        ))
    }

    pub(crate) fn id(&self, broker: u16) -> i32 {
        self.brokers[usize::from(broker)].id
    }

    pub(crate) fn ids(&self, seat: &Seat) -> Vec<i32> {
        seat.replicas()
            .iter()
            .map(|broker| self.id(*broker))
            .collect()
    }

    pub(crate) fn row(&self, partition: u32) -> &Row {
        &self.rows[partition as usize]
    }

    pub(crate) fn is_online(&self, broker: u16) -> bool {
        self.brokers[usize::from(broker)].state != BrokerState::Dead
    }

    /// Whether two replicas of a seat share a rack.
    pub(crate) fn has_rack_conflict(&self, seat: &Seat) -> bool {
        let replicas = seat.replicas();
        replicas.iter().enumerate().any(|(place, broker)| {
            let rack = self.brokers[usize::from(*broker)].rack;
            replicas[..place]
                .iter()
                .any(|other| self.brokers[usize::from(*other)].rack == rack)
        })
    }

    pub(crate) fn pair(&self, topic: u32, broker: u16) -> usize {
        topic as usize * self.brokers.len() + usize::from(broker)
    }
}
