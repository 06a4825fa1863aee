//! Opening a log directory before a broker registers.

use std::path::{Path, PathBuf};

use kintsugi_storage::checkpoint::{
    CheckpointError, ClosedLogs, MetaProperties, OffsetCheckpoint, OffsetCheckpointFile,
    OffsetCheckpoints, mark_clean_shutdown, read_closed_logs, take_clean_shutdown,
    write_closed_logs,
};
use kintsugi_storage::fs::{File as _, OpenMode};
use kintsugi_storage::{FileSystem, FsError};
use kintsugi_types::{
    BrokerEpoch, BrokerId, ClusterId, DirectoryId, Generation, Offset, StartCounter,
};

use crate::shard::directories::{directory_name, remove_leftovers};

/// The file that holds the start counter, as a decimal number.
const START_COUNTER_FILE: &str = "kintsugi.start-counter";
const START_COUNTER_BYTES_MAX: u64 = 64;

/// Names in a directory that do not make it one that is in use.
const IGNORED_NAMES: [&str; 2] = [".lock", "lost+found"];

/// Whose directory it should be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Expectation {
    /// The cluster (`cluster.id`).
    pub cluster: ClusterId,
    /// The broker (`node.id`).
    pub broker: BrokerId,
    /// Which pod and volume of it (`kintsugi.generation`).
    pub generation: Generation,
    /// The id that an empty directory is given.
    pub fresh_directory: DirectoryId,
}

/// What shards leave when they are closed.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Closed {
    /// The offsets to checkpoint.
    pub checkpoints: OffsetCheckpoints,
    /// What is known of the logs.
    pub logs: ClosedLogs,
}

impl Closed {
    /// Adds what another shard leaves.
    pub fn extend(&mut self, other: Self) {
        self.checkpoints.extend(other.checkpoints);
        self.logs.extend(other.logs);
    }
}

/// What the last run left in a directory, for its shards.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct LastRun {
    /// The checkpointed offsets.
    pub checkpoints: OffsetCheckpoints,
    /// Whether it stopped cleanly: every log was closed.
    pub was_clean: bool,
    /// What was known of the logs then, so that they need not be read.
    pub closed: ClosedLogs,
}

/// A directory that is ready to be used.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OpenedDirectory {
    /// Its id.
    pub directory: DirectoryId,
    /// How often it was started on, this time included.
    pub start: StartCounter,
    /// The broker epoch under which it last stopped cleanly, if its last stop was clean.
    pub clean_stop_epoch: Option<BrokerEpoch>,
    /// What the last run left.
    pub last: LastRun,
    /// Whether a log is missing of which records were known to be committed, or a checkpoint that
    /// would tell is damaged. Together with every
    /// shard's `recovered_to_checkpoint` this tells what a registration has to.
    pub is_log_missing: bool,
}

/// Why a directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// It belongs to another cluster, broker or generation.
    #[error(
        "refused directory {}: its meta.properties has {key}={found}, this broker is configured with {expected}; use the directory that belongs to this broker, or an empty one",
        path.display()
    )]
    Foreign {
        /// The directory.
        path: PathBuf,
        /// Which property differs.
        key: &'static str,
        /// What the directory says.
        found: String,
        /// What was expected.
        expected: String,
    },
    /// It has no `meta.properties` but is not empty.
    #[error(
        "refused directory {}: it has no meta.properties but holds {example:?}; use an empty directory, or restore the file",
        path.display()
    )]
    NotEmpty {
        /// The directory.
        path: PathBuf,
        /// Something in it.
        example: String,
    },
    /// The start counter cannot be read.
    #[error("failed to read start counter in {}: {content:?} is not a number", path.display())]
    StartCounter {
        /// The file.
        path: PathBuf,
        /// Its content.
        content: String,
    },
    /// A small file failed.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The file system failed.
    #[error(transparent)]
    Fs(#[from] FsError),
}

/// Prepares a log directory: formats an empty one, counts the start, takes the mark of a clean
/// stop, and reads the checkpoint.
///
/// # Errors
/// When the directory is not this broker's, or cannot be read or written.
pub fn open_directory<F: FileSystem>(
    fs: &F,
    path: &Path,
    expected: &Expectation,
) -> Result<OpenedDirectory, DirectoryError> {
    fs.create_dir_all(path)?;
    let directory = match MetaProperties::read(fs, path)? {
        Some(found) => {
            check_owner(path, &found, expected)?;
            found.directory_id
        }
        None => format(fs, path, expected)?,
    };
    // Always, since a start that was stopped just here may have made the directory.
    let parent = path.parent().filter(|p| !p.as_os_str().is_empty());
    fs.sync_dir(parent.unwrap_or(Path::new(".")))?;
    let start = count_start(fs, path)?;
    let clean_stop_epoch = take_clean_shutdown(fs, path)?.map(BrokerEpoch);
    remove_leftovers(fs, path)?;
    let mut is_log_missing = false;
    let mut read = |file| read_checkpoint(fs, path, file, &mut is_log_missing);
    let checkpoints = OffsetCheckpoints {
        high_watermarks: read(OffsetCheckpointFile::Replication)?,
        recovery_points: read(OffsetCheckpointFile::RecoveryPoint)?,
        log_starts: read(OffsetCheckpointFile::LogStart)?,
    };
    for ((topic, index), high_watermark) in &checkpoints.high_watermarks {
        let log = path.join(directory_name(topic, *index));
        is_log_missing |= *high_watermark > Offset::ZERO && !fs.exists(&log)?;
    }
    Ok(OpenedDirectory {
        directory,
        start,
        clean_stop_epoch,
        last: LastRun {
            checkpoints,
            was_clean: clean_stop_epoch.is_some(),
            closed: clean_stop_epoch
                .map(|epoch| read_closed_logs(fs, path, epoch.0))
                .unwrap_or_default(),
        },
        is_log_missing,
    })
}

/// Reads a checkpoint. A damaged one is empty: everything is verified then, and nothing is proven.
fn read_checkpoint<F: FileSystem>(
    fs: &F,
    path: &Path,
    file: OffsetCheckpointFile,
    is_damaged: &mut bool,
) -> Result<OffsetCheckpoint, FsError> {
    match file.read(fs, path) {
        Ok(offsets) => Ok(offsets),
        Err(CheckpointError::Fs(error)) => Err(error),
        Err(CheckpointError::Malformed { .. }) => {
            *is_damaged = true;
            Ok(OffsetCheckpoint::new())
        }
    }
}

/// Writes what the shards left, all of which are closed, and marks the directory as stopped cleanly.
///
/// # Errors
/// When a file cannot be written; the stop was not clean then.
pub fn mark_clean_stop<F: FileSystem>(
    fs: &F,
    path: &Path,
    broker_epoch: BrokerEpoch,
    closed: &Closed,
) -> Result<(), DirectoryError> {
    for (file, offsets) in closed.checkpoints.files() {
        file.write(fs, path, offsets)?;
    }
    write_closed_logs(fs, path, broker_epoch.0, &closed.logs)?;
    Ok(mark_clean_shutdown(fs, path, broker_epoch.0)?)
}

fn check_owner(
    path: &Path,
    found: &MetaProperties,
    expected: &Expectation,
) -> Result<(), DirectoryError> {
    let pairs = [
        (
            "cluster.id",
            found.cluster_id.to_string(),
            expected.cluster.to_string(),
        ),
        (
            "node.id",
            found.node_id.to_string(),
            expected.broker.to_string(),
        ),
        (
            "kintsugi.generation",
            found.generation.to_string(),
            expected.generation.to_string(),
        ),
    ];
    for (key, found, expected) in pairs {
        if found != expected {
            return Err(DirectoryError::Foreign {
                path: path.to_owned(),
                key,
                found,
                expected,
            });
        }
    }
    Ok(())
}

fn format<F: FileSystem>(
    fs: &F,
    path: &Path,
    expected: &Expectation,
) -> Result<DirectoryId, DirectoryError> {
    let names = fs.read_dir(path)?;
    // A crash while formatting leaves at most the temporary file of meta.properties.
    let is_ignored = |name: &str| IGNORED_NAMES.contains(&name) || name.ends_with(".tmp");
    if let Some(example) = names.into_iter().find(|name| !is_ignored(name)) {
        let path = path.to_owned();
        return Err(DirectoryError::NotEmpty { path, example });
    }
    let meta = MetaProperties {
        cluster_id: expected.cluster.clone(),
        node_id: expected.broker.0,
        directory_id: expected.fresh_directory,
        generation: expected.generation,
    };
    meta.write(fs, path)?;
    Ok(meta.directory_id)
}

fn count_start<F: FileSystem>(fs: &F, directory: &Path) -> Result<StartCounter, DirectoryError> {
    let path = directory.join(START_COUNTER_FILE);
    let before: u64 = if fs.exists(&path)? {
        let content = fs.read_to_vec(&path, START_COUNTER_BYTES_MAX)?;
        let content = String::from_utf8_lossy(&content).into_owned();
        let number = content.trim().parse();
        number.map_err(|_| DirectoryError::StartCounter {
            path: path.clone(),
            content,
        })?
    } else {
        0
    };
    let start = before + 1;
    let content = format!("{start}\n");
    match fs.write_atomically(&path, content.as_bytes()) {
        // A broker on a full disk serves what it has. The old file's block takes the new number, and
        // so few bytes are written whole or not at all.
        Err(error) if error.is_disk_full() && before > 0 => {
            let file = fs.open(&path, OpenMode::Write)?;
            file.write_at(content.as_bytes(), 0)?;
            file.sync_data()?;
        }
        written => written?,
    }
    Ok(StartCounter(start))
}
