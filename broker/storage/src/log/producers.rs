//! The producers of a log: followed with each batch, kept in snapshots, and rebuilt from both.
//!
//! A snapshot is a short cut and is not synced: one that is missing or damaged means that more
//! headers are read. What a crash may have left of an earlier history is not believed.

use std::path::PathBuf;

use kintsugi_types::bug::{Bug, is_on};
use kintsugi_types::{Offset, TimestampMs};
use kintsugi_wire::batch::BatchHeader;

use super::{Log, LogError};
use crate::checkpoint::FILE_BYTES_MAX;
use crate::fs::{File, FileSystem, FsError, OpenMode};
use crate::producer_state::{
    ProducerCheck, ProducerError, Producers, decode, encode, snapshot_name,
};

impl<F: FileSystem> Log<F> {
    /// The idempotent producers whose batches are here.
    #[must_use]
    pub fn producers(&self) -> &Producers {
        &self.producers
    }

    /// Whether a leader may append this batch, or has it already; see [`Producers::check`]. Touches
    /// no file.
    ///
    /// # Errors
    /// When it does not follow the producer's last batch, or the producer has a newer epoch.
    pub fn check_producer(&self, header: &BatchHeader) -> Result<ProducerCheck, ProducerError> {
        self.producers.check(header)
    }

    /// Forgets producers that appended nothing for `producer.id.expiration.ms`; gives how many.
    pub fn expire_producers(&mut self, now_wall: TimestampMs) -> usize {
        let expiration_ms = self.config.producer_expiration_ms;
        self.producers.expire(now_wall, expiration_ms)
    }

    /// How many producers were forgotten since the last call because there were too many.
    pub fn take_evicted_producers(&mut self) -> u64 {
        self.producers.take_evicted()
    }

    /// Learns the producers of a log that was opened. Snapshots as of an offset above `trusted` may
    /// be of a history that was cut off, and are removed.
    pub(super) fn load_producers(&mut self, trusted: Offset) -> Result<(), LogError> {
        self.remove_snapshots_before(self.first_base())?;
        self.remove_snapshots_after(trusted.min(self.log_end()))?;
        self.remove_stray_snapshots()?;
        self.rebuild_producers()
    }

    /// Each clean close leaves a snapshot that no segment begins with. Only the newest is of use.
    fn remove_stray_snapshots(&mut self) -> Result<(), FsError> {
        let newest = self.snapshots.last().copied();
        let is_stray =
            |at: &Offset| !self.segments.contains_key(at) && newest.is_some_and(|n| *at < n);
        let strays: Vec<Offset> = self.snapshots.iter().copied().filter(is_stray).collect();
        for stray in strays {
            self.remove_snapshot(stray)?;
        }
        Ok(())
    }

    /// The log was cut and ends earlier now.
    pub(super) fn cut_producers(&mut self) -> Result<(), LogError> {
        let end = self.log_end();
        if is_on(Bug::ProducersKeptAfterTruncation) {
            return Ok(());
        }
        self.remove_snapshots_after(end)?;
        if self.producers.last_offset().is_some_and(|last| last >= end) {
            self.rebuild_producers()?;
        }
        Ok(())
    }

    /// The log is empty now.
    pub(super) fn forget_producers(&mut self) -> Result<(), LogError> {
        self.producers.clear();
        Ok(self.remove_snapshots_before(Offset(i64::MAX))?)
    }

    /// Old segments are gone. What is known of their producers stays until it expires.
    pub(super) fn retain_snapshots(&mut self) -> Result<(), LogError> {
        Ok(self.remove_snapshots_before(self.first_base())?)
    }

    /// Keeps the producers as of the log's end.
    pub(super) fn snapshot_producers(&mut self) -> Result<(), LogError> {
        let end = self.log_end();
        if self.snapshots.contains(&end) || (end == self.first_base() && self.producers.is_empty())
        {
            return Ok(());
        }
        let path = self.snapshot_path(end);
        // Known before it is written, so that what an error leaves is removed in time.
        self.snapshots.insert(end);
        self.unsynced.directory = true;
        let file = self.context.fs().open(&path, OpenMode::Create)?;
        file.set_len(0)?;
        file.write_at(&encode(&self.producers), 0)?;
        Ok(())
    }

    /// From the newest snapshot that can be read, and the headers of the batches after it.
    fn rebuild_producers(&mut self) -> Result<(), LogError> {
        let mut start = self.first_base();
        self.producers.clear();
        while let Some(offset) = self.snapshots.last().copied() {
            if let Some(producers) = self.read_snapshot(offset) {
                (self.producers, start) = (producers, offset);
                break;
            }
            self.remove_snapshot(offset)?;
        }
        let producers = &mut self.producers;
        for segment in self.segments.values() {
            if segment.content.next_offset > start {
                segment.for_each_header(start, |header| producers.update(header, None))?;
            }
        }
        Ok(())
    }

    pub(super) fn read_snapshot(&self, offset: Offset) -> Option<Producers> {
        let path = self.snapshot_path(offset);
        let content = self.context.fs().read_to_vec(&path, FILE_BYTES_MAX).ok()?;
        decode(&content, offset, self.config.producers_max).ok()
    }

    fn remove_snapshots_before(&mut self, offset: Offset) -> Result<(), FsError> {
        while let Some(first) = self.snapshots.first().copied().filter(|at| *at < offset) {
            self.remove_snapshot(first)?;
        }
        Ok(())
    }

    fn remove_snapshots_after(&mut self, offset: Offset) -> Result<(), FsError> {
        while let Some(last) = self.snapshots.last().copied().filter(|at| *at > offset) {
            self.remove_snapshot(last)?;
        }
        Ok(())
    }

    fn remove_snapshot(&mut self, offset: Offset) -> Result<(), FsError> {
        self.unsynced.directory = true;
        match self.context.fs().remove_file(&self.snapshot_path(offset)) {
            Err(error) if !error.is_not_found() => return Err(error),
            _ => {}
        }
        self.snapshots.remove(&offset);
        Ok(())
    }

    fn snapshot_path(&self, offset: Offset) -> PathBuf {
        self.directory.join(snapshot_name(offset))
    }

    fn first_base(&self) -> Offset {
        self.segments.keys().next().copied().unwrap_or_default()
    }
}
