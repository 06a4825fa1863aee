//! Why an engine refuses.

use kintsugi_types::{ControllerId, DirectoryId, MetadataOffset, Term};
use serde::{Deserialize, Serialize};

/// Failed to start an engine.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum EngineError {
    /// Too many voters.
    #[error("failed to start the quorum: {count} voters, but at most {max} are allowed")]
    TooManyVoters {
        /// How many were given.
        count: usize,
        /// [`crate::VOTERS_MAX`].
        max: usize,
    },
    /// A setting contradicts another.
    #[error("failed to start the quorum: {what}")]
    Contradiction {
        /// Which, and what must hold.
        what: &'static str,
    },
    /// The log found on disk is not one that an engine wrote.
    #[error(
        "failed to recover the quorum's log: the entry after {after} has index {found} and term {term}; indexes must be contiguous and terms must not fall"
    )]
    BrokenLog {
        /// The index before.
        after: MetadataOffset,
        /// The index found.
        found: MetadataOffset,
        /// The term found.
        term: Term,
    },
    /// The log is of a later term than the vote.
    #[error(
        "failed to recover the quorum's log: its last entry is of term {log}, but the vote file knows only term {hard_state}: it was lost or is from another directory"
    )]
    TermBehindLog {
        /// The hard state's term.
        hard_state: Term,
        /// The term of the last entry or snapshot.
        log: Term,
    },
}

/// Failed to append a proposal.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ProposeError {
    /// Only the leader appends.
    #[error("failed to append proposal: not the leader")]
    NotLeader {
        /// Who is, if known.
        leader: Option<ControllerId>,
    },
    /// Leadership is being handed over.
    #[error(
        "failed to append proposal: leadership is being handed to controller {to}; try again there"
    )]
    Transferring {
        /// To whom.
        to: ControllerId,
    },
    /// Too much is waiting to be committed.
    #[error(
        "failed to append proposal: {waiting_bytes} bytes wait to be committed, the limit is {max_bytes}; try again later"
    )]
    UncommittedFull {
        /// What waits.
        waiting_bytes: usize,
        /// [`crate::Limits::uncommitted_bytes_max`].
        max_bytes: usize,
    },
    /// The application takes no snapshots, or not fast enough.
    #[error(
        "failed to append proposal: the log in memory has {log_bytes} bytes, the limit is {max_bytes}; a snapshot is due"
    )]
    LogFull {
        /// The log's size.
        log_bytes: usize,
        /// [`crate::Limits::log_bytes_max`].
        max_bytes: usize,
    },
    /// One command is too large.
    #[error(
        "failed to append proposal: a command has {size_bytes} bytes, the limit is {max_bytes}"
    )]
    CommandTooLarge {
        /// Its size.
        size_bytes: usize,
        /// [`crate::Limits::command_bytes_max`].
        max_bytes: usize,
    },
    /// No command in it.
    #[error("failed to append proposal: it has no command")]
    Empty,
}

/// Failed to begin a change of the quorum's members.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, thiserror::Error)]
pub enum ChangeError {
    /// Only the leader changes members.
    #[error("failed to change the quorum's members: not the leader")]
    NotLeader {
        /// Who is, if known.
        leader: Option<ControllerId>,
    },
    /// A change is under way, or the leader has committed nothing of its own term yet.
    #[error(
        "failed to change the quorum's members: another change, or a change of the leader, is under way; try again"
    )]
    NotYet,
    /// Nothing is to be done.
    #[error("failed to change the quorum's members: controller {id} is one with this directory")]
    AlreadyMember {
        /// Which.
        id: ControllerId,
    },
    /// There is none of that id.
    #[error("failed to change the quorum's members: controller {id} is none")]
    NotAMember {
        /// Which.
        id: ControllerId,
    },
    /// The member of that id is in another directory.
    #[error(
        "failed to change the quorum's members: controller {id} is recorded with directory {}; name that one to remove it",
        .known.map_or_else(|| "unknown".to_owned(), |d| d.to_string())
    )]
    OtherDirectory {
        /// Which.
        id: ControllerId,
        /// The directory that is recorded.
        known: Option<DirectoryId>,
    },
    /// A quorum has at least one voter.
    #[error("failed to change the quorum's members: controller {id} is the last voter")]
    LastVoter {
        /// Which.
        id: ControllerId,
    },
    /// Too many members.
    #[error("failed to change the quorum's members: at most {max} are allowed")]
    TooMany {
        /// [`crate::VOTERS_MAX`].
        max: usize,
    },
    /// The address is too long.
    #[error("failed to change the quorum's members: a host name has at most {max} bytes")]
    HostTooLong {
        /// The limit, in bytes.
        max: usize,
    },
    /// Nothing could be committed afterwards.
    #[error(
        "failed to change the quorum's members: of the new voters {live} answer, {needed} are needed; bring them back first"
    )]
    WouldLoseQuorum {
        /// How many of the new voters were heard from lately.
        live: usize,
        /// The new majority.
        needed: usize,
    },
}
