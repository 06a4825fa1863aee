//! Settings and limits, with the reasons for their defaults.

use std::collections::BTreeMap;
use std::time::Duration;

#[cfg(any(test, feature = "bugs"))]
use kintsugi_types::bug::{Bug, is_on};
use kintsugi_types::{ControllerId, DirectoryId};

use crate::error::EngineError;

/// The most voters that a quorum may have: more only make each commit slower.
pub const VOTERS_MAX: usize = 9;

/// How one engine behaves. Made by [`Config::new`], then changed field by field: which fields
/// there are depends on the feature `bugs`.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Config {
    /// This voter's id.
    pub id: ControllerId,
    /// The directory that it keeps its log in.
    pub directory: DirectoryId,
    /// The voters that the quorum is formed with. `None`: the directory is not known yet; the
    /// first one seen is learned, persisted, and recorded by the first leader. A log or snapshot
    /// that holds a configuration overrides all of it. Without this one's id among them, it
    /// follows without voting until it is added.
    pub voters: BTreeMap<ControllerId, Option<DirectoryId>>,
    /// How often a leader shows that it lives; also how often requests for votes are repeated.
    /// 75: five may be lost within the shortest election time-out.
    pub heartbeat_ms: u64,
    /// The shortest election time-out, and how long a voter that heard from a leader ignores
    /// candidates. 400: above the pauses of a busy two-core machine.
    pub election_ms_min: u64,
    /// The longest election time-out, and how long a leader stays one without hearing from a
    /// majority. 800: twice the shortest, so that two voters seldom stand at the same moment.
    pub election_ms_max: u64,
    /// When an append or a snapshot's piece without an answer is sent again. 500: longer than a
    /// slow disk's sync, so that slowness is not answered with more load.
    pub resend_ms: u64,
    /// The limits.
    pub limits: Limits,
    /// Faults to put back in.
    #[cfg(any(test, feature = "bugs"))]
    pub bugs: Bugs,
}

/// Bounds on memory and on messages.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// The most entries in one append.
    pub append_entries_max: usize,
    /// The most bytes of entries in one append; a single larger entry goes alone.
    pub append_bytes_max: usize,
    /// The most appends to one follower without an answer.
    pub appends_in_flight_max: usize,
    /// The most writes to disk without an answer. Further changes are gathered into the next
    /// write, which is how entries are grouped under one sync.
    pub persists_in_flight_max: usize,
    /// The most bytes that may wait on the leader to be committed.
    pub uncommitted_bytes_max: usize,
    /// The most bytes of one command.
    pub command_bytes_max: usize,
    /// The most bytes of the log in memory before proposals are refused.
    pub log_bytes_max: usize,
    /// How many entries stay in memory behind a snapshot, for followers that lag a little; fewer
    /// when the log has more than half of `snapshot_after_bytes`.
    pub entries_kept_behind_snapshot: u64,
    /// A snapshot is due after this many applied entries.
    pub snapshot_after_entries: u64,
    /// A snapshot is due when the log in memory has this many bytes.
    pub snapshot_after_bytes: usize,
    /// The longest snapshot, in bytes.
    pub snapshot_bytes_max: u64,
    /// The longest piece of a snapshot in one message, in bytes.
    pub snapshot_chunk_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            append_entries_max: 1_024,
            append_bytes_max: 1 << 20,
            appends_in_flight_max: 16,
            persists_in_flight_max: 4,
            uncommitted_bytes_max: 16 << 20,
            command_bytes_max: 8 << 20,
            log_bytes_max: 128 << 20,
            entries_kept_behind_snapshot: 1_000,
            snapshot_after_entries: 20_000,
            snapshot_after_bytes: 32 << 20,
            snapshot_bytes_max: 256 << 20,
            snapshot_chunk_bytes: 256 << 10,
        }
    }
}

/// Faults that a test can put back in, to prove that its oracles find them.
#[cfg(any(test, feature = "bugs"))]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Bugs {
    /// Votes and acknowledgements leave, and count, before they are on disk.
    pub vote_without_persisting: bool,
    /// A leader commits entries of earlier terms by counting copies (Raft, figure 8).
    pub commit_earlier_terms_by_counting: bool,
    /// A leader changes members before an entry of its own term is committed.
    pub change_members_before_own_term: bool,
    /// A voter with an empty disk votes, and its peers count it whatever its directory.
    pub vote_with_an_empty_disk: bool,
}

impl Config {
    /// The defaults for one voter of a quorum.
    #[must_use]
    pub fn new(
        id: ControllerId,
        directory: DirectoryId,
        voters: BTreeMap<ControllerId, Option<DirectoryId>>,
    ) -> Self {
        Self {
            id,
            directory,
            voters,
            heartbeat_ms: 75,
            election_ms_min: 400,
            election_ms_max: 800,
            resend_ms: 500,
            limits: Limits::default(),
            #[cfg(any(test, feature = "bugs"))]
            bugs: Bugs::default(),
        }
    }

    pub(crate) fn validate(&self) -> Result<(), EngineError> {
        let count = self.voters.len();
        if count > VOTERS_MAX {
            return Err(EngineError::TooManyVoters {
                count,
                max: VOTERS_MAX,
            });
        }
        let limits = &self.limits;
        let contradiction = if self.heartbeat_ms == 0 || self.heartbeat_ms >= self.election_ms_min {
            "the heartbeat interval must be above 0 and below the shortest election time-out"
        } else if self.election_ms_min >= self.election_ms_max {
            "the shortest election time-out must be below the longest"
        } else if limits.snapshot_after_bytes > limits.log_bytes_max {
            "a snapshot must be due before the log in memory is full"
        } else if limits.append_entries_max == 0
            || limits.appends_in_flight_max == 0
            || limits.persists_in_flight_max == 0
            || limits.snapshot_chunk_bytes == 0
        {
            "limits of entries, appends, persists and snapshot pieces must be above 0"
        } else {
            return Ok(());
        };
        Err(EngineError::Contradiction {
            what: contradiction,
        })
    }

    pub(crate) const fn heartbeat(&self) -> Duration {
        Duration::from_millis(self.heartbeat_ms)
    }

    pub(crate) const fn election_min(&self) -> Duration {
        Duration::from_millis(self.election_ms_min)
    }

    pub(crate) const fn election_max(&self) -> Duration {
        Duration::from_millis(self.election_ms_max)
    }

    pub(crate) const fn resend(&self) -> Duration {
        Duration::from_millis(self.resend_ms)
    }

    pub(crate) fn votes_before_disk(&self) -> bool {
        #[cfg(any(test, feature = "bugs"))]
        let bug = self.bugs.vote_without_persisting || is_on(Bug::VoteWithoutPersisting);
        #[cfg(not(any(test, feature = "bugs")))]
        let bug = false;
        bug
    }

    pub(crate) fn changes_early(&self) -> bool {
        #[cfg(any(test, feature = "bugs"))]
        let bug =
            self.bugs.change_members_before_own_term || is_on(Bug::ChangeMembersBeforeOwnTerm);
        #[cfg(not(any(test, feature = "bugs")))]
        let bug = false;
        bug
    }

    pub(crate) fn ignores_directories(&self) -> bool {
        #[cfg(any(test, feature = "bugs"))]
        let bug = self.bugs.vote_with_an_empty_disk || is_on(Bug::EmptyVoterVotes);
        #[cfg(not(any(test, feature = "bugs")))]
        let bug = false;
        bug
    }

    pub(crate) fn counts_earlier_terms(&self) -> bool {
        #[cfg(any(test, feature = "bugs"))]
        let bug =
            self.bugs.commit_earlier_terms_by_counting || is_on(Bug::CommitEarlierTermsByCounting);
        #[cfg(not(any(test, feature = "bugs")))]
        let bug = false;
        bug
    }
}
