//! What the metadata says about a partition and about brokers.

use std::collections::BTreeSet;

use kintsugi_types::{BrokerEpoch, BrokerId, LeaderEpoch, Offset, PartitionEpoch};

/// A partition's committed state, as far as replication depends on it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Assignment {
    /// All replicas.
    pub replicas: BTreeSet<BrokerId>,
    /// How many of them count for `min.insync.replicas`: while the partition moves to other
    /// replicas, as many as it had before. The controller counts the same way.
    pub replicas_in_force: usize,
    /// The in-sync replicas.
    pub isr: BTreeSet<BrokerId>,
    /// The leader, if there is one.
    pub leader: Option<BrokerId>,
    /// The leader's epoch.
    pub leader_epoch: LeaderEpoch,
    /// The epoch of this state.
    pub partition_epoch: PartitionEpoch,
}

/// Where a replica's log ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LogEnds {
    /// After its last record.
    pub log: Offset,
    /// How far this replica counts as holding it: with `flush.messages=1` as far as it is synced,
    /// else all of it.
    pub counted: Offset,
}

/// The registered brokers, as the newest metadata has them.
pub trait Registry {
    /// The broker's epoch, if it is registered and neither fenced nor stopping: only then may it
    /// join an ISR (KIP-841, KIP-903).
    fn eligible_epoch(&self, broker: BrokerId) -> Option<BrokerEpoch>;

    /// The broker's epoch, if it is registered.
    fn registered_epoch(&self, broker: BrokerId) -> Option<BrokerEpoch>;
}

impl<R: Registry + ?Sized> Registry for &R {
    fn eligible_epoch(&self, broker: BrokerId) -> Option<BrokerEpoch> {
        (**self).eligible_epoch(broker)
    }

    fn registered_epoch(&self, broker: BrokerId) -> Option<BrokerEpoch> {
        (**self).registered_epoch(broker)
    }
}
