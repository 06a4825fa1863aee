//! The log directory: locked while in use, opened before anything registers.

use std::fs::read_to_string;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use kintsugi_node::directory::{
    Checkpoints, Closed, Expectation, OpenedDirectory, mark_clean_stop, open_directory,
};
use kintsugi_node::shard::{Shard, ShardConfig};
use kintsugi_storage::{DirectoryLock, FileSystem as _, LogContext, RealFileSystem};
use kintsugi_types::{BootId, BrokerEpoch, BrokerId, DirectoryId, Incarnation, Time};
use uuid::Uuid;

use super::shard::SyncAll;
use crate::settings::Settings;

/// Where the kernel tells its boot id.
const BOOT_ID_FILE: &str = "/proc/sys/kernel/random/boot_id";

/// A log directory that is this process's alone.
#[derive(Debug)]
pub struct Directory {
    path: PathBuf,
    incarnation: Incarnation,
    opened: OpenedDirectory,
    lock: Arc<DirectoryLock>,
}

impl Directory {
    /// Locks and opens the directory; formats it if it is empty.
    ///
    /// # Errors
    /// When another process uses it, it belongs to another broker or cluster, or cannot be used.
    pub fn open(settings: &Settings, broker: BrokerId) -> anyhow::Result<Self> {
        let path = settings.log_directory.clone();
        let expected = Expectation {
            cluster: settings.cluster.clone(),
            broker,
            generation: settings.generation,
            fresh_directory: DirectoryId(Uuid::new_v4()),
        };
        let fs = RealFileSystem;
        let failed = || format!("failed to open the log directory {}", path.display());
        fs.create_dir_all(&path).with_context(failed)?;
        let lock = DirectoryLock::acquire(&path).with_context(failed)?;
        let opened = open_directory(&fs, &path, &expected).with_context(failed)?;
        let incarnation = Incarnation {
            broker,
            generation: settings.generation,
            start: opened.start,
        };
        tracing::info!(%incarnation, clean = opened.clean_stop_epoch.is_some(), "opened the log directory");
        Ok(Self {
            path,
            incarnation,
            opened,
            lock: Arc::new(lock),
        })
    }

    /// Which run of which broker this is.
    pub fn incarnation(&self) -> Incarnation {
        self.incarnation
    }

    /// The directory's id.
    pub fn id(&self) -> DirectoryId {
        self.opened.directory
    }

    /// The broker epoch of the last stop, if that was clean.
    pub fn clean_stop_epoch(&self) -> Option<BrokerEpoch> {
        self.opened.clean_stop_epoch
    }

    /// Whether a log is missing that held committed records.
    pub fn is_log_missing(&self) -> bool {
        self.opened.is_log_missing
    }

    /// Opens one shard's logs.
    ///
    /// # Errors
    /// When a log cannot be read.
    pub fn open_shard(
        &self,
        config: ShardConfig,
        context: LogContext<RealFileSystem>,
        now: Time,
        seed: u64,
    ) -> anyhow::Result<Shard<RealFileSystem>> {
        let last = &self.opened.last;
        Ok(Shard::open(config, context, &self.path, last, now, seed)?)
    }

    /// What writes the checkpoints of offsets.
    pub fn checkpoints(&self, shards: u16) -> Checkpoints<RealFileSystem> {
        Checkpoints::new(RealFileSystem, &self.path, shards)
    }

    /// What makes everything durable that was written to the directory's file system; false if it
    /// cannot say so.
    pub fn sync_all(&self) -> SyncAll {
        let (lock, path) = (Arc::clone(&self.lock), self.path.clone());
        SyncAll(Box::new(move || {
            let synced = lock.sync_file_system(&path);
            if let Err(cause) = &synced {
                tracing::warn!(%cause, "each log is synced alone");
            }
            synced.is_ok()
        }))
    }

    /// Writes what the shards left, and marks the stop as clean.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn mark_clean(&self, broker_epoch: BrokerEpoch, closed: &Closed) -> anyhow::Result<()> {
        let fs = RealFileSystem;
        Ok(mark_clean_stop(&fs, &self.path, broker_epoch, closed)?)
    }
}

/// The id of the kernel's present run: the same before and after a crash of a process means that
/// what it gave to write(2) is still there.
///
/// # Errors
/// When the kernel does not tell it.
pub fn boot_id() -> anyhow::Result<BootId> {
    let text = read_to_string(BOOT_ID_FILE)
        .with_context(|| format!("failed to read the kernel's boot id from {BOOT_ID_FILE}"))?;
    let id = text.trim().parse::<Uuid>();
    Ok(BootId(id.with_context(|| {
        format!("failed to parse the kernel's boot id {text:?}")
    })?))
}
