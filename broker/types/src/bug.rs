//! Deliberate faults, each a rule that is left out. They prove that tests and the simulator's
//! oracles notice when a rule is broken.
//!
//! Without the feature `bugs` none can be switched on, and [`is_on`] is a constant. With it, the
//! switch is the thread's, so that runs beside each other do not meet.

/// A rule left out.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Bug {
    /// A voter's votes and acknowledgements leave before they are on disk.
    VoteWithoutPersisting,
    /// A leader of the quorum commits entries of earlier terms by counting copies (Raft, figure 8).
    CommitEarlierTermsByCounting,
    /// A leader changes the quorum's members before an entry of its own term is committed.
    ChangeMembersBeforeOwnTerm,
    /// A voter counts by its id alone, also with another directory than the one that holds its
    /// promises.
    EmptyVoterVotes,
    /// A new follower cuts its log to its high watermark (KIP-101).
    TruncateToHighWatermark,
    /// acks=all is answered when the leader has the record.
    AcknowledgeBeforeIsr,
    /// Followers and leaders do not compare leader epochs before they exchange records.
    StaleLeaderEpochAccepted,
    /// A replica may join the ISR before it has reached the start of the leader's epoch.
    JoinBeforeEpochStart,
    /// A proposed removal from the ISR counts before it is committed (KIP-497).
    ShrinkBeforeCommit,
    /// The high watermark advances while fewer than `min.insync.replicas` are in sync (KIP-966).
    AdvanceBelowMinIsr,
    /// A repeated batch is acknowledged while its first copy is not committed.
    DuplicateAcknowledgedEarly,
    /// Produces that wait are answered with success when their leader becomes a follower.
    AcknowledgeOnStepDown,
    /// A replica outside ISR and ELR is elected when no other lives.
    ElectOutsideIsr,
    /// A broker stays in the ELR though its last stop may have lost records.
    ElrKeptAfterUncleanStart,
    /// An incarnation that is not in force may change ISRs, and be taken into one (KIP-903).
    OldIncarnationInIsr,
    /// A lower or equal incarnation of a broker may register.
    TwoIncarnations,
    /// The state of producers stays as it was when the log is cut.
    ProducersKeptAfterTruncation,
    /// A cut of the log is not synced before more is appended.
    UnsyncedCut,
    /// Consumers read up to the log's end.
    ReadAboveHighWatermark,
}

/// Switches one fault on in this thread, and all others off.
#[cfg(feature = "bugs")]
pub fn switch(bug: Option<Bug>) {
    ON.set(bug);
}

#[cfg(feature = "bugs")]
thread_local! {
    static ON: std::cell::Cell<Option<Bug>> = const { std::cell::Cell::new(None) };
}

/// Whether this fault is on.
#[cfg(feature = "bugs")]
#[must_use]
pub fn is_on(bug: Bug) -> bool {
    ON.get() == Some(bug)
}

/// Whether this fault is on: never, in this build.
#[cfg(not(feature = "bugs"))]
#[must_use]
pub const fn is_on(_bug: Bug) -> bool {
    false
}
