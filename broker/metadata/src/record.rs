//! The records of the metadata log. One entry of the quorum carries a list of them, all or none.
//!
//! Encoded by postcard: variants and fields may only be added at the end.

use std::collections::BTreeMap;
use std::sync::Arc;

use kintsugi_types::{
    BootId, BrokerEpoch, BrokerId, ClusterId, DirectoryId, Endpoint, Generation, Incarnation,
    LeaderEpoch, PartitionEpoch, PartitionId, ProducerId, Rack, TopicId, TopicName,
};
use serde::{Deserialize, Serialize};

/// One fact that the quorum agreed on.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum MetadataRecord {
    /// The first record of a cluster: its id.
    ClusterFormed {
        /// The id that every broker and controller must carry.
        cluster: ClusterId,
    },
    /// A broker registered; it replaces an earlier registration of the same id and is fenced.
    /// Its broker epoch is the offset of the entry that carries this record.
    BrokerRegistered {
        /// What it registered with.
        registration: Arc<BrokerRegistration>,
    },
    /// The broker may not lead or be in an ISR until it is unfenced.
    BrokerFenced {
        /// Which broker.
        broker: BrokerId,
        /// The registration that this is about.
        epoch: BrokerEpoch,
    },
    /// The broker is alive and has caught up with the metadata.
    BrokerUnfenced {
        /// Which broker.
        broker: BrokerId,
        /// The registration that this is about.
        epoch: BrokerEpoch,
    },
    /// The broker is handing over before it stops (`inControlledShutdown` of KIP-841).
    BrokerStopping {
        /// Which broker.
        broker: BrokerId,
        /// The registration that this is about.
        epoch: BrokerEpoch,
    },
    /// The broker is gone for good.
    BrokerUnregistered {
        /// Which broker.
        broker: BrokerId,
    },
    /// The next incarnation of this broker may register with this generation.
    GenerationGranted {
        /// Which broker.
        broker: BrokerId,
        /// The highest generation that may register.
        generation: Generation,
    },
    /// A topic exists. Its partitions follow in the same entry.
    TopicCreated {
        /// Its id.
        topic: TopicId,
        /// Its name.
        name: TopicName,
        /// Its own settings, by Kafka's names.
        configs: BTreeMap<String, String>,
    },
    /// A topic and all its partitions are gone.
    TopicDeleted {
        /// Its id.
        topic: TopicId,
    },
    /// A setting of a topic changed; `None` removes it.
    TopicConfigChanged {
        /// The topic.
        topic: TopicId,
        /// The setting's name in Kafka.
        key: String,
        /// Its new value.
        value: Option<String>,
    },
    /// The whole state of one partition: created, or changed.
    Partition {
        /// Which partition.
        partition: PartitionId,
        /// Its state from now on.
        state: Arc<PartitionState>,
    },
    /// A broker as it is in an image, with the epoch that it had there. Only in snapshots, where
    /// the offset of the entry says nothing about when the broker registered.
    BrokerRestored {
        /// What it registered with.
        registration: Arc<BrokerRegistration>,
        /// The epoch of that registration.
        epoch: BrokerEpoch,
        /// Whether it may neither lead nor be in an ISR.
        fenced: bool,
        /// Whether it is handing over before it stops.
        stopping: bool,
    },
    /// Every producer id below this one is handed out (Kafka's ProducerIdsRecord).
    ProducerIdsAllocated {
        /// The first that is not.
        next: ProducerId,
    },
    /// A setting of a broker, or of all brokers, changed while they run; `None` removes it.
    BrokerConfigChanged {
        /// The broker; `None`: every broker that has none of its own.
        broker: Option<BrokerId>,
        /// The setting's name in Kafka.
        key: String,
        /// Its new value.
        value: Option<String>,
    },
}

/// What a broker registers with.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct BrokerRegistration {
    /// Which run of which broker.
    pub incarnation: Incarnation,
    /// Its log directories.
    pub directories: Vec<DirectoryId>,
    /// The kernel that it runs on.
    pub boot: BootId,
    /// Its rack, if it has one.
    pub rack: Option<Rack>,
    /// Where clients reach it (`advertised.listeners`).
    pub client_endpoint: Endpoint,
    /// Where other brokers fetch from it.
    pub replication_endpoint: Endpoint,
    /// Where controllers dial it to learn whether this incarnation still lives.
    pub control_endpoint: Endpoint,
    /// Into how many event loops its partitions are divided.
    pub shards: u16,
    /// The broker epoch under which it last stopped cleanly, if its last stop was clean.
    pub clean_stop_epoch: Option<BrokerEpoch>,
    /// Whether every log recovered to at least its checkpointed high watermark.
    pub recovered_to_checkpoint: bool,
}

/// Whether a partition's leader may have lost committed records (KIP-704).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum RecoveryState {
    /// It holds every committed record.
    #[default]
    Recovered,
    /// It was elected from outside ISR and ELR.
    Recovering,
}

/// One partition's state: what leaders and followers act by.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PartitionState {
    /// The replicas in order of preference; the first is the preferred leader.
    pub replicas: Vec<BrokerId>,
    /// The in-sync replicas.
    pub isr: Vec<BrokerId>,
    /// The eligible leader replicas (KIP-966): not in sync, but known to hold every committed
    /// record.
    pub elr: Vec<BrokerId>,
    /// The leader when ISR and ELR became empty (KIP-966).
    pub last_known_leader: Option<BrokerId>,
    /// The leader; `None` while the partition is offline.
    pub leader: Option<BrokerId>,
    /// One more with each change of leader.
    pub leader_epoch: LeaderEpoch,
    /// One more with each change of this state.
    pub partition_epoch: PartitionEpoch,
    /// Whether the leader may have lost records.
    pub recovery: RecoveryState,
    /// The move to other replicas that is under way. While it is, `replicas` are the new ones and
    /// then those that will leave.
    pub reassignment: Option<Box<Reassignment>>,
}

/// A partition's move to other replicas (KIP-455).
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Reassignment {
    /// Replicas of the target that were not replicas before, or are still being added by an
    /// earlier move.
    pub adding: Vec<BrokerId>,
    /// Replicas that leave when the move is complete.
    pub removing: Vec<BrokerId>,
    /// The replicas before the move, in their order: what a cancelled move goes back to.
    pub original: Vec<BrokerId>,
}

impl PartitionState {
    /// The replicas when the move under way is complete; without one, the replicas.
    #[must_use]
    pub fn target_replicas(&self) -> Vec<BrokerId> {
        let leaves = |broker: &BrokerId| {
            let reassignment = self.reassignment.as_deref();
            reassignment.is_some_and(|moving| moving.removing.contains(broker))
        };
        let replicas = self.replicas.iter().copied();
        replicas.filter(|broker| !leaves(broker)).collect()
    }

    /// How many replicas the partition counts as having: of a move under way, those before it, so
    /// that what acks=all promised neither grows nor shrinks before the move is complete.
    #[must_use]
    pub fn replicas_in_force(&self) -> usize {
        let reassignment = self.reassignment.as_deref();
        reassignment.map_or(self.replicas.len(), |moving| moving.original.len())
    }
}
