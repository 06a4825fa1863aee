//! What an engine asks of its shell.

use kintsugi_types::{ControllerId, MetadataOffset, Term};

use crate::engine::Role;
use crate::entry::{Entry, EntryId, HardState, Snapshot};
use crate::error::{ChangeError, ProposeError};
use crate::membership::Membership;
use crate::message::Message;

/// Names one [`Persist`]. Each is one greater than the last, from 1 in each engine's life.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct PersistToken(pub u64);

/// One write to disk. Its steps are carried out in the order of the fields, so that a crash
/// leaves a prefix of them (and of the entries); it is answered when all would survive a loss of
/// power. Writes may be grouped under one sync.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Persist {
    /// Answer with this token.
    pub token: PersistToken,
    /// Replace the hard state.
    pub hard_state: Option<HardState>,
    /// Replace the snapshot. Entries that it contains may be removed from the log from now on.
    pub snapshot: Option<Snapshot>,
    /// Remove every entry at or after this index; 1 empties the log, whose next entry is then the
    /// one after the snapshot.
    pub truncate_from: Option<MetadataOffset>,
    /// Append these entries.
    pub entries: Vec<Entry>,
}

/// One thing to do. Commands of one call are carried out in order; only disk writes are waited
/// for, by [`crate::Event::Persisted`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Command {
    /// Send a message; it may be lost.
    Send {
        /// To whom.
        to: ControllerId,
        /// What.
        message: Message,
    },
    /// Write to disk.
    Persist(Persist),
    /// These entries are committed: apply them. In order, without gaps, each once.
    Apply(Vec<Entry>),
    /// Replace the application's state by this snapshot. Later `Apply`s continue after its end.
    InstallSnapshot(Snapshot),
    /// The role, the term or the known leader changed. Comes first among a call's commands.
    RoleChanged {
        /// The role now.
        role: Role,
        /// The term now.
        term: Term,
        /// Who leads this term, if known.
        leader: Option<ControllerId>,
    },
    /// The proposal stands in the leader's log. It is committed when `Apply` shows an entry of
    /// this term at that index, and lost when it shows another term there.
    ProposalAccepted {
        /// Which proposal.
        ticket: u64,
        /// The term of its entries.
        term: Term,
        /// The index of its first command.
        first: MetadataOffset,
        /// The index of its last command.
        last: MetadataOffset,
    },
    /// The quorum's members are these from now on, committed or not: whom to be connected to.
    MembersChanged(Membership),
    /// The change stands in the leader's log. It is made when `Apply` shows this entry, and lost
    /// when it shows another one at its index.
    ChangeAccepted {
        /// Which change.
        ticket: u64,
        /// Its entry.
        at: EntryId,
    },
    /// The change was not begun and will never be.
    ChangeRefused {
        /// Which change.
        ticket: u64,
        /// Why.
        reason: ChangeError,
    },
    /// The proposal was not appended and will never be.
    ProposalDropped {
        /// Which proposal.
        ticket: u64,
        /// Why.
        reason: ProposeError,
    },
}
