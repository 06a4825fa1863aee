//! Making the log durable.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use kintsugi_types::Offset;

use super::{Log, LogError, LogSummary};
use crate::checkpoint::format_leader_epochs;
use crate::fs::{File, FileSystem, FsError, OpenMode};

/// The name of Apache Kafka's file of leader epochs.
const LEADER_EPOCH_FILE: &str = "leader-epoch-checkpoint";

/// The name of the file that tells the next process of a failed sync. It need not outlive a loss of
/// power, for what is readable after that is durable.
pub(super) const SYNC_FAILED_FILE: &str = "kintsugi.sync-failed";

/// What a sync is to make durable.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SyncScope {
    /// Everything.
    All,
    /// All batches. The indexes of the active segment are left: after a loss of power they are
    /// made anew, because the active segment is always verified.
    Batches,
    /// The segments that take no more batches.
    Sealed,
}

/// What became of the syncs of one log. Held while one runs, so that no two run at a time: an
/// error of fsync is told once, and whoever comes second would be told of success.
pub(super) type SyncGate = Arc<Mutex<Option<String>>>;

/// What was written since it was last synced.
#[derive(Clone, Debug, Default)]
pub(super) struct Unsynced {
    /// Base offsets of segments with unsynced batches.
    pub(super) batches: BTreeSet<Offset>,
    /// Base offsets of segments with unsynced indexes.
    pub(super) indexes: BTreeSet<Offset>,
    /// Whether names were made or removed in the directory.
    pub(super) directory: bool,
}

impl Unsynced {
    pub(super) fn insert(&mut self, base: Offset) {
        self.batches.insert(base);
        self.indexes.insert(base);
    }

    pub(super) fn remove(&mut self, base: Offset) {
        self.batches.remove(&base);
        self.indexes.remove(&base);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.batches.is_empty() && self.indexes.is_empty() && !self.directory
    }

    fn extend(&mut self, other: Self) {
        self.batches.extend(other.batches);
        self.indexes.extend(other.indexes);
        self.directory |= other.directory;
    }

    /// Takes out what `scope` covers.
    fn take(&mut self, scope: SyncScope, active: Offset) -> Self {
        let split = |set: &mut BTreeSet<Offset>, with_active: bool| {
            let mut taken = std::mem::take(set);
            if !with_active && taken.remove(&active) {
                set.insert(active);
            }
            taken
        };
        Self {
            batches: split(&mut self.batches, scope != SyncScope::Sealed),
            indexes: split(&mut self.indexes, scope == SyncScope::All),
            directory: std::mem::take(&mut self.directory),
        }
    }
}

/// A sync that can run on another thread while the log is appended to.
pub struct SyncJob<F: FileSystem> {
    fs: F,
    files: Vec<Arc<F::File>>,
    directory: PathBuf,
    up_to: Synced,
}

impl<F: FileSystem> std::fmt::Debug for SyncJob<F> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("SyncJob")
            .field("directory", &self.directory)
            .field("up_to", &self.up_to)
            .finish_non_exhaustive()
    }
}

/// What a sync made durable; goes back into [`Log::finish_sync`].
#[derive(Clone, Debug)]
pub struct Synced {
    number: u64,
    offset: Offset,
    truncations: u64,
    covered: Unsynced,
    gate: SyncGate,
}

impl<F: FileSystem> SyncJob<F> {
    /// Syncs the files, then the directory. Blocks; waits for another sync of the same log.
    ///
    /// # Errors
    /// The first failure, of this sync or of an earlier one; hand it to [`Log::finish_sync`].
    pub fn run(self) -> Result<Synced, FsError> {
        let gate = Arc::clone(&self.up_to.gate);
        let mut failed = gate.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(reason) = &*failed {
            let source = std::io::Error::other(format!("an earlier sync failed: {reason}"));
            return Err(FsError::new("sync", &self.directory, source));
        }
        let (fs, directory) = (self.fs.clone(), self.directory.clone());
        self.run_alone().map_err(|error| {
            *failed = Some(error.to_string());
            if error.is_not_found() {
                // The directory was moved away meanwhile: the partition is deleted.
                return error;
            }
            let marked = fs.open(&directory.join(SYNC_FAILED_FILE), OpenMode::Create);
            let Err(unmarked) = marked else {
                return error;
            };
            let both = format!("{error}; the next start cannot be told: {unmarked}");
            FsError::new("sync", &directory, std::io::Error::other(both))
        })
    }

    fn run_alone(self) -> Result<Synced, FsError> {
        for file in &self.files {
            file.sync_data()?;
        }
        if self.up_to.covered.directory {
            self.fs.sync_dir(&self.directory)?;
            // The directory's own entry; without it a new partition is lost whole.
            if let Some(parent) = self.directory.parent().filter(|p| *p != Path::new("")) {
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
        !self.unsynced.is_empty()
    }

    /// What should be synced now, if anything: batches where `flush.messages` says so, and segments
    /// that take no more batches, so that the recovery point moves past them. Nothing while a sync
    /// is under way.
    #[must_use]
    pub fn sync_wanted(&self) -> Option<SyncScope> {
        if self.syncing.is_some() || self.poisoned.is_some() {
            return None;
        }
        let unflushed = self.log_end().since(self.recovery_point);
        if u64::try_from(unflushed).is_ok_and(|n| n > 0 && n >= self.config.flush_messages) {
            return Some(SyncScope::Batches);
        }
        let active = self.active().base;
        let has_sealed = |set: &BTreeSet<Offset>| set.first().is_some_and(|base| *base < active);
        (has_sealed(&self.unsynced.batches) || has_sealed(&self.unsynced.indexes))
            .then_some(SyncScope::Sealed)
    }

    /// Takes what has to be synced. Until [`Log::finish_sync`] the recovery point stays, and no
    /// other sync is wanted.
    ///
    /// # Errors
    /// When the log takes no writes, or a file cannot be opened; nothing is taken then.
    pub fn begin_sync(&mut self, scope: SyncScope) -> Result<SyncJob<F>, LogError> {
        self.check_usable()?;
        let active = self.active().base;
        let mut left = self.unsynced.clone();
        // One that is under way may yet fail.
        left.extend(self.syncing.clone().unwrap_or_default());
        let covered = left.take(scope, active);
        let mut files = Vec::new();
        for base in covered.batches.union(&covered.indexes) {
            if let Some(segment) = self.segments.get(base) {
                let [log, indexes @ ..] = segment.files()?;
                files.push(log);
                if covered.indexes.contains(base) {
                    files.extend(indexes);
                }
            }
        }
        self.unsynced = left;
        self.syncs += 1;
        if scope != SyncScope::Sealed {
            self.unflushed_since = None;
        }
        self.syncing = Some(covered.clone());
        Ok(SyncJob {
            fs: self.context.fs().clone(),
            files,
            directory: self.directory.clone(),
            up_to: Synced {
                number: self.syncs,
                offset: if scope == SyncScope::Sealed {
                    active
                } else {
                    self.log_end()
                },
                truncations: self.truncations,
                covered,
                gate: Arc::clone(&self.sync_gate),
            },
        })
    }

    /// Takes note of how a sync went. A failed one means that what was written may be lost though
    /// it can still be read: the log then takes no more writes. One that was begun on another
    /// [`Log`], or that a later one covers, is passed over.
    ///
    /// # Errors
    /// The failure.
    pub fn finish_sync(&mut self, result: Result<Synced, FsError>) -> Result<(), LogError> {
        let synced = match result {
            Err(error) => {
                self.poison(&error);
                return Err(error.into());
            }
            Ok(synced) => synced,
        };
        if !Arc::ptr_eq(&synced.gate, &self.sync_gate) || synced.number != self.syncs {
            return Ok(());
        }
        self.syncing = None;
        if synced.truncations == self.truncations {
            self.recovery_point = self.recovery_point.max(synced.offset);
            self.settle_recovery_point();
        } else {
            // What was cut and written anew meanwhile may not be what was synced.
            let mut covered = synced.covered;
            covered.batches.retain(|b| self.segments.contains_key(b));
            covered.indexes.retain(|b| self.segments.contains_key(b));
            self.unsynced.extend(covered);
        }
        Ok(())
    }

    /// Syncs everything, and raises the recovery point to the log's end. Blocks.
    ///
    /// # Errors
    /// When it fails; the log then takes no more writes.
    pub fn sync(&mut self) -> Result<(), LogError> {
        let result = self.begin_sync(SyncScope::All)?.run();
        self.finish_sync(result)
    }

    /// Writes the leader epochs to `leader-epoch-checkpoint`, in Apache Kafka's format. Not synced:
    /// only Kafka's tools read it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_leader_epochs(&self) -> Result<(), LogError> {
        let path = self.directory.join(LEADER_EPOCH_FILE);
        let text = format_leader_epochs(self.epoch_entries());
        let file = self.context.fs().open(&path, OpenMode::Create)?;
        file.set_len(0)?;
        Ok(file.write_at(text.as_bytes(), 0)?)
    }

    /// Closes the log in order: completes the time index, keeps the producers, syncs, and writes
    /// the leader epochs; of what did not change nothing. Gives what the next open may know the log by.
    ///
    /// # Errors
    /// When any of it fails; the log must then be recovered at the next open.
    pub fn close(mut self) -> Result<LogSummary, LogError> {
        if self.prepare_close()? {
            self.sync()?;
        }
        Ok(self.finish_close())
    }

    /// The first part of [`Log::close`]: all that writes. True if a sync has to follow, this log's
    /// own or one of the whole file system; nothing may be appended any more.
    ///
    /// # Errors
    /// As [`Log::close`].
    pub fn prepare_close(&mut self) -> Result<bool, LogError> {
        self.check_usable()?;
        let base = self.active().base;
        if self.active_mut().seal()? {
            self.unsynced.insert(base);
        }
        self.snapshot_producers()?;
        if self.epochs_written.as_deref() != Some(self.epoch_entries()) {
            self.write_leader_epochs()?;
        }
        Ok(self.needs_sync() || self.syncing.is_some())
    }

    /// The whole file system was synced after the last write to this log: the recovery point is
    /// its end.
    ///
    /// # Errors
    /// When an earlier sync of this log failed: the kernel then takes for clean what it lost.
    pub fn synced_with_all(&mut self) -> Result<(), LogError> {
        self.check_usable()?;
        let gate = Arc::clone(&self.sync_gate);
        let failed = gate.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(reason) = &*failed {
            let source = std::io::Error::other(format!("an earlier sync failed: {reason}"));
            return Err(FsError::new("sync", &self.directory, source).into());
        }
        // A sync that is under way is covered; what it says no longer counts.
        self.syncs += 1;
        self.syncing = None;
        self.unsynced = Unsynced::default();
        self.unflushed_since = None;
        self.recovery_point = self.recovery_point.max(self.log_end());
        self.settle_recovery_point();
        Ok(())
    }

    /// The last part of [`Log::close`]: what the next open may know the log by.
    #[must_use]
    pub fn finish_close(self) -> LogSummary {
        self.summary()
    }
}
