//! What is kept on disk: entries, votes and snapshots.

use std::collections::BTreeMap;

use bytes::Bytes;
use kintsugi_types::{ControllerId, DirectoryId, MetadataOffset, Term};
use serde::{Deserialize, Serialize};

use crate::membership::Membership;

/// Which entry: the term it was first appended in, and its place in the log.
///
/// The order (term first) is Raft's "at least as up to date" of two logs' last entries (§5.4.1).
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize,
)]
pub struct EntryId {
    /// The term of the leader that appended it.
    pub term: Term,
    /// Its index; the first entry has 1.
    pub index: MetadataOffset,
}

/// What an entry carries.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Payload {
    /// Nothing: what a new leader appends, so that it has an entry of its own term to commit.
    Noop,
    /// A command of the application.
    Command(Bytes),
    /// The quorum's members from here on.
    Membership(Membership),
}

/// One entry of the log.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Entry {
    /// The term of the leader that appended it.
    pub term: Term,
    /// Its index.
    pub index: MetadataOffset,
    /// What it carries.
    pub payload: Payload,
}

impl Entry {
    /// What an entry counts beside its payload, in bytes.
    pub const OVERHEAD_BYTES: usize = 32;

    /// Which entry this is.
    #[must_use]
    pub const fn id(&self) -> EntryId {
        EntryId {
            term: self.term,
            index: self.index,
        }
    }

    /// What it counts against limits, in bytes: never zero.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        match &self.payload {
            Payload::Noop => Self::OVERHEAD_BYTES,
            Payload::Membership(membership) => {
                Self::OVERHEAD_BYTES.saturating_add(membership.size_bytes())
            }
            Payload::Command(bytes) => Self::OVERHEAD_BYTES.saturating_add(bytes.len()),
        }
    }
}

/// What must be on disk before a vote or an acknowledgement leaves (Raft's persistent state,
/// without the log).
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct HardState {
    /// The latest term that this voter has seen.
    pub term: Term,
    /// Whom it voted for in that term.
    pub voted_for: Option<ControllerId>,
    /// The directories of other voters, learned at first contact, fixed from then on. They count
    /// until the quorum's configuration records them.
    pub directories: BTreeMap<ControllerId, DirectoryId>,
}

/// The application's state up to and including one entry.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Snapshot {
    /// The last entry that it contains.
    pub last: EntryId,
    /// The application's own encoding.
    pub bytes: Bytes,
    /// The quorum's members after that entry.
    pub membership: Membership,
}

/// What was found on disk at a start.
///
/// `entries` is the contiguous run that the log holds, in order; it may begin before the
/// snapshot's end. A crash in the middle of one [`crate::Persist`] may have left any prefix of
/// its steps.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Recovered {
    /// The last hard state persisted; the default for a fresh directory.
    pub hard_state: HardState,
    /// The last snapshot persisted.
    pub snapshot: Option<Snapshot>,
    /// The log.
    pub entries: Vec<Entry>,
    /// Whether this directory may vote where the quorum's configuration does not record
    /// directories yet. True in one that was formatted when its quorum was formed; false in one
    /// that replaced a lost directory: what that one promised is forgotten, so it follows without
    /// voting until it is added anew.
    pub may_vote: bool,
}

impl Recovered {
    /// What a directory holds that was just formatted.
    #[must_use]
    pub fn fresh(may_vote: bool) -> Self {
        Self {
            hard_state: HardState::default(),
            snapshot: None,
            entries: Vec::new(),
            may_vote,
        }
    }
}
