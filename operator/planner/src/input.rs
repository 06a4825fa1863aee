//! What a caller hands in: untrusted, checked by [`crate::Model::build`].

use crate::load::Load;

/// A cluster as it is. Partitions may come from an iterator, so that a large cluster need not be
/// held twice; their order gives them their [`PartitionId`].
#[derive(Debug, Clone, Default)]
pub struct ClusterInput<P = Vec<PartitionInput>> {
    /// The brokers, dead ones too while replicas are assigned to them.
    pub brokers: Vec<BrokerInput>,
    /// The topics; a partition names its topic by the place in this list.
    pub topics: Vec<TopicInput>,
    /// The partitions.
    pub partitions: P,
}

/// One broker.
#[derive(Debug, Clone, PartialEq)]
pub struct BrokerInput {
    /// `broker.id`, not negative.
    pub id: i32,
    /// `broker.rack`; a broker without one is a rack of its own.
    pub rack: Option<String>,
    /// What the broker can give; above 0 in each resource.
    pub capacity: Load,
    /// What may be done with it.
    pub state: BrokerState,
}

/// What may be done with a broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BrokerState {
    /// Serves; replicas may come and go.
    Alive,
    /// As alive; just joined.
    New,
    /// Does not serve: its replicas are offline and must be made anew elsewhere.
    Dead,
    /// Serves, but every replica must leave it.
    Draining,
    /// Serves; nothing comes to it, anything may leave.
    Cordoned,
    /// Serves; nothing comes to it and nothing leaves.
    Excluded,
}

impl BrokerState {
    /// Replicas may be placed on it, so it counts in the averages.
    pub fn takes_replicas(self) -> bool {
        matches!(self, BrokerState::Alive | BrokerState::New)
    }

    /// Its replicas must leave.
    pub fn must_empty(self) -> bool {
        matches!(self, BrokerState::Dead | BrokerState::Draining)
    }
}

/// One topic.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TopicInput {
    /// Its name.
    pub name: String,
    /// How many of its leaders each broker must have (`MinTopicLeadersPerBroker`); 0 for none.
    pub min_leaders_per_broker: u32,
    /// Its replicas stay where they are, unless their broker is dead or must be emptied.
    pub excluded_from_moves: bool,
}

/// One partition. Every replica uses `follower_load`, the leader's `leader_load` instead.
#[derive(Debug, Clone, PartialEq)]
pub struct PartitionInput {
    /// The place of its topic in [`ClusterInput::topics`].
    pub topic: u32,
    /// Its number in the topic.
    pub number: i32,
    /// Ids of the brokers that have a replica, in preferred order.
    pub replicas: Vec<i32>,
    /// The broker that leads; none while no replica may.
    pub leader: Option<i32>,
    /// What its leader uses.
    pub leader_load: Load,
    /// What a follower uses; its disk bytes are what moving a replica copies.
    pub follower_load: Load,
}

/// A partition's place in the order in which [`crate::Model::build`] received them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartitionId(pub u32);

/// New loads of a partition, for [`crate::Model::update_loads`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LoadUpdate {
    /// Which partition.
    pub partition: PartitionId,
    /// What its leader uses now.
    pub leader_load: Load,
    /// What a follower uses now.
    pub follower_load: Load,
}
