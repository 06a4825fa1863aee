//! What is learned of each cluster, kept over restarts of the operator and handed over between two of
//! them: each part in a ConfigMap of its own, `<cluster>-learned-<part>`.
//!
//! Guarantees: what is read back is checked (whose it is, its version, its checksum, its time, its
//! numbers) before anything of it is believed. What is refused is told by an Event, and that part is
//! learned anew, which is safe: nothing shrinks meanwhile. A part is written every [`KEEP_EVERY`] and
//! when the operator stops, never before it was read, and in place of the version that was read or
//! written last: an operator that was frozen writes over nothing. A part has at most
//! [`PART_BYTES_MAX`] bytes; one that would have more is not written, and told.
//! Assumes that one look at a cluster is under way at a time.
//! Never does: decide; keep what the status, the claims or the quorum say already.
//!
//! Where nothing of a cluster's load was kept, a history that people give is read ([`given`]).
//!
//! The objects carry no label of the cluster: each look lists the ConfigMaps that do, with their
//! content.

mod envelope;
mod given;
mod keeping;
mod memory;

use k8s_openapi::jiff::{SignedDuration, Timestamp};

pub use envelope::{open, seal};
pub use memory::Learned;

/// How often a part is written: what a killed operator forgets is at most so much, and a write of a
/// megabyte each five minutes is little for an API server.
pub const KEEP_EVERY: SignedDuration = SignedDuration::from_secs(300);

/// How often a history that was refused is read again: somebody may have mended it.
pub const HISTORY_EVERY: SignedDuration = SignedDuration::from_secs(300);

/// The most bytes of a part. A ConfigMap may hold 1 MiB, and base64 makes a request of this 1.4 MB,
/// where 3 MB are taken.
pub const PART_BYTES_MAX: usize = 1_020_000;

/// The key in a ConfigMap's binaryData.
pub const KEY: &str = "state";

/// One thing that is learned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// What sizes are decided by.
    Autoscaling,
    /// The rates of brokers and partitions.
    Load,
    /// How volumes filled.
    Storage,
}

impl Part {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Autoscaling, Self::Load, Self::Storage];

    /// Its name, in the ConfigMap's.
    pub fn name(self) -> &'static str {
        match self {
            Part::Autoscaling => "autoscaling",
            Part::Load => "load",
            Part::Storage => "storage",
        }
    }

    /// The version of its layout. A part that is laid out otherwise takes the next: what another
    /// version wrote is refused, in both directions.
    fn version(self) -> u16 {
        match self {
            Part::Autoscaling | Part::Load | Part::Storage => 1,
        }
    }

    /// Its number in what is written.
    fn number(self) -> u8 {
        match self {
            Part::Autoscaling => 1,
            Part::Load => 2,
            Part::Storage => 3,
        }
    }
}

/// What a part holds, when it was written, and of what it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Opened<'a> {
    /// When it was written.
    pub written: Timestamp,
    /// What is learned, in the part's own layout.
    pub payload: &'a [u8],
}

/// Why what was kept is of no use.
#[derive(Debug, thiserror::Error)]
pub enum LearnedError {
    /// Somebody else's ConfigMap has the name.
    #[error(
        "it is not the operator's: give it another name, for nothing is kept while it is there"
    )]
    NotOurs,
    /// It does not begin as such a state does.
    #[error("it holds no such state")]
    NoState,
    /// Another layout.
    #[error("it is of version {found} and this operator knows version {known}")]
    Version {
        /// Its version.
        found: u16,
        /// This operator's.
        known: u16,
    },
    /// Bytes are others than were written.
    #[error("its checksum is not that of its bytes")]
    Damaged,
    /// It is another cluster's, or another part.
    #[error("it is of another cluster or of another part")]
    Foreign,
    /// It was written at a time that has not come.
    #[error("it was written at {0}, which has not come yet")]
    Ahead(Timestamp),
    /// The checksum is right and the layout is not.
    #[error("it cannot be read")]
    Layout(#[from] postcard::Error),
    /// Numbers that cannot be.
    #[error("{0} cannot be as it is told")]
    Numbers(&'static str),
    /// Numbers of a scaler that cannot be.
    #[error(transparent)]
    NotSound(#[from] kintsugi_forecast::RestoreError),
    /// More than an object may hold.
    #[error("it would have {bytes} bytes, and at most {PART_BYTES_MAX} are kept")]
    TooLarge {
        /// How many.
        bytes: usize,
    },
}
