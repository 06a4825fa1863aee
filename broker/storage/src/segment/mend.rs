//! Finding a damaged batch, and writing over it what another replica has.

use kintsugi_types::{LeaderEpoch, Offset, TimestampMs};
use kintsugi_wire::batch::{self, BatchHeader};

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
        let found = self.look_for_damage(position, |at| at.position <= position)?;
        Ok(found.map(|(at, _)| at))
    }

    /// The first damaged batch between the last intact indexed place before `offset` and the batch
    /// that holds it, and what is wrong with it.
    pub(crate) fn damage_before(
        &self,
        offset: Offset,
    ) -> Result<Option<(DamagedAt, SegmentError)>, SegmentError> {
        let (_, entry) = self.index_floor(offset)?;
        let start = entry.map_or(0, |entry| entry.position);
        self.look_for_damage(start, |at| at.offset <= offset)
    }

    fn look_for_damage(
        &self,
        position: u64,
        goes_on: impl Fn(&DamagedAt) -> bool,
    ) -> Result<Option<(DamagedAt, SegmentError)>, SegmentError> {
        let (mut scan, mut expected) = self.intact_before(position)?;
        loop {
            let at = DamagedAt {
                position: scan.position,
                offset: expected,
            };
            if !goes_on(&at) {
                return Ok(None);
            }
            match scan.next_verified() {
                Ok(None) => return Ok(None),
                Ok(Some((_, header))) if header.base_offset == expected => {
                    expected = header.next_offset();
                }
                Ok(Some((_, header))) => {
                    let error = self.disordered(at.position, expected, header.base_offset);
                    return Ok(Some((at, error)));
                }
                Err(error) if error.is_content() => return Ok(Some((at, error))),
                Err(error) => return Err(error),
            }
        }
    }

    /// Verifies the batches before `end` since the last index entry.
    pub(crate) fn check_tail(&self, end: Offset) -> Result<(), SegmentError> {
        match self.damage_before(Offset(end.0 - 1))? {
            None => Ok(()),
            Some((_, error)) => Err(error),
        }
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

    /// The header of a damaged batch whose place is beyond doubt: it lies wholly before `trusted`, and
    /// right behind it begins an intact batch with the next offset. Its greatest timestamp may be
    /// what is damaged and is left out.
    pub(super) fn bounded_damage(
        &self,
        at: DamagedAt,
        epoch: Option<LeaderEpoch>,
        trusted: Offset,
    ) -> Result<Option<BatchHeader>, SegmentError> {
        let mut scan = self.scan(at.position, BATCHES_WINDOW_BYTES)?;
        let header = match scan.next_header() {
            Err(error) if error.is_content() => None,
            found => found?,
        };
        let Some((_, mut header)) = header else {
            return Ok(None);
        };
        let fits = header.base_offset == at.offset
            && header.next_offset() <= trusted
            && epoch.is_none_or(|epoch| header.leader_epoch >= epoch)
            && scan.position < self.content.size_bytes;
        header.max_timestamp = TimestampMs(-1);
        let next = match scan.next_verified() {
            Err(error) if error.is_content() => None,
            found => found?,
        };
        let follows = next.is_some_and(|(_, next)| {
            next.base_offset == header.next_offset() && next.leader_epoch >= header.leader_epoch
        });
        Ok((fits && follows).then_some(header))
    }

    /// Whether an intact batch that begins with this offset lies at a position, or the segment ends
    /// there.
    pub(crate) fn is_intact_at(&self, at: DamagedAt) -> Result<bool, SegmentError> {
        if at.position == self.content.size_bytes {
            return Ok(at.offset == self.content.next_offset);
        }
        match self
            .scan(at.position, BATCHES_WINDOW_BYTES)?
            .next_verified()
        {
            Ok(found) => Ok(found.is_some_and(|(_, header)| header.base_offset == at.offset)),
            Err(error) if error.is_content() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Copies the bytes at a place to a file that ends in `.damaged`, for a person to look at.
    pub(crate) fn keep(&self, position: u64, size_bytes: u64) -> Result<(), SegmentError> {
        let log = self.descriptors.get(&self.log, OpenMode::Write)?;
        let end = position + size_bytes;
        Ok(damage::keep(
            self.descriptors.fs(),
            &self.log.path,
            &log,
            position..end,
        )?)
    }

    /// Writes over what lies at a position. What counts does not change.
    pub(crate) fn overwrite(&self, position: u64, bytes: &[u8]) -> Result<(), SegmentError> {
        let log = self.descriptors.get(&self.log, OpenMode::Write)?;
        Ok(log.write_at(bytes, position)?)
    }

    /// Whole batches from the one that begins at an offset on, read from the file and verified; for
    /// who looks for damage.
    pub(crate) fn check(
        &self,
        from: Offset,
        max_bytes: usize,
    ) -> Result<(Offset, usize), SegmentError> {
        let limits = super::ReadLimits {
            max_bytes,
            upper: self.content.next_offset,
            minimum_one: true,
        };
        let read = self.read(from, limits)?;
        Ok(match read {
            Some((bytes, next)) => (next, bytes.len()),
            None => (self.content.next_offset, 0),
        })
    }
}

/// The header of an intact batch that begins with this offset.
pub(crate) fn verified_at(bytes: &[u8], offset: Offset) -> Option<BatchHeader> {
    let header = batch::verify(bytes).ok()?;
    (header.base_offset == offset).then_some(header)
}
