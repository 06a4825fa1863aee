//! What engines say to each other.

use bytes::Bytes;
use kintsugi_types::{DirectoryId, MetadataOffset, Term};
use serde::{Deserialize, Serialize};

use crate::entry::{Entry, EntryId};
use crate::membership::Membership;

/// A message from one engine to another.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Message {
    /// The sender's term when it wrote this.
    pub term: Term,
    /// The sender's directory: with its id, this is its identity as a voter.
    pub directory: DirectoryId,
    /// Whether the sender may vote, as far as it knows itself. What it says counts only where the
    /// quorum's configuration names its directory, or none yet.
    pub voting: bool,
    /// What it says.
    pub body: Body,
}

/// What a message says.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Body {
    /// "Would you vote for me in this term?" Binds nobody (§9.6).
    PreVote {
        /// The term it would stand in.
        for_term: Term,
        /// The last entry of its log.
        last: EntryId,
    },
    /// The answer to a pre-vote.
    PreVoteReply {
        /// The term that was asked for.
        for_term: Term,
        /// Whether a vote would be granted.
        granted: bool,
    },
    /// A candidate asks for a vote in the message's term.
    Vote {
        /// The last entry of its log.
        last: EntryId,
        /// The leader asked it to stand, so a live leader is no reason to ignore it.
        transfer: bool,
    },
    /// The answer to a candidate. A granted vote is on the voter's disk.
    VoteReply {
        /// Whether the vote is the candidate's.
        granted: bool,
    },
    /// Entries from the leader.
    Append {
        /// The entry just before the first of `entries`.
        prev: EntryId,
        /// Contiguous entries after `prev`; may be empty.
        entries: Vec<Entry>,
        /// The leader's commit index.
        commit: MetadataOffset,
    },
    /// The follower's log equals the leader's up to this index, and that much is on its disk.
    AppendAccepted {
        /// The index.
        matched: MetadataOffset,
    },
    /// The follower's log has no such `prev`.
    AppendRejected {
        /// The index of the `prev` refused.
        prev_index: MetadataOffset,
        /// The follower's last entry at or before `prev` whose term is not above `prev`'s: no
        /// entry after it can be common to both logs.
        hint: EntryId,
    },
    /// The leader lives. Its answer waits for no disk.
    Heartbeat {
        /// The last committed entry.
        committed: EntryId,
    },
    /// The follower lives.
    HeartbeatReply,
    /// A piece of the leader's snapshot.
    SnapshotChunk {
        /// The last entry that the snapshot contains.
        last: EntryId,
        /// How long the whole snapshot is.
        total_bytes: u64,
        /// Where this piece begins.
        offset: u64,
        /// The piece.
        bytes: Bytes,
        /// The quorum's members after that last entry.
        membership: Membership,
    },
    /// How much of a snapshot the follower holds; the next piece should begin there.
    SnapshotReply {
        /// Which snapshot.
        last: EntryId,
        /// The offset of the first byte that it lacks.
        next_offset: u64,
    },
    /// The leader asks the receiver to stand for election at once (§3.10).
    TimeoutNow,
    /// The receiver's term is over: the message's term is later.
    StaleTerm,
}

impl Body {
    /// Whether only a leader says this.
    pub(crate) const fn is_from_leader(&self) -> bool {
        matches!(
            self,
            Self::Append { .. }
                | Self::Heartbeat { .. }
                | Self::SnapshotChunk { .. }
                | Self::TimeoutNow
        )
    }

    /// Whether this is heard from anyone: a controller whose log lags does not know who was added
    /// since (§4.2.2). Whose answer counts is decided by whoever asks.
    pub(crate) const fn is_heard_from_anyone(&self) -> bool {
        matches!(self, Self::PreVote { .. } | Self::Vote { .. }) || self.is_from_leader()
    }

    /// Whether only a follower says this, to its leader.
    pub(crate) const fn is_to_leader(&self) -> bool {
        matches!(
            self,
            Self::AppendAccepted { .. }
                | Self::AppendRejected { .. }
                | Self::HeartbeatReply
                | Self::SnapshotReply { .. }
        )
    }
}
