//! Finding a damaged batch, and writing over it what another replica has.

use bytes::Bytes;
use kintsugi_types::Offset;
use kintsugi_wire::batch;

use super::scan::{BATCHES_WINDOW_BYTES, Scan};
use super::{Segment, SegmentError, damage};
use crate::fs::{File, FileSystem, OpenMode};

/// Where in a segment the first batch begins that is not intact.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct DamagedAt {
    pub(crate) position: u64,
    /// The offset of its first record, by what lies before it.
    pub(crate) offset: Offset,
}

impl<F: FileSystem> Segment<F> {
    /// The first damaged batch at or after the last indexed place before `position` that is intact;
    /// looks no further than the batch at `position`. `None`: all of that is intact.
    pub(crate) fn damage_near(&self, position: u64) -> Result<Option<DamagedAt>, SegmentError> {
        let (mut scan, mut expected) = self.intact_before(position)?;
        while scan.position <= position {
            let at = DamagedAt {
                position: scan.position,
                offset: expected,
            };
            match scan.next_verified() {
                Ok(None) => return Ok(None),
                Ok(Some((_, header))) if header.base_offset == expected => {
                    expected = header.next_offset();
                }
                Ok(Some(_)) => return Ok(Some(at)),
                Err(error) if error.is_content() => return Ok(Some(at)),
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// A walk from the last indexed batch at or before `position` that is intact, else from the
    /// start; and the offset that it begins with.
    fn intact_before(&self, position: u64) -> Result<(Scan<F::File>, Offset), SegmentError> {
        let file = self.descriptors.get(&self.index, OpenMode::Write)?;
        let (mut low, mut high) = (0, self.content.index_entries);
        while low < high {
            let middle = low + (high - low) / 2;
            match self.index_entry(&file, middle)? {
                Some(entry) if entry.position <= position => low = middle + 1,
                _ => high = middle,
            }
        }
        for number in (0..low).rev() {
            let Some(entry) = self.index_entry(&file, number)? else {
                continue;
            };
            let mut scan = self.scan(entry.position, BATCHES_WINDOW_BYTES)?;
            match scan.next_verified() {
                Ok(Some((_, header))) if header.last_offset() == entry.offset => {
                    scan.position = entry.position;
                    return Ok((scan, header.base_offset));
                }
                Err(error) if !error.is_content() => return Err(error),
                _ => {}
            }
        }
        Ok((self.scan(0, BATCHES_WINDOW_BYTES)?, self.base))
    }

    /// Whether an intact batch that begins with this offset lies at a position, or the segment ends
    /// there.
    pub(crate) fn is_intact_at(&self, at: DamagedAt) -> Result<bool, SegmentError> {
        if at.position == self.content.size_bytes {
            return Ok(at.offset == self.content.next_offset);
        }
        match self.scan(at.position, BATCHES_WINDOW_BYTES)?.next_verified() {
            Ok(found) => Ok(found.is_some_and(|(_, header)| header.base_offset == at.offset)),
            Err(error) if error.is_content() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Copies the bytes at a place to a file that ends in `.damaged`, for a person to look at.
    pub(crate) fn keep(&self, position: u64, size_bytes: u64) -> Result<(), SegmentError> {
        let log = self.descriptors.get(&self.log, OpenMode::Write)?;
        let end = position + size_bytes;
        Ok(damage::keep(self.descriptors.fs(), &self.log.path, &log, position..end)?)
    }

    /// Writes over what lies at a position. What counts does not change.
    pub(crate) fn overwrite(&self, position: u64, bytes: &[u8]) -> Result<(), SegmentError> {
        let log = self.descriptors.get(&self.log, OpenMode::Write)?;
        Ok(log.write_at(bytes, position)?)
    }

    /// Whole batches from the one that begins at an offset on, read from the file and verified; for
    /// who looks for damage.
    pub(crate) fn check(&self, from: Offset, max_bytes: usize) -> Result<Offset, SegmentError> {
        let limits = super::ReadLimits {
            max_bytes,
            upper: self.content.next_offset,
            minimum_one: true,
        };
        let read = self.read(from, limits)?;
        Ok(read.map_or(self.content.next_offset, |(_, next): (Bytes, _)| next))
    }
}

/// The header of an intact batch that begins with this offset.
pub(crate) fn verified_at(
    bytes: &[u8],
    offset: Offset,
) -> Option<batch::BatchHeader> {
    let header = batch::verify(bytes).ok()?;
    (header.base_offset == offset).then_some(header)
}
