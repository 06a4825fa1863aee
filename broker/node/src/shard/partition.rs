//! One partition on this broker: its log, its replica, and who watches it.

use std::collections::BTreeSet;

use kintsugi_metadata::{Image, PartitionState};
use kintsugi_replica::{Assignment, EpochEnd, Registry, Replica};
use kintsugi_storage::{FileSystem, Log};
use kintsugi_types::{BrokerEpoch, BrokerId, LeaderEpoch, TopicName};

use super::flush::SyncWaits;
use super::sessions::SessionKey;
use crate::message::load::Traffic;
use crate::message::shard::Token;

/// A partition that this shard owns.
pub(super) struct Partition<F: FileSystem> {
    pub name: TopicName,
    pub log: Log<F>,
    pub replica: Replica,
    /// Produces with acks=1 that wait for a sync.
    pub sync_waits: SyncWaits,
    /// Whether `flush.ms` wants a sync that has not begun.
    pub is_flush_due: bool,
    /// Whether it is looked at as time passes; see [`super::watch`].
    pub is_watched: bool,
    /// The replicas of the state that this partition was last brought to.
    pub replicas: Vec<BrokerId>,
    /// Followers' sessions that have a position here.
    pub sessions: BTreeSet<SessionKey>,
    /// Clients' fetches that are held and name this partition.
    pub fetches: BTreeSet<Token>,
    /// What passed through it.
    pub traffic: Traffic,
}

impl<F: FileSystem> Partition<F> {
    pub fn new(name: TopicName, log: Log<F>, replica: Replica) -> Self {
        Self {
            name,
            log,
            replica,
            sync_waits: SyncWaits::default(),
            is_flush_due: false,
            is_watched: false,
            replicas: Vec::new(),
            sessions: BTreeSet::new(),
            fetches: BTreeSet::new(),
            traffic: Traffic::default(),
        }
    }
}

/// The largest epoch of a log that is not above `epoch`, and where it ends there; `None` if all of
/// the log's epochs are above it, or it has none. The latest ends at the log's end.
pub(super) fn epoch_end<F: FileSystem>(log: &Log<F>, epoch: LeaderEpoch) -> Option<EpochEnd> {
    let entries = log.epoch_entries();
    let above = entries.partition_point(|(known, _)| *known <= epoch);
    let (found, _) = *entries.get(above.checked_sub(1)?)?;
    let end = entries
        .get(above)
        .map_or(log.log_end(), |(_, start)| *start);
    Some(EpochEnd { epoch: found, end })
}

/// The epoch of a log's last batch; unknown if it has none.
pub(super) fn last_epoch<F: FileSystem>(log: &Log<F>) -> LeaderEpoch {
    log.latest_epoch().unwrap_or(LeaderEpoch::UNKNOWN)
}

/// What a replica needs of a partition's committed state.
pub(super) fn assignment_of(state: &PartitionState) -> Assignment {
    Assignment {
        replicas: state.replicas.iter().copied().collect(),
        replicas_in_force: state.replicas_in_force(),
        isr: state.isr.iter().copied().collect(),
        leader: state.leader,
        leader_epoch: state.leader_epoch,
        partition_epoch: state.partition_epoch,
    }
}

/// The brokers of an image, as replicas ask for them.
pub(super) struct Brokers<'a>(pub &'a Image);

impl Registry for Brokers<'_> {
    fn eligible_epoch(&self, broker: BrokerId) -> Option<BrokerEpoch> {
        let broker = self.0.brokers.get(&broker)?;
        (!broker.fenced && !broker.stopping).then_some(broker.epoch)
    }

    fn registered_epoch(&self, broker: BrokerId) -> Option<BrokerEpoch> {
        self.0.brokers.get(&broker).map(|broker| broker.epoch)
    }
}
