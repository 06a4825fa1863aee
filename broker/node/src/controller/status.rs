//! What a controller tells of the cluster: for metrics, and for the operator over HTTP.

use std::sync::Arc;

use kintsugi_metadata::decision::unclean_recovery;
use kintsugi_metadata::{ClusterSettings, Image, RecoveryState};
use kintsugi_quorum as quorum;
use kintsugi_types::{
    BrokerEpoch, BrokerId, ControllerId, Endpoint, Generation, Rack, StartCounter, Term,
};

use super::Controller;

/// How many partitions are in which state.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct PartitionCounts {
    /// All partitions.
    pub total: usize,
    /// Without a leader.
    pub leaderless: usize,
    /// With fewer in-sync replicas than replicas.
    pub under_replicated: usize,
    /// With fewer in-sync replicas than acks=all writes need.
    pub under_min_isr: usize,
    /// Without anyone in ISR or ELR: they wait for every replica, or for a time, before a leader
    /// is elected by what the replicas hold.
    pub waiting_for_last_known_leader: usize,
    /// Led by a replica elected so that has not finished recovering: records may be lost.
    pub recovering: usize,
}

impl PartitionCounts {
    /// Counts the partitions of an image.
    #[must_use]
    pub fn of(image: &Image, settings: &ClusterSettings) -> Self {
        let mut counts = Self::default();
        for (partition, state) in image.partitions() {
            let min_isr = settings.min_isr(image, partition.topic, state);
            counts.total += 1;
            counts.leaderless += usize::from(state.leader.is_none());
            counts.under_replicated += usize::from(state.isr.len() < state.replicas.len());
            counts.under_min_isr += usize::from(state.isr.len() < min_isr);
            let waits = unclean_recovery::is_needed(state);
            counts.waiting_for_last_known_leader += usize::from(waits);
            let recovering = state.recovery == RecoveryState::Recovering;
            counts.recovering += usize::from(recovering);
        }
        counts
    }
}

/// One registered broker.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BrokerStatus {
    /// Its id.
    pub broker: BrokerId,
    /// The generation that is registered.
    pub generation: Generation,
    /// The highest generation that may register.
    pub granted_generation: Generation,
    /// The start counter that is registered.
    pub start: StartCounter,
    /// The epoch of its registration.
    pub epoch: BrokerEpoch,
    /// Whether it may neither lead nor be in an ISR.
    pub fenced: bool,
    /// Whether it is handing over before it stops.
    pub stopping: bool,
    /// Its rack.
    pub rack: Option<Rack>,
}

impl Controller {
    /// The role in the quorum.
    #[must_use]
    pub const fn role(&self) -> quorum::Role {
        self.engine.role()
    }

    /// The term of the quorum.
    #[must_use]
    pub const fn term(&self) -> Term {
        self.engine.term()
    }

    /// Whether this is the active controller.
    #[must_use]
    pub const fn is_active(&self) -> bool {
        self.active.is_some()
    }

    /// Who leads the quorum, if known.
    #[must_use]
    pub const fn leader(&self) -> Option<ControllerId> {
        self.engine.leader()
    }

    /// Where another controller listens, as far as known; for an answer that sends clients there.
    #[must_use]
    pub fn endpoint(&self, controller: ControllerId) -> Option<&Endpoint> {
        self.endpoints.get(&controller)
    }

    /// The quorum's engine, for what it tells of itself.
    #[must_use]
    pub const fn engine(&self) -> &quorum::Engine {
        &self.engine
    }

    /// The committed metadata that this controller has applied.
    #[must_use]
    pub const fn image(&self) -> &Arc<Image> {
        &self.image
    }

    /// Counts the partitions by their state. Takes time with their number.
    #[must_use]
    pub fn partition_counts(&self) -> PartitionCounts {
        PartitionCounts::of(&self.image, &self.config.settings)
    }

    /// Every registered broker.
    #[must_use]
    pub fn brokers(&self) -> Vec<BrokerStatus> {
        let status = |(id, broker): (&BrokerId, &kintsugi_metadata::BrokerImage)| {
            let incarnation = broker.registration.incarnation;
            let granted = self.image.generations.get(id).copied();
            BrokerStatus {
                broker: *id,
                generation: incarnation.generation,
                granted_generation: granted.unwrap_or_default().max(incarnation.generation),
                start: incarnation.start,
                epoch: broker.epoch,
                fenced: broker.fenced,
                stopping: broker.stopping,
                rack: broker.registration.rack.clone(),
            }
        };
        self.image.brokers.iter().map(status).collect()
    }
}
