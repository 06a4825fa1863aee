//! What can happen in the world, and what reaches a process.

use bytes::Bytes;
use kintsugi_coordinator::{GroupRequest, GroupResponse};
use kintsugi_node::message::controller::DialOutcome;
use kintsugi_node::message::link::{AdminAnswer, AdminRequest, Hello, ToBroker, ToController};
use kintsugi_node::message::replication::{FetchRequest, FetchResponse};
use kintsugi_node::message::{broker, shard};
use kintsugi_node::shard::MakingJob;
use kintsugi_quorum as quorum;
use kintsugi_storage::checkpoint::OffsetCheckpoints;
use kintsugi_storage::{MemoryFileSystem, SyncJob};
use kintsugi_types::{
    ControllerId, ErrorCode, LeaderEpoch, Offset, PartitionId, ProducerId, TopicName,
};

use crate::faults::Fault;
use crate::place::{Loop, Node};
use crate::stream::{Purpose, Side, StreamId};

/// One thing that happens at one moment.
#[derive(Debug)]
pub(crate) enum Happening {
    /// Something reaches a process, unless that life of it is over.
    Arrive { to: Node, life: u64, input: Input },
    /// A datagram reaches a machine, whatever runs there then.
    Datagram {
        from: ControllerId,
        to: Node,
        message: quorum::Message,
    },
    /// A dial reaches the machine dialled.
    Connect { stream: StreamId },
    /// A dial found nobody in its time.
    DialTimeout { stream: StreamId },
    /// A frame reaches one end of a stream.
    Segment {
        stream: StreamId,
        to: Side,
        frame: Frame,
    },
    /// A stream has stalled for so long that its ends give it up, if it still does.
    StallTimeout { stream: StreamId, stalls: u64 },
    /// A short dial that asks who holds a control port reaches the machine.
    Knock {
        from: Node,
        life: u64,
        to: Node,
        knock: Knock,
    },
    /// A fault begins or ends.
    Fault(Fault),
}

/// For whom a control port is dialled.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Knock {
    /// The failure detector's dial.
    Dial(u64),
    /// A broker's probe of another incarnation.
    Probe(kintsugi_types::Incarnation),
    /// A broker asks a leader for a sign of life.
    Look(u64),
}

/// What reaches a process.
#[derive(Debug)]
pub(crate) enum Input {
    Wake(Loop),
    Message {
        from: ControllerId,
        message: quorum::Message,
    },
    PeerLost(ControllerId),
    PeerMet(Hello),
    /// The journal's thread carries its next write out.
    Write,
    Persisted(quorum::PersistToken),
    Accepted {
        stream: StreamId,
        purpose: Purpose,
    },
    Opened(StreamId),
    DialFailed {
        stream: StreamId,
        refused: bool,
    },
    Frame {
        stream: StreamId,
        frame: Frame,
    },
    Knocked {
        knock: Knock,
        outcome: DialOutcome,
    },
    Control(broker::Event),
    Shard(u16, shard::Event),
    Checkpoint(u16, Box<OffsetCheckpoints>),
    /// A shard's sync is done by now.
    Sync(u16, PartitionId, SyncJob<MemoryFileSystem>),
    /// A log that a shard wants is made by now.
    Make(u16, MakingJob<MemoryFileSystem>),
    /// The operator asks; the answer carries this number.
    Operator(u64, AdminRequest),
    /// The operator changes the quorum's members.
    ChangeMembers(quorum::MemberChange),
    /// SIGTERM.
    Terminate,
}

/// What streams carry.
#[derive(Clone, Debug)]
pub(crate) enum Frame {
    Hello(Hello),
    ToController(ToController),
    ToBroker(ToBroker),
    Fetch(FetchRequest),
    Fetched(FetchResponse),
    Ask(Ask),
    Answer(Answer),
    /// The other end is closed, or reset.
    Close,
}

/// A client's request.
#[derive(Clone, Debug)]
pub(crate) enum Ask {
    Metadata(TopicName),
    Admin(AdminRequest),
    ProducerId,
    Produce {
        partition: PartitionId,
        acks: shard::Acks,
        batch: Bytes,
    },
    Group {
        partition: PartitionId,
        version: i16,
        request: GroupRequest,
    },
    Fetch {
        partition: PartitionId,
        leader_epoch: LeaderEpoch,
        offset: Offset,
    },
}

/// A broker's answer to a client.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    Metadata(std::sync::Arc<broker::MetadataView>),
    Admin(AdminAnswer),
    ProducerId(Result<ProducerId, ErrorCode>),
    Produced(shard::Produced),
    Fetched(shard::Fetched),
    Group(GroupResponse),
}
