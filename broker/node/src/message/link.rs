//! What a broker and a controller say to each other on the broker's control link.
//!
//! The broker dials a controller's `controller.listener`, sends [`Hello::Broker`] and then
//! [`ToController`] messages; the controller answers with [`ToBroker`] messages. On the wire each
//! message is a 4-byte big-endian length and that many bytes of postcard.

use std::collections::{BTreeMap, BTreeSet};

use kintsugi_metadata::configs::ConfigAlteration;
use kintsugi_metadata::{BrokerRegistration, MetadataRecord};
use kintsugi_types::{
    BrokerEpoch, BrokerId, ClusterId, ControllerId, DirectoryId, Endpoint, ErrorCode, Generation,
    Incarnation, LeaderEpoch, MetadataOffset, Offset, PartitionEpoch, PartitionId, PartitionIndex,
    ProducerId, TopicId, TopicName,
};
use serde::{Deserialize, Serialize};

use super::admin::{AdminResult, ElectionKind, MorePartitions, NamedPartition, QuorumView};
use super::reassignment::PartitionMove;

/// The first message on every connection to a controller's listener.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Hello {
    /// Another voter; quorum messages follow.
    Controller {
        /// Who dials.
        id: ControllerId,
        /// Its log directory.
        directory: DirectoryId,
        /// The cluster that it belongs to.
        cluster: ClusterId,
        /// Where it listens now, so that peers need no name lookup to answer.
        endpoint: Endpoint,
        /// Which process this is: drawn anew by each, so that peers drop what they still hold
        /// open to an earlier one.
        process: u64,
    },
    /// A broker; [`ToController`] messages follow.
    Broker {
        /// Which run of which broker.
        incarnation: Incarnation,
        /// The cluster that it belongs to.
        cluster: ClusterId,
    },
}

/// What the process on a broker's control port answers to whoever dials it: who it is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct DialBackAnswer {
    /// The incarnation that holds the port.
    pub incarnation: Incarnation,
    /// The cluster that it belongs to.
    pub cluster: ClusterId,
}

/// From a broker to a controller.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum ToController {
    /// The first message of a link: register this incarnation, or greet again after a reconnect
    /// (the same incarnation keeps its broker epoch). Deltas after `applied` follow.
    Register {
        /// What it registers with.
        registration: Box<BrokerRegistration>,
        /// The last metadata entry that it has applied.
        applied: MetadataOffset,
    },
    /// I am alive.
    Heartbeat(Heartbeat),
    /// I have applied the metadata up to here (sent at once after each delta).
    Applied {
        /// The last entry applied.
        offset: MetadataOffset,
    },
    /// Change the ISR of these partitions that I lead.
    AlterPartition(AlterPartitionRequest),
    /// A client's request that the active controller has to decide.
    Admin {
        /// Chosen by the broker; returned in the answer.
        request_id: u64,
        /// The request.
        request: AdminRequest,
    },
    /// Where logs end here that the controller asked about; perhaps in several parts, and without
    /// the partitions of which this broker cannot tell yet.
    LogEnds {
        /// The sender's broker epoch.
        broker_epoch: BrokerEpoch,
        /// One answer a partition, at most [`LOG_ENDS_MAX`].
        ends: Vec<LogEnd>,
    },
}

/// The most partitions whose log ends are asked for, or told, in one message. What is left is asked
/// for by the next.
pub const LOG_ENDS_MAX: usize = 5_000;

/// Where one partition's log ends on a broker that knows of no leader in its leader epoch: it
/// neither appends nor fetches, so this stays true until a next leader is elected.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LogEnd {
    /// Which partition.
    pub partition: PartitionId,
    /// The partition's leader epoch.
    pub leader_epoch: LeaderEpoch,
    /// The leader epoch of the last batch in the log; unknown if it has none.
    pub last_epoch: LeaderEpoch,
    /// The log's end.
    pub log_end: Offset,
}

/// A broker's heartbeat.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Heartbeat {
    /// Counts up; returned in the answer, so that the broker knows which one was answered.
    pub sequence: u64,
    /// The broker epoch that it was registered with.
    pub broker_epoch: BrokerEpoch,
    /// The last metadata entry applied.
    pub applied: MetadataOffset,
    /// False if one of its shards made no progress for too long: the heartbeat counts as missed.
    pub shards_are_live: bool,
    /// It wants to hand over and stop.
    pub wants_to_stop: bool,
    /// Incarnations whose connection was reset and that refused this broker's dial since.
    pub refused_by: BTreeSet<Incarnation>,
}

/// Compare-and-set changes of ISRs, one request in flight a broker (KIP-497, KIP-903).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct AlterPartitionRequest {
    /// Chosen by the broker; returned in the answer.
    pub request_id: u64,
    /// The sender's broker epoch.
    pub broker_epoch: BrokerEpoch,
    /// The changes.
    pub changes: Vec<IsrChange>,
}

/// One partition's new ISR.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct IsrChange {
    /// Which partition.
    pub partition: PartitionId,
    /// The epoch in which the sender leads it.
    pub leader_epoch: LeaderEpoch,
    /// The state that the change was decided from.
    pub partition_epoch: PartitionEpoch,
    /// The new ISR: each member with the broker epoch that the leader saw in its fetches.
    pub isr: BTreeMap<BrokerId, BrokerEpoch>,
}

/// A request for the active controller, from a client through a broker or from the operator.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum AdminRequest {
    /// Create topics.
    CreateTopics {
        /// The topics.
        topics: Vec<NewTopic>,
        /// Check only.
        validate_only: bool,
    },
    /// Delete topics.
    DeleteTopics {
        /// By name.
        topics: Vec<TopicName>,
    },
    /// Let this broker id come back on a new, empty volume.
    GrantGeneration {
        /// Which broker.
        broker: BrokerId,
        /// The generation asked for: one more than the present one.
        generation: Generation,
    },
    /// A block of producer ids for the asking broker.
    AllocateProducerIds,
    /// Move partitions to other replicas, or cancel moves (KIP-455).
    AlterReassignments {
        /// What is wanted of each partition.
        moves: Vec<PartitionMove>,
        /// Whether the number of replicas may change (KIP-860).
        may_change_factor: bool,
    },
    /// Change settings of topics and brokers.
    AlterConfigs {
        /// Whose, and how.
        alterations: Vec<ConfigAlteration>,
        /// Check only.
        validate_only: bool,
    },
    /// Give topics more partitions.
    CreatePartitions {
        /// The topics.
        topics: Vec<MorePartitions>,
        /// Check only.
        validate_only: bool,
    },
    /// Elect leaders.
    ElectLeaders {
        /// Whom.
        kind: ElectionKind,
        /// Of which partitions; `None`: of all.
        partitions: Option<Vec<NamedPartition>>,
    },
    /// Forget a broker that is gone for good.
    UnregisterBroker {
        /// Which one.
        broker: BrokerId,
    },
    /// Tell of the metadata quorum.
    DescribeQuorum,
}

/// A topic to create.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct NewTopic {
    /// Its name.
    pub name: TopicName,
    /// How many partitions; `None`: the cluster's default (`num.partitions`).
    pub partitions: Option<i32>,
    /// How many replicas; `None`: the cluster's default (`default.replication.factor`).
    pub replication_factor: Option<i16>,
    /// Replicas chosen by the caller, for each partition from zero; empty if it left them to us.
    pub assignments: BTreeMap<PartitionIndex, Vec<BrokerId>>,
    /// Its own settings.
    pub configs: BTreeMap<String, String>,
}

/// The answer to an [`AdminRequest`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum AdminAnswer {
    /// One result a topic, in the order of the request. Committed when it says so.
    Topics(Vec<TopicResult>),
    /// The generation may register now, or why not.
    Generation(Result<Generation, GenerationRefused>),
    /// Nothing was decided: this controller is not (or no longer) active, or gave up waiting.
    NotDecided(ErrorCode),
    /// These producer ids are the asking broker's; committed.
    ProducerIds(ProducerIdBlock),
    /// One result for each part of the request, in its order. Committed when it says so.
    Results(Vec<AdminResult>),
    /// What became of each election; without a request's list, only those that were needed. An
    /// unclean election that is under way is `EligibleLeadersNotAvailable` until it is decided.
    Elected(Vec<(NamedPartition, AdminResult)>),
    /// The metadata quorum.
    Quorum(Box<QuorumView>),
}

/// Producer ids that one broker may hand out, each once.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ProducerIdBlock {
    /// The first.
    pub first: ProducerId,
    /// How many.
    pub count: i64,
}

/// What became of one topic of a request.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TopicResult {
    /// Its name.
    pub name: TopicName,
    /// Its id, where there is one.
    pub topic: Option<TopicId>,
    /// What went wrong, in Kafka's terms.
    pub error: ErrorCode,
    /// What went wrong, for a person.
    pub message: Option<String>,
    /// Its number of partitions, when created.
    pub partitions: i32,
    /// Its number of replicas, when created.
    pub replication_factor: i16,
}

/// Why a generation was not granted.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, thiserror::Error)]
pub enum GenerationRefused {
    /// The broker is alive.
    #[error("refused a new generation: broker {0} is not fenced")]
    BrokerIsLive(BrokerId),
    /// It may hold the only copy of something.
    #[error(
        "refused a new generation: broker {broker} may hold the last copy of {partitions} partition(s), such as {example}"
    )]
    LastCopy {
        /// Which broker.
        broker: BrokerId,
        /// Of how many partitions.
        partitions: u32,
        /// One of them.
        example: PartitionId,
    },
    /// Another generation is in force.
    #[error("refused generation: the highest granted one is {0}")]
    WrongGeneration(Generation),
}

/// From a controller to a broker.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum ToBroker {
    /// This controller is not active; dial that one, if one is known. The link closes.
    NotActive {
        /// The active controller and where it listens.
        leader: Option<(ControllerId, Endpoint)>,
    },
    /// This incarnation is registered (committed).
    Registered {
        /// Its epoch.
        broker_epoch: BrokerEpoch,
    },
    /// This incarnation may not register. If `fatal`, the process must exit without retrying.
    Refused {
        /// Why, for a person.
        reason: String,
        /// Whether trying again can never help.
        fatal: bool,
    },
    /// The answer to a heartbeat.
    HeartbeatAnswer {
        /// Of which heartbeat.
        sequence: u64,
        /// Whether the broker is fenced in the committed metadata.
        fenced: bool,
        /// It wanted to stop, nothing is led by it any more, and it may.
        may_stop: bool,
    },
    /// All metadata up to an offset, as records that rebuild it.
    Snapshot {
        /// The last entry that is in it.
        offset: MetadataOffset,
        /// The records.
        records: Vec<MetadataRecord>,
    },
    /// Committed entries in order, each with its offset; the first follows what was sent last.
    Delta {
        /// The entries.
        entries: Vec<(MetadataOffset, Vec<MetadataRecord>)>,
    },
    /// Which brokers the controller suspects now (the whole set; it replaces the one before, of
    /// whatever link). Sent after `Registered`, and when the set changes.
    Suspects {
        /// Their incarnations.
        suspects: BTreeSet<Incarnation>,
    },
    /// The answer to an AlterPartition request, in the order of its changes. What was accepted
    /// comes as a delta too, before this answer.
    AlterPartitionAnswer {
        /// Of which request.
        request_id: u64,
        /// An error of the whole request (such as `StaleBrokerEpoch`), or `None`.
        error: ErrorCode,
        /// One result a change.
        results: Vec<(PartitionId, ErrorCode)>,
    },
    /// The answer to a client's request.
    AdminAnswer {
        /// Of which request.
        request_id: u64,
        /// The answer.
        answer: AdminAnswer,
    },
    /// Tell where the logs of these partitions end (KIP-966's GetReplicaLogInfo). Asked while
    /// nobody is known to hold everything that is committed, and again until it is answered.
    AskLogEnds {
        /// The partitions, each with the leader epoch in which it has no leader; at most
        /// [`LOG_ENDS_MAX`].
        partitions: Vec<(PartitionId, LeaderEpoch)>,
    },
}
