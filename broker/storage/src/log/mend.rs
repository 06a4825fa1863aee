//! Mending: a batch that the disk has changed is written over with the one that stood there, which
//! another replica gives.
//!
//! Nothing is cut off. What lies behind a damaged batch may be damaged on every other replica, so
//! it must stay; and a replica that keeps its end and its epochs keeps its place in every proof that
//! replication rests on. That what was given is what stood there follows from the leader epoch: of
//! one epoch and one offset there is one batch only (Raft's log matching).
//!
//! A crash in the midst of it leaves a damaged batch damaged.

use std::path::Path;

use bytes::Bytes;
use kintsugi_types::{LeaderEpoch, Offset};
use kintsugi_wire::batch::split;

use super::{Log, LogError};
use crate::fs::FileSystem;
use crate::segment::{DamagedAt, SegmentError, base_offset_of, verified_at};

/// A place in a log where batches are not what was written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Damage {
    segment: Offset,
    at: DamagedAt,
    /// How often the log had been truncated then: after a cut something else may lie there.
    truncations: u64,
    /// Whether the bytes that are to be written over were kept, or need not be.
    is_kept: bool,
}

impl Damage {
    /// The offset of the first record of the first damaged batch.
    #[must_use]
    pub const fn offset(&self) -> Offset {
        self.at.offset
    }
}

/// What mending gave.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mended {
    /// The batch that follows is intact, or the place is gone.
    Whole,
    /// More is damaged, from here on.
    More(Damage),
}

impl<F: FileSystem> Log<F> {
    /// The damage that an error of a read tells of. `None`: it is about something else, or the place
    /// is intact now.
    pub fn damage(&self, error: &LogError) -> Option<Damage> {
        let LogError::Segment(
            SegmentError::Corrupt { path, position, .. }
            | SegmentError::Disordered { path, position, .. },
        ) = error
        else {
            return None;
        };
        let name = Path::new(path).file_name()?.to_str()?;
        let base = base_offset_of(name)?;
        let segment = self.segments.get(&base)?;
        // A file that cannot be read now will be looked at by the next read.
        let at = segment.damage_near(*position).ok().flatten()?;
        Some(Damage {
            segment: base,
            at,
            truncations: self.truncations,
            is_kept: false,
        })
    }

    /// Verifies batches from the one that holds `from` on, in the files and not in memory, about
    /// `max_bytes` of them. Gives the offset to go on from, and how many bytes were read.
    ///
    /// # Errors
    /// When one is not intact, for [`Log::damage`]; when the files cannot be read.
    pub fn check(&self, from: Offset, max_bytes: usize) -> Result<(Offset, usize), LogError> {
        let from = from.max(self.log_start);
        let floor = self.segments.range(..=from).next_back();
        match floor {
            Some((_, segment)) if from < segment.content.next_offset => {
                Ok(segment.check(from, max_bytes)?)
            }
            _ => Ok((self.log_end(), 0)),
        }
    }

    /// Writes batches that another replica holds, from the damaged one on, over what is damaged, up
    /// to the first that is intact again. The bytes that lay there are kept in a file that ends in
    /// `.damaged`, where there is room for it.
    ///
    /// # Errors
    /// [`LogError::OtherBatch`] when the first is not the one that stood there: nothing is written.
    /// When the file system fails: what was damaged is damaged, all else is as before.
    pub fn mend(&mut self, damage: Damage, batches: &Bytes) -> Result<Mended, LogError> {
        self.check_usable()?;
        let (base, mut at, mut is_kept) = (damage.segment, damage.at, damage.is_kept);
        let segment = self.segments.get(&base).cloned();
        let Some(segment) = segment.filter(|_| damage.truncations == self.truncations) else {
            return Ok(Mended::Whole);
        };
        let size_bytes = segment.content.size_bytes;
        for item in split(batches.clone()) {
            if at.position >= size_bytes || segment.is_intact_at(at)? {
                break;
            }
            let found = item.ok().and_then(|(_, bytes)| {
                let header = verified_at(&bytes, at.offset)?;
                let fits = at.position + bytes.len() as u64 <= size_bytes
                    && header.next_offset() <= segment.content.next_offset
                    && self.epoch_at(at.offset) == Some(header.leader_epoch);
                fits.then_some((header, bytes))
            });
            let Some((header, bytes)) = found else {
                break;
            };
            if !std::mem::replace(&mut is_kept, true)
                && let Err(error) = segment.keep(at.position, bytes.len() as u64)
            {
                // For the sake of a copy to look at, nobody waits for room.
                let error = LogError::from(error);
                if !error.is_disk_full() {
                    return Err(error);
                }
            }
            segment.overwrite(at.position, &bytes)?;
            self.unsynced.insert(base);
            at.position += bytes.len() as u64;
            at.offset = header.next_offset();
        }
        if at.position >= size_bytes || segment.is_intact_at(at)? {
            return Ok(Mended::Whole);
        }
        if at == damage.at {
            return Err(LogError::OtherBatch { offset: at.offset });
        }
        Ok(Mended::More(Damage {
            at,
            is_kept,
            ..damage
        }))
    }

    /// The leader epoch that a record's batch was appended in.
    fn epoch_at(&self, offset: Offset) -> Option<LeaderEpoch> {
        let entries = self.epochs.entries();
        let after = entries.partition_point(|(_, start)| *start <= offset);
        Some(entries.get(after.checked_sub(1)?)?.0)
    }
}
