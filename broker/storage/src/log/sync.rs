//! Making the log durable.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kintsugi_types::Offset;

use super::{Log, LogError};
use crate::checkpoint::format_leader_epochs;
use crate::fs::{File, FileSystem, FsError};

/// The name of Apache Kafka's file of leader epochs.
const LEADER_EPOCH_FILE: &str = "leader-epoch-checkpoint";

/// A sync that can run on another thread while the log is appended to.
pub struct SyncJob<F: FileSystem> {
    fs: F,
    files: Vec<Arc<F::File>>,
    directory: Option<PathBuf>,
    up_to: Synced,
}

/// What a sync made durable; goes back into [`Log::finish_sync`].
#[derive(Clone, Debug)]
pub struct Synced {
    offset: Offset,
    truncations: u64,
    segments: BTreeSet<Offset>,
    with_directory: bool,
}

impl<F: FileSystem> SyncJob<F> {
    /// Syncs the files, then the directory. Blocks.
    ///
    /// # Errors
    /// The first failure; hand it to [`Log::finish_sync`].
    pub fn run(self) -> Result<Synced, FsError> {
        for file in &self.files {
            file.sync_data()?;
        }
        if let Some(directory) = &self.directory {
            self.fs.sync_dir(directory)?;
            // The directory's own entry; without it a new partition is lost whole.
            if let Some(parent) = directory.parent().filter(|p| *p != Path::new("")) {
                self.fs.sync_dir(parent)?;
            }
        }
        Ok(self.up_to)
    }
}

impl<F: FileSystem> Log<F> {
    /// Whether anything was written or removed since the last sync began.
    #[must_use]
    pub fn needs_sync(&self) -> bool {
        !self.dirty.is_empty() || self.directory_is_dirty
    }

    /// Takes what has to be synced. Until [`Log::finish_sync`] the recovery point stays.
    ///
    /// # Errors
    /// When the log takes no writes, or a file cannot be opened.
    pub fn begin_sync(&mut self) -> Result<SyncJob<F>, LogError> {
        self.check_usable()?;
        let mut files = Vec::new();
        for segment in self.dirty.iter().filter_map(|base| self.segments.get(base)) {
            files.extend(segment.files()?);
        }
        let with_directory = std::mem::take(&mut self.directory_is_dirty);
        Ok(SyncJob {
            fs: self.context.fs().clone(),
            files,
            directory: with_directory.then(|| self.directory.clone()),
            up_to: Synced {
                offset: self.log_end(),
                truncations: self.truncations,
                segments: std::mem::take(&mut self.dirty),
                with_directory,
            },
        })
    }

    /// Takes note of how a sync went. A failed one means that what was written may be lost though
    /// it can still be read: the log then takes no more writes.
    ///
    /// # Errors
    /// The failure.
    pub fn finish_sync(&mut self, result: Result<Synced, FsError>) -> Result<(), LogError> {
        match result {
            Err(error) => {
                self.poison(&error);
                Err(error.into())
            }
            Ok(synced) => {
                if synced.truncations == self.truncations {
                    self.recovery_point = self.recovery_point.max(synced.offset);
                } else {
                    // What was cut and written anew meanwhile may not be what was synced.
                    self.dirty.extend(synced.segments);
                    self.directory_is_dirty |= synced.with_directory;
                }
                Ok(())
            }
        }
    }

    /// Syncs everything, and raises the recovery point to the log's end. Blocks.
    ///
    /// # Errors
    /// When it fails; the log then takes no more writes.
    pub fn sync(&mut self) -> Result<(), LogError> {
        let result = self.begin_sync()?.run();
        self.finish_sync(result)
    }

    /// Writes the leader epochs to `leader-epoch-checkpoint`, in Apache Kafka's format.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_leader_epochs(&self) -> Result<(), LogError> {
        let path = self.directory.join(LEADER_EPOCH_FILE);
        let text = format_leader_epochs(self.epoch_entries());
        Ok(self.context.fs().write_atomically(&path, text.as_bytes())?)
    }

    /// Closes the log in order: completes the time index, keeps the producers, syncs, and writes
    /// the leader epochs.
    ///
    /// # Errors
    /// When any of it fails; the log must then be recovered at the next open.
    pub fn close(mut self) -> Result<(), LogError> {
        self.check_usable()?;
        let base = self.active().base;
        self.active_mut().seal()?;
        self.dirty.insert(base);
        self.snapshot_producers()?;
        self.sync()?;
        self.write_leader_epochs()
    }
}
