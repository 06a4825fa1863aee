//! The quorum's state on disk: [`quorum::Persist`] as records of a journal.
//!
//! Guarantees: when [`ControllerStore::write`] returns, what it was given survives a loss of
//! power; after a crash in the middle of it, [`ControllerStore::open`] finds the state before it,
//! or with a prefix of its steps and entries. A snapshot is written together with all that
//! remains as one new journal, which replaces the old one whole.
//! Assumes that the directory is this store's own. After an error the process must end.

use std::collections::BTreeMap;
use std::path::Path;

use kintsugi_quorum as quorum;
use kintsugi_storage::checkpoint::{CheckpointError, MetaProperties};
use kintsugi_storage::{FileSystem, FsError, Journal, JournalError, JournalLimits};
use kintsugi_types::{ClusterId, ControllerId, DirectoryId, Generation, MetadataOffset};
use serde::{Deserialize, Serialize};

/// The folder of the journal within the controller's directory.
const JOURNAL_FOLDER: &str = "quorum";

/// One step of a [`quorum::Persist`]. Encoded by postcard: variants may only be added at the end.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
enum Record {
    /// The directory was formatted; whether its voter may vote.
    Formatted { may_vote: bool },
    /// The hard state is this one.
    HardState(quorum::HardState),
    /// The snapshot is this one; entries up to its end are dropped.
    Snapshot(quorum::Snapshot),
    /// Entries at or after this index are gone.
    TruncateFrom(MetadataOffset),
    /// This entry is appended.
    Entry(quorum::Entry),
}

/// Whose directory is opened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VoterIdentity {
    /// The cluster.
    pub cluster: ClusterId,
    /// The voter.
    pub id: ControllerId,
    /// `kintsugi.generation`: above 1 in an empty directory, it replaces a lost one, whose
    /// promises are forgotten, so this voter may not vote.
    pub generation: Generation,
    /// Whether it is among the voters that form the quorum. One that joins later may not vote from
    /// an empty directory: the quorum adds it, or it would form another one.
    pub is_founder: bool,
    /// The id that an empty directory is formatted with.
    pub new_directory: DirectoryId,
}

/// What a directory held.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OpenedVoter {
    /// Its id: the one it was formatted with.
    pub directory: DirectoryId,
    /// What the engine starts from.
    pub recovered: quorum::Recovered,
}

/// Failed to open or write a controller's directory.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The journal failed.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// `meta.properties` failed.
    #[error(transparent)]
    Meta(#[from] CheckpointError),
    /// The file system failed.
    #[error(transparent)]
    FileSystem(#[from] FsError),
    /// A record cannot be read.
    #[error(
        "failed to read the quorum's journal: record {number} is not one of this program's; it is damaged or newer"
    )]
    Decode {
        /// Which record, from zero.
        number: usize,
        /// Why.
        #[source]
        source: postcard::Error,
    },
    /// A record cannot be written.
    #[error("failed to encode a record of the quorum's journal")]
    Encode(#[source] postcard::Error),
    /// A part of the directory is missing, and with it what this voter promised.
    #[error(
        "failed to open controller directory: it was formatted, but has no {what}; restore it from a copy, or replace this voter by a new generation"
    )]
    Lost {
        /// What is missing.
        what: &'static str,
    },
    /// The directory is somebody else's.
    #[error(
        "failed to open controller directory: it belongs to node {found_id} of cluster {found_cluster}, not to node {id} of cluster {cluster}; mount the right volume"
    )]
    OtherOwner {
        /// The node it belongs to.
        found_id: i32,
        /// The cluster it belongs to.
        found_cluster: ClusterId,
        /// The node that opens it.
        id: ControllerId,
        /// Its cluster.
        cluster: ClusterId,
    },
}

fn check_owner(meta: &MetaProperties, identity: &VoterIdentity) -> Result<(), StoreError> {
    if meta.cluster_id == identity.cluster && meta.node_id == identity.id.0 {
        return Ok(());
    }
    Err(StoreError::OtherOwner {
        found_id: meta.node_id,
        found_cluster: meta.cluster_id.clone(),
        id: identity.id,
        cluster: identity.cluster.clone(),
    })
}

/// The state that the journal's records add up to.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct State {
    may_vote: bool,
    hard_state: quorum::HardState,
    snapshot: Option<quorum::Snapshot>,
    entries: BTreeMap<MetadataOffset, quorum::Entry>,
}

/// A controller's directory.
pub struct ControllerStore<F: FileSystem> {
    journal: Journal<F>,
    segments_max: usize,
    state: State,
}

impl<F: FileSystem> ControllerStore<F> {
    /// Opens a voter's directory, or formats an empty one, and recovers what it holds.
    ///
    /// # Errors
    /// When it is another voter's, or cannot be read or formatted.
    pub fn open(
        fs: &F,
        directory: &Path,
        identity: &VoterIdentity,
        limits: JournalLimits,
    ) -> Result<(Self, OpenedVoter), StoreError> {
        fs.create_dir_all(directory)?;
        // Always, since a start that was stopped just here may have made the directory.
        let parent = directory.parent().filter(|p| !p.as_os_str().is_empty());
        fs.sync_dir(parent.unwrap_or(Path::new(".")))?;
        let meta = MetaProperties::read(fs, directory)?;
        if let Some(meta) = &meta {
            check_owner(meta, identity)?;
        }
        let folder = directory.join(JOURNAL_FOLDER);
        let (mut journal, records) = Journal::open(fs.clone(), &folder, limits)?;
        let mut state = State::default();
        for (number, bytes) in records.iter().enumerate() {
            let record = postcard::from_bytes(bytes)
                .map_err(|source| StoreError::Decode { number, source })?;
            state.apply(record);
        }
        let meta = match (meta, records.len()) {
            (Some(_), 0) => {
                return Err(StoreError::Lost {
                    what: JOURNAL_FOLDER,
                });
            }
            (None, 2..) => {
                let what = "meta.properties";
                return Err(StoreError::Lost { what });
            }
            (Some(meta), _) => meta,
            (None, count) => {
                // The journal comes first, so that a directory with a name always has one.
                if count == 0 {
                    let may_vote = identity.is_founder && identity.generation <= Generation(1);
                    state.apply(Record::Formatted { may_vote });
                    append(&mut journal, &[Record::Formatted { may_vote }])?;
                }
                format(fs, directory, identity)?
            }
        };
        let recovered = state.recovered();
        let store = Self {
            journal,
            segments_max: limits.segments_max,
            state,
        };
        let opened = OpenedVoter {
            directory: meta.directory_id,
            recovered,
        };
        Ok((store, opened))
    }

    /// Carries one write out. Durable when it returns. Blocks.
    ///
    /// # Errors
    /// When it fails; the process must then end, since nobody knows what is on disk.
    pub fn write(&mut self, persist: &quorum::Persist) -> Result<(), StoreError> {
        let records = records_of(persist);
        for record in &records {
            self.state.apply(record.clone());
        }
        let is_full = self.journal.segment_count() + 1 >= self.segments_max;
        if persist.snapshot.is_some() || is_full {
            let records = encode(&self.state.records())?;
            let slices: Vec<&[u8]> = records.iter().map(Vec::as_slice).collect();
            return Ok(self.journal.rewrite(&slices)?);
        }
        append(&mut self.journal, &records)
    }
}

impl State {
    fn apply(&mut self, record: Record) {
        match record {
            Record::Formatted { may_vote } => self.may_vote = may_vote,
            Record::HardState(hard_state) => self.hard_state = hard_state,
            Record::Snapshot(snapshot) => {
                self.entries = self.entries.split_off(&snapshot.last.index.next());
                self.snapshot = Some(snapshot);
            }
            Record::TruncateFrom(index) => {
                self.entries.split_off(&index);
            }
            Record::Entry(entry) => {
                self.entries.insert(entry.index, entry);
            }
        }
    }

    fn records(&self) -> Vec<Record> {
        let mut records = vec![
            Record::Formatted {
                may_vote: self.may_vote,
            },
            Record::HardState(self.hard_state.clone()),
        ];
        records.extend(self.snapshot.clone().map(Record::Snapshot));
        records.extend(self.entries.values().cloned().map(Record::Entry));
        records
    }

    fn recovered(&self) -> quorum::Recovered {
        quorum::Recovered {
            hard_state: self.hard_state.clone(),
            snapshot: self.snapshot.clone(),
            entries: self.entries.values().cloned().collect(),
            may_vote: self.may_vote,
        }
    }
}

fn records_of(persist: &quorum::Persist) -> Vec<Record> {
    let mut records = Vec::with_capacity(persist.entries.len() + 3);
    records.extend(persist.hard_state.clone().map(Record::HardState));
    records.extend(persist.snapshot.clone().map(Record::Snapshot));
    records.extend(persist.truncate_from.map(Record::TruncateFrom));
    records.extend(persist.entries.iter().cloned().map(Record::Entry));
    records
}

fn encode(records: &[Record]) -> Result<Vec<Vec<u8>>, StoreError> {
    let encoded = records.iter().map(postcard::to_stdvec);
    encoded
        .collect::<Result<_, _>>()
        .map_err(StoreError::Encode)
}

fn append<F: FileSystem>(journal: &mut Journal<F>, records: &[Record]) -> Result<(), StoreError> {
    let records = encode(records)?;
    let slices: Vec<&[u8]> = records.iter().map(Vec::as_slice).collect();
    journal.append(&slices)?;
    Ok(journal.sync()?)
}

fn format<F: FileSystem>(
    fs: &F,
    directory: &Path,
    identity: &VoterIdentity,
) -> Result<MetaProperties, StoreError> {
    let meta = MetaProperties {
        cluster_id: identity.cluster.clone(),
        node_id: identity.id.0,
        directory_id: identity.new_directory,
        generation: identity.generation,
    };
    meta.write(fs, directory)?;
    Ok(meta)
}
