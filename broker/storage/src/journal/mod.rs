//! The journal: the file log of a quorum member, of records that mean nothing here.
//!
//! Guarantees: a record counts as durable once [`Journal::sync`] returned after it was appended,
//! and is then given back by every later [`Journal::open`], in order, until a
//! [`Journal::rewrite`]. After a rewrite, a crash at any point leaves the old records or the new
//! ones. Records that were never synced may be lost from the end, never from the middle. A record
//! that fails its CRC although a later sync mark says it was synced is an error, never skipped.
//! After a failed write or sync every later call fails.
//! Assumes one [`Journal`] a directory. Never syncs unless asked to, except to begin a segment.
//!
//! Layout: segments `<20 digits>.journal`, preallocated and filled with zeros, so that a sync
//! writes no metadata. A header (see `header`), then frames (see `frame`); zeros end them. Where
//! records are written after a sync, a mark with the position that was synced goes first: by the
//! marks a torn tail is told from corruption. Only the last records before a crash, which no mark
//! follows yet, cannot be told apart: corrupt, they are taken for a torn tail.

mod frame;
mod header;
mod open;
mod rewrite;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use crate::fs::{File, FileSystem, FsError, OpenMode};
use frame::{frame_bytes, put_mark, put_record};
use header::{HEADER_BYTES, Kind, segment_name};

/// Limits of a journal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct JournalLimits {
    /// The size of a segment, preallocated. One that must hold more at once is larger.
    pub segment_bytes: u64,
    /// The largest record.
    pub record_bytes_max: usize,
    /// How many segments there may be before a rewrite.
    pub segments_max: usize,
}

impl Default for JournalLimits {
    fn default() -> Self {
        Self {
            segment_bytes: 8 << 20,
            record_bytes_max: 64 << 20,
            segments_max: 256,
        }
    }
}

/// Why a journal could not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The file system failed.
    #[error(transparent)]
    Fs(#[from] FsError),
    /// A record that was synced is not intact.
    #[error(
        "failed to read journal {} at position {position}: {what}; restore this directory from a copy, or remove it and add this member to the quorum anew",
        path.display()
    )]
    Corrupt {
        /// The segment.
        path: PathBuf,
        /// Where in it, in bytes.
        position: u64,
        /// What is wrong there.
        what: &'static str,
    },
    /// A record is larger than allowed.
    #[error(
        "failed to append to journal: the record has {size_bytes} bytes, the limit is {max_bytes}"
    )]
    RecordTooLarge {
        /// The record's size.
        size_bytes: usize,
        /// The limit.
        max_bytes: usize,
    },
    /// There are as many segments as allowed.
    #[error(
        "failed to append to journal: it has {0} segments, as many as allowed; it must be rewritten"
    )]
    Full(usize),
    /// An earlier failure left the files in an unknown state.
    #[error(
        "failed to write to journal: it takes no more writes until it is opened again, because: {0}"
    )]
    Poisoned(String),
}

/// A journal in a directory of its own.
pub struct Journal<F: FileSystem> {
    fs: F,
    directory: PathBuf,
    limits: JournalLimits,
    /// The sequence numbers of the segments; the last one is appended to.
    segments: Vec<u64>,
    file: F::File,
    file_bytes: u64,
    /// Where the next frame goes.
    position: u64,
    /// Up to where the file was synced.
    synced: u64,
    /// The last position that a mark in the file tells.
    marked: u64,
    poisoned: Option<String>,
}

impl<F: FileSystem> Journal<F> {
    /// Appends records with one write. They are not durable before [`Journal::sync`].
    ///
    /// # Errors
    /// When a record is too large or there is no room for another segment, and nothing is done;
    /// or when the write fails, and all later calls fail too.
    pub fn append(&mut self, records: &[&[u8]]) -> Result<(), JournalError> {
        self.check_usable()?;
        self.check_sizes(records)?;
        if records.is_empty() {
            return Ok(());
        }
        let needed = frame_bytes(records);
        let is_full = self.position + needed > self.file_bytes;
        if is_full && self.segments.len() >= self.limits.segments_max {
            return Err(JournalError::Full(self.segments.len()));
        }
        let result = self.append_frames(records, needed, is_full);
        result.inspect_err(|error| self.poison(error))
    }

    fn append_frames(
        &mut self,
        records: &[&[u8]],
        needed: u64,
        is_full: bool,
    ) -> Result<(), JournalError> {
        if is_full {
            self.begin_segment(needed)?;
        }
        let sequence = self.sequence();
        let mut frames = Vec::with_capacity(usize::try_from(needed).unwrap_or(0));
        if self.synced > self.marked {
            put_mark(&mut frames, (sequence, self.position), self.synced);
            self.marked = self.synced;
        }
        for record in records {
            let at = self.position + frames.len() as u64;
            put_record(&mut frames, (sequence, at), record);
        }
        self.file.write_at(&frames, self.position)?;
        self.position += frames.len() as u64;
        Ok(())
    }

    /// Makes everything appended so far durable. Blocks.
    ///
    /// # Errors
    /// When it fails, and all later calls fail too.
    pub fn sync(&mut self) -> Result<(), JournalError> {
        self.check_usable()?;
        if self.synced < self.position {
            let result = self.file.sync_data();
            result.inspect_err(|error| self.poison(error))?;
            self.synced = self.position;
        }
        Ok(())
    }

    /// About how many bytes the records take: whole segments, and the used part of the last. A
    /// measure for when to rewrite.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        let before = self.segments.len() as u64 - 1;
        before * self.limits.segment_bytes + self.position
    }

    /// How many segments there are.
    #[must_use]
    pub fn segment_count(&self) -> usize {
        self.segments.len()
    }

    fn sequence(&self) -> u64 {
        self.segments.last().copied().unwrap_or(0)
    }

    /// Syncs the last segment and begins another, with room for `needed` bytes of frames.
    fn begin_segment(&mut self, needed: u64) -> Result<(), JournalError> {
        if self.synced < self.position {
            self.file.sync_data()?;
        }
        let sequence = self.sequence() + 1;
        let created = self.create_segment(sequence, Kind::Continuation, &[], needed)?;
        self.segments.push(sequence);
        self.use_segment(created);
        Ok(())
    }

    fn use_segment(&mut self, created: Created<F::File>) {
        self.file = created.file;
        self.file_bytes = created.file_bytes;
        self.position = created.position;
        self.synced = created.position;
        self.marked = created.position;
    }

    /// Makes a segment under a temporary name, syncs it, renames it and syncs the directory.
    fn create_segment(
        &self,
        sequence: u64,
        kind: Kind,
        records: &[&[u8]],
        needed: u64,
    ) -> Result<Created<F::File>, JournalError> {
        create_segment(
            &self.fs,
            &self.directory,
            self.limits,
            (sequence, kind),
            records,
            needed,
        )
    }

    fn check_sizes(&self, records: &[&[u8]]) -> Result<(), JournalError> {
        let max_bytes = self.limits.record_bytes_max.min(frame::RECORD_BYTES_MAX);
        match records.iter().find(|record| record.len() > max_bytes) {
            None => Ok(()),
            Some(record) => Err(JournalError::RecordTooLarge {
                size_bytes: record.len(),
                max_bytes,
            }),
        }
    }

    fn check_usable(&self) -> Result<(), JournalError> {
        match &self.poisoned {
            None => Ok(()),
            Some(reason) => Err(JournalError::Poisoned(reason.clone())),
        }
    }

    fn poison(&mut self, error: &dyn std::error::Error) {
        self.poisoned.get_or_insert_with(|| error.to_string());
    }
}

struct Created<T> {
    file: T,
    file_bytes: u64,
    position: u64,
}

fn create_segment<F: FileSystem>(
    fs: &F,
    directory: &Path,
    limits: JournalLimits,
    (sequence, kind): (u64, Kind),
    records: &[&[u8]],
    needed: u64,
) -> Result<Created<F::File>, JournalError> {
    let path = directory.join(segment_name(sequence));
    let temporary = directory.join(format!("{}.tmp", segment_name(sequence)));
    let mut content = header::header(sequence, kind).to_vec();
    for record in records {
        let at = content.len() as u64;
        put_record(&mut content, (sequence, at), record);
    }
    let position = content.len() as u64;
    let file_bytes = limits
        .segment_bytes
        .max(position)
        .max(HEADER_BYTES + needed);
    let file = fs.open(&temporary, OpenMode::Create)?;
    file.set_len(0)?;
    file.allocate_zeroed(file_bytes)?;
    file.write_at(&content, 0)?;
    file.sync_data()?;
    fs.rename(&temporary, &path)?;
    fs.sync_dir(directory)?;
    Ok(Created {
        file,
        file_bytes,
        position,
    })
}
