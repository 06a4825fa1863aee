//! A partition's log: segments, leader epochs, reading, appending, truncation, retention.
//!
//! Guarantees: nothing counts for [`Log::log_end`] before the whole write of it returned; a failed
//! append leaves the log at its old end, or refusing all further writes ([`LogError::Poisoned`]);
//! batches have contiguous offsets and epochs that never go back, and are stored as they came but
//! for base offset and leader epoch. The epochs in the batches are the truth; the
//! `leader-epoch-checkpoint` file is written for Kafka's tools and never read. So is what is known of
//! idempotent producers; it is read from snapshots only to be spared reading old headers.
//! Assumes one [`Log`] a directory. Never syncs unless asked to, and never decodes records.

mod append;
mod config;
mod epochs;
mod error;
mod mend;
mod open;
mod producers;
mod read;
mod recovery_point;
mod retention;
mod summary;
mod sync;
mod tail_cache;
#[cfg(test)]
mod tests;
mod truncate;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use kintsugi_types::{LeaderEpoch, Offset, TimestampMs};

use crate::fs::FileSystem;
use crate::producer_state::Producers;
use crate::segment::Segment;
pub use append::Appended;
pub use config::{LogConfig, LogContext, LogLimits};
use epochs::EpochCache;
pub use error::LogError;
pub use mend::{Damage, Mended};
pub use open::{OpenHow, RecoveryReport};
pub use read::{ReadDone, ReadJob, ReadResult, ReadStep, TimestampMatch};
pub use summary::LogSummary;
use sync::{SyncGate, Unsynced};
pub use sync::{SyncJob, SyncScope, Synced};
use tail_cache::TailCache;

/// A partition's log in a directory of its own.
pub struct Log<F: FileSystem> {
    context: LogContext<F>,
    directory: PathBuf,
    config: LogConfig,
    /// By base offset; never empty. The last one is appended to.
    segments: BTreeMap<Offset, Segment<F>>,
    /// When the active segment got its first batch, by the wall clock.
    active_since: Option<TimestampMs>,
    log_start: Offset,
    recovery_point: Offset,
    /// When the oldest of the records was appended that no sync has covered or is covering.
    unflushed_since: Option<TimestampMs>,
    epochs: EpochCache,
    /// What the file of leader epochs holds, if that is known.
    epochs_written: Option<Vec<(LeaderEpoch, Offset)>>,
    producers: Producers,
    /// The offsets of the snapshots of `producers`.
    snapshots: BTreeSet<Offset>,
    tail: TailCache,
    unsynced: Unsynced,
    /// What the sync under way covers.
    syncing: Option<Unsynced>,
    /// Syncs begun so far.
    syncs: u64,
    sync_gate: SyncGate,
    /// No checkpoint holds a recovery point above this.
    checkpointed: Offset,
    /// The bound on a checkpointed recovery point that lies in the directory.
    bound: Option<Offset>,
    /// Counts truncations, so that a sync that ran beside one is not taken for more than it is.
    truncations: u64,
    poisoned: Option<String>,
}

impl<F: FileSystem> Log<F> {
    /// The offset of the first record that may be read.
    #[must_use]
    pub fn log_start(&self) -> Offset {
        self.log_start
    }

    /// The offset of the next record to be appended.
    #[must_use]
    pub fn log_end(&self) -> Offset {
        self.active().content.next_offset
    }

    /// The bytes of all batches.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        let sizes = self.segments.values().map(|s| s.content.size_bytes);
        sizes.sum()
    }

    /// How many segments there are.
    #[must_use]
    pub fn segment_count(&self) -> usize {
        self.segments.len()
    }

    /// The offset at which the segment begins that is appended to.
    #[must_use]
    pub fn active_base(&self) -> Offset {
        self.active().base
    }

    /// The directory.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The settings in force.
    #[must_use]
    pub fn config(&self) -> &LogConfig {
        &self.config
    }

    /// Replaces the settings. What is there stays; the next append or deletion goes by them.
    pub fn set_config(&mut self, config: LogConfig) {
        self.config = config;
        self.tail.set_limit(self.config.tail_cache_bytes);
        self.producers.set_max(self.config.producers_max);
    }

    /// Why the log takes no more writes, if it does not.
    #[must_use]
    pub fn poisoned(&self) -> Option<&str> {
        self.poisoned.as_deref()
    }

    /// The latest leader epoch that has a batch here, or that began here.
    #[must_use]
    pub fn latest_epoch(&self) -> Option<LeaderEpoch> {
        self.epochs.latest()
    }

    /// The known leader epochs and their start offsets, ascending.
    #[must_use]
    pub fn epoch_entries(&self) -> &[(LeaderEpoch, Offset)] {
        self.epochs.entries()
    }

    /// Notes that a leader's epoch begins at the log's end, before it has any batch.
    pub fn start_epoch(&mut self, epoch: LeaderEpoch) {
        self.epochs.assign(epoch, self.log_end());
    }

    /// Where an epoch ends here (KIP-101, KIP-279): the largest known epoch that is not above the
    /// asked one, and the start offset of the epoch after it. The latest epoch ends at the log's
    /// end. An epoch above the latest gives [`LeaderEpoch::UNKNOWN`] and offset -1; one below all
    /// gives itself and the start offset of the first.
    #[must_use]
    pub fn end_offset_for_epoch(&self, epoch: LeaderEpoch) -> (LeaderEpoch, Offset) {
        self.epochs.end_offset(epoch, self.log_end())
    }

    fn active(&self) -> &Segment<F> {
        let last = self.segments.last_key_value();
        last.expect("a log has at least one segment").1
    }

    fn active_mut(&mut self) -> &mut Segment<F> {
        let last = self.segments.last_entry();
        last.expect("a log has at least one segment").into_mut()
    }

    fn check_usable(&self) -> Result<(), LogError> {
        match &self.poisoned {
            None => Ok(()),
            Some(reason) => Err(LogError::Poisoned {
                directory: self.directory.clone(),
                reason: reason.clone(),
            }),
        }
    }

    /// Refuses all further writes, because of `error`.
    fn poison(&mut self, error: &dyn std::error::Error) {
        self.poisoned.get_or_insert_with(|| error.to_string());
    }
}

impl<F: FileSystem> Drop for Log<F> {
    fn drop(&mut self) {
        for segment in self.segments.values() {
            segment.close();
        }
    }
}
