//! What happens to an engine.

use bytes::Bytes;
use kintsugi_types::ControllerId;

use crate::command::PersistToken;
use crate::entry::EntryId;
use crate::membership::MemberChange;
use crate::message::Message;

/// One thing that happened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// Time has passed.
    Tick,
    /// A message arrived from an authenticated peer.
    Received {
        /// Who sent it.
        from: ControllerId,
        /// The message.
        message: Message,
    },
    /// The application wants these commands appended, in this order, all or none. Answered at
    /// once with [`crate::Command::ProposalAccepted`] or [`crate::Command::ProposalDropped`].
    Propose {
        /// The commands: at least one.
        commands: Vec<Bytes>,
        /// Names this proposal in the answer.
        ticket: u64,
    },
    /// The [`crate::Persist`] with this token, and all before it, survive a loss of power.
    Persisted {
        /// The token.
        token: PersistToken,
    },
    /// Change who belongs to the quorum. Answered at once with [`crate::Command::ChangeAccepted`]
    /// or [`crate::Command::ChangeRefused`].
    ChangeMembers {
        /// The change.
        change: MemberChange,
        /// Names this change in the answer.
        ticket: u64,
    },
    /// The application wrote its state down as it is after applying `last`. The engine asks to
    /// persist it and forgets entries that it contains. Ignored when it is older than the
    /// present snapshot, names an entry not yet applied, or is over
    /// [`crate::Limits::snapshot_bytes_max`].
    SnapshotReady {
        /// The last entry that it contains.
        last: EntryId,
        /// The application's own encoding.
        bytes: Bytes,
    },
    /// Hand leadership to that voter, or to the one whose log is furthest. Ignored unless leader.
    TransferLeadership {
        /// To whom; none: the engine chooses.
        to: Option<ControllerId>,
    },
    /// The connection to that peer was reset or refused. If it is the leader, an election starts
    /// at once with a pre-vote, instead of after a time-out. To be given after the last message
    /// that the connection brought, or that message would restore the leader.
    LeaderLost {
        /// The peer.
        leader: ControllerId,
    },
}
