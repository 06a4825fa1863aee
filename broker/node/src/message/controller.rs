//! Events and commands of the controller actor.

use kintsugi_metadata::failure_detector::DeathCause;
use kintsugi_quorum as quorum;
use kintsugi_types::{BrokerId, ClusterId, ControllerId, Endpoint, Incarnation};

use super::link::{AdminAnswer, AdminRequest, Hello, ToBroker, ToController};

/// One broker's control link to this controller; never reused.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct LinkId(pub u64);

/// One dial of a broker's control port; never reused.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct DialId(pub u64);

/// What happens to a controller.
#[derive(Debug)]
pub enum Event {
    /// The time that `next_wake` named has come (or passed).
    Wake,
    /// Another voter sent this.
    FromPeer {
        /// Who.
        from: ControllerId,
        /// What.
        message: quorum::Message,
    },
    /// The connection from or to this voter was reset: a hint that its process died.
    PeerLost {
        /// Who.
        peer: ControllerId,
    },
    /// A voter introduced itself and told where it listens.
    PeerMet {
        /// What it said.
        hello: Hello,
    },
    /// A write to the journal is durable.
    Persisted {
        /// Which write.
        token: quorum::PersistToken,
    },
    /// A broker dialled and introduced itself.
    LinkOpened {
        /// The new link.
        link: LinkId,
        /// Who.
        incarnation: Incarnation,
        /// The cluster that it says it belongs to.
        cluster: ClusterId,
    },
    /// The link was closed or reset, or `CloseLink` was carried out.
    LinkClosed {
        /// Which link.
        link: LinkId,
    },
    /// A broker sent this.
    FromBroker {
        /// On which link.
        link: LinkId,
        /// What.
        message: ToController,
    },
    /// What came of a dial.
    Dialled {
        /// Which dial.
        dial: DialId,
        /// The outcome.
        outcome: DialOutcome,
    },
    /// The process was asked to stop: hand leadership over, if this one leads.
    Stop,
    /// A request over this controller's own HTTP listener (the operator's).
    Admin {
        /// To answer by.
        token: u64,
        /// The request.
        request: AdminRequest,
    },
    /// A request over HTTP to change the quorum's members.
    ChangeMembers {
        /// To answer by.
        token: u64,
        /// The change.
        change: quorum::MemberChange,
    },
}

/// What a dial of a broker's control port found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DialOutcome {
    /// Nothing listens there: the connection was refused.
    Refused,
    /// Somebody answered, and is this incarnation.
    Answered(Incarnation),
    /// It was accepted but nothing came, or nothing came at all, in the time of a dial.
    Silent,
}

/// What the active controller saw of a broker's death, step by step.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Observation {
    /// It believes the broker dead; fencing follows.
    BrokerDead {
        /// Which run of which broker.
        incarnation: Incarnation,
        /// Why.
        cause: DeathCause,
    },
    /// The entry that fences it is committed.
    BrokerFenced {
        /// Which broker.
        broker: BrokerId,
        /// How many leaderships that entry moved.
        leaderships_moved: usize,
    },
    /// The entry by which it hands over before it stops is committed.
    BrokerStopping {
        /// Which broker.
        broker: BrokerId,
        /// How many leaderships that entry moved.
        leaderships_moved: usize,
    },
    /// Every new leader has applied that entry.
    LeadersMoved {
        /// The broker that was fenced, or hands over.
        broker: BrokerId,
    },
}

/// What a controller wants done.
#[derive(Debug, PartialEq)]
pub enum Command {
    /// Send to another voter; may be lost.
    ToPeer {
        /// To whom.
        to: ControllerId,
        /// What.
        message: quorum::Message,
    },
    /// Write to the journal, make it durable, then answer `Persisted`. In order.
    Persist(quorum::Persist),
    /// Send on a broker's link.
    ToBroker {
        /// Which link.
        link: LinkId,
        /// What.
        message: ToBroker,
    },
    /// Close a broker's link (after what was sent on it).
    CloseLink {
        /// Which link.
        link: LinkId,
    },
    /// Dial a broker's control port and answer `Dialled`.
    Dial {
        /// Chosen by the controller.
        dial: DialId,
        /// Where: the address that the incarnation registered.
        endpoint: Endpoint,
    },
    /// Answer an `Admin` event.
    Answer {
        /// Which one.
        token: u64,
        /// The answer.
        answer: AdminAnswer,
    },
    /// Answer a `ChangeMembers` event: the change is committed, or why it is not.
    ChangeAnswer {
        /// Which one.
        token: u64,
        /// The answer.
        answer: Result<(), quorum::ChangeError>,
    },
    /// The quorum's members changed: be connected to [`crate::controller::Controller::peers`].
    PeersChanged,
    /// Something that people want to see in a log: nothing has to be done.
    Observed(Observation),
    /// This process cannot go on; end it with this reason.
    Fatal {
        /// For a person.
        reason: String,
    },
}
