//! Events and commands of the broker actor: a broker's control.

use std::collections::BTreeSet;
use std::sync::Arc;

use kintsugi_metadata::{Delta, Image};
use kintsugi_types::{
    BrokerEpoch, BrokerId, ControllerId, Endpoint, ErrorCode, Incarnation, LeaderEpoch, ProducerId,
    Time, TopicName,
};

use super::controller::DialOutcome;
use super::link::{AdminAnswer, AdminRequest, IsrChange, LogEnd, ToBroker, ToController};
use kintsugi_types::PartitionId;

/// What happens to a broker's control.
#[derive(Debug)]
pub enum Event {
    /// The time that `next_wake` named has come (or passed).
    Wake,
    /// The dial of a controller succeeded and `Hello` was sent.
    LinkOpened,
    /// The dial failed, or the link was closed or reset.
    LinkClosed,
    /// The controller sent this.
    FromController(ToBroker),
    /// A shard has applied the metadata up to this image's offset.
    ShardApplied {
        /// Which shard.
        shard: u16,
        /// The offset of the image.
        offset: kintsugi_types::MetadataOffset,
    },
    /// A shard wants these ISRs changed. Merged into the next AlterPartition request.
    AlterPartition {
        /// Which shard.
        shard: u16,
        /// The changes.
        changes: Vec<IsrChange>,
    },
    /// When each shard was last seen to make progress; before every heartbeat.
    ShardProgress {
        /// Which shard.
        shard: u16,
        /// When.
        at: Time,
    },
    /// A client asked for metadata (or anything that names leaders).
    Metadata {
        /// To answer by.
        token: u64,
        /// The topics it is about; `None`: all. Only these can make the answer wait.
        topics: Option<Vec<TopicName>>,
    },
    /// A client's request for the active controller.
    Admin {
        /// To answer by.
        token: u64,
        /// The request.
        request: AdminRequest,
        /// When to give up.
        deadline: Time,
    },
    /// A producer asks for an id.
    ProducerId {
        /// To answer by.
        token: u64,
        /// When to give up.
        deadline: Time,
    },
    /// A connection to this broker's replication or control port was reset, or refused.
    PeerConnection {
        /// The other broker.
        broker: BrokerId,
        /// What was seen.
        evidence: Evidence,
    },
    /// What came of a `Look`.
    Looked {
        /// Which one.
        look: u64,
        /// Who answered, if anybody.
        outcome: DialOutcome,
    },
    /// SIGTERM: hand over, then stop.
    Stop,
    /// All shards have handed over: their followers have everything.
    ShardDrained {
        /// Which shard.
        shard: u16,
    },
    /// A shard answers `AskLogEnds`, for its own part.
    LogEnds {
        /// Where its logs end.
        ends: Vec<LogEnd>,
    },
}

/// What a connection to another broker tells of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Evidence {
    /// An open connection was reset or closed.
    Reset,
    /// A dial was refused.
    Refused,
    /// It answers.
    Answered,
}

/// What clients are told about the cluster: the image, whom not to name as a leader, whom to list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MetadataView {
    /// The metadata.
    pub image: Arc<Image>,
    /// Brokers there is evidence against: where one leads, say leader -1 with
    /// `LeaderNotAvailable`.
    pub suspects: BTreeSet<BrokerId>,
    /// The brokers to list: those that serve, and those that are gone since so short a time that
    /// clients must not forget them yet.
    pub listed: BTreeSet<BrokerId>,
}

/// What a broker's control wants done.
#[derive(Debug, PartialEq)]
pub enum Command {
    /// Dial this controller (resolving its name anew), close any link before; answer `LinkOpened`
    /// or `LinkClosed`.
    DialController {
        /// Which voter.
        controller: ControllerId,
        /// Where: as told by another controller, or as configured.
        endpoint: Endpoint,
    },
    /// Close the link to the controller, if there is one.
    CloseLink,
    /// Send on the link.
    ToController(ToController),
    /// The metadata changed: give this to every shard and to whoever reads the image.
    Publish {
        /// The new image.
        image: Arc<Image>,
        /// What changed since the image published before; `None`: anything may have.
        delta: Option<Arc<Delta>>,
        /// This broker's epoch.
        broker_epoch: BrokerEpoch,
    },
    /// Until this moment the broker may serve; the shards check it before they answer.
    ExtendLease {
        /// The end of the session that the last answered heartbeat began.
        until: Time,
    },
    /// The lease ran out: shards stop serving, clients' connections are closed.
    LeaseExpired,
    /// Whether the broker serves clients (ready) changed.
    Ready(bool),
    /// Answer a `Metadata` event.
    AnswerMetadata {
        /// Which one.
        token: u64,
        /// By what.
        view: Arc<MetadataView>,
    },
    /// Answer an `Admin` event.
    AnswerAdmin {
        /// Which one.
        token: u64,
        /// The answer.
        answer: AdminAnswer,
    },
    /// Answer a `ProducerId` event.
    AnswerProducerId {
        /// Which one.
        token: u64,
        /// An id that no producer had before, or why there is none: the producer may ask again.
        result: Result<ProducerId, ErrorCode>,
    },
    /// Results of ISR changes, for the shard that asked. `Err`: of the whole request.
    AlterPartitionAnswered {
        /// Which shard.
        shard: u16,
        /// One result a change.
        results: Vec<(PartitionId, ErrorCode)>,
    },
    /// Dial this broker's control port to see whether it lives; answer `PeerConnection`.
    Probe {
        /// Who is expected there.
        expected: Incarnation,
        /// Where.
        endpoint: Endpoint,
    },
    /// Dial a broker's control port to see who lives there; answer `Looked`, in any case and
    /// within the time of a dial.
    Look {
        /// To answer by.
        look: u64,
        /// Where.
        endpoint: Endpoint,
    },
    /// Tell the shards to hand over and answer `ShardDrained`.
    Drain,
    /// All is handed over: flush, mark the clean stop with this epoch, and exit with 0.
    StopNow {
        /// This broker's epoch; -1 if it was never registered, and there is nothing to mark.
        broker_epoch: BrokerEpoch,
    },
    /// This process cannot go on; end it with this reason, and a status that says so.
    Fatal {
        /// For a person.
        reason: String,
    },
    /// Ask every shard where these logs end; each answers for its own partitions by `LogEnds`.
    AskLogEnds {
        /// The partitions, each with the leader epoch in which it has no leader.
        partitions: Arc<[(PartitionId, LeaderEpoch)]>,
    },
}
