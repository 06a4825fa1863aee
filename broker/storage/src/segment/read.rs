//! Reading from a segment.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use kintsugi_types::{LeaderEpoch, Offset, TimestampMs};
use kintsugi_wire::batch::{self, BatchError, BatchHeader, HEADER_BYTES};

use super::index::IndexEntry;
use super::scan::{HEADERS_WINDOW_BYTES, Scan};
use super::{Segment, SegmentError};
use crate::fs::{File, FileSystem, OpenMode};

/// Up to where, and how much, to read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct ReadLimits {
    /// The bytes to give at most.
    pub(crate) max_bytes: usize,
    /// Give only batches that lie wholly before this offset.
    pub(crate) upper: Offset,
    /// Give the first batch even if it is larger than `max_bytes`.
    pub(crate) minimum_one: bool,
}

/// Whole batches from the start of `bytes`, within the limits: how many bytes, and the offset
/// after them. Stops silently before bytes that are no batch.
pub(crate) fn whole_batches(bytes: &[u8], limits: ReadLimits) -> Option<(usize, Offset)> {
    let mut taken = None;
    let mut end = 0;
    while let Ok(header) = BatchHeader::parse(&bytes[end..]) {
        let next = end + header.size_bytes();
        let is_forced = limits.minimum_one && end == 0;
        if next > bytes.len()
            || (next > limits.max_bytes && !is_forced)
            || header.next_offset() > limits.upper
        {
            break;
        }
        end = next;
        taken = Some((end, header.next_offset()));
    }
    taken
}

/// A walk, and the offset of the batch that it begins with.
type ScanFrom<F> = (Scan<F>, Offset);

impl<F: FileSystem> Segment<F> {
    pub(super) fn scan(
        &self,
        position: u64,
        window_bytes: usize,
    ) -> Result<Scan<F::File>, SegmentError> {
        let file = self.descriptors.get(&self.log, OpenMode::Write)?;
        let path = Arc::clone(&self.log.path);
        let end = self.content.size_bytes;
        Ok(Scan::new(file, path, position, end, window_bytes))
    }

    /// The first batch that holds `offset` or a later one, and its position.
    ///
    /// A base offset lies outside the CRC, and a walk by headers goes past one that is damaged: so a
    /// batch that does not follow the one before it is not given. The error is that of the batch which
    /// is damaged, which may lie before the one that the walk failed at.
    pub(crate) fn find(&self, offset: Offset) -> Result<Option<(u64, BatchHeader)>, SegmentError> {
        if offset >= self.content.next_offset {
            return Ok(None);
        }
        let error = match self.walk_to(offset) {
            Ok((expected, Some((_, header)))) if header.base_offset != expected => None,
            Ok((_, Some(found))) => return Ok(Some(found)),
            Ok((_, None)) => None,
            Err(error) if error.is_content() => Some(error),
            Err(error) => return Err(error),
        };
        if let Some((_, error)) = self.damage_before(offset)? {
            return Err(error);
        }
        let end = self.content.size_bytes;
        Err(error.unwrap_or_else(|| self.disordered(end, offset, self.content.next_offset)))
    }

    /// The same by headers alone, and the base offset that the batch before asks for.
    pub(super) fn walk_to(
        &self,
        offset: Offset,
    ) -> Result<(Offset, Option<(u64, BatchHeader)>), SegmentError> {
        let from_entry = match self.index_floor(offset)? {
            (_, Some(entry)) => self.scan_from_entry(entry)?,
            (_, None) => None,
        };
        let (mut scan, mut expected) = match from_entry {
            Some(found) => found,
            None => (self.scan(0, HEADERS_WINDOW_BYTES)?, self.base),
        };
        while let Some((position, header)) = scan.next_header()? {
            if header.next_offset() > offset {
                return Ok((expected, Some((position, header))));
            }
            expected = header.next_offset();
        }
        Ok((expected, None))
    }

    /// Calls `each` with the header of every batch from the one that holds `from` on.
    pub(crate) fn for_each_header(
        &self,
        from: Offset,
        mut each: impl FnMut(&BatchHeader),
    ) -> Result<(), SegmentError> {
        let start = if from <= self.base {
            0
        } else {
            match self.find(from)? {
                Some((position, _)) => position,
                None => return Ok(()),
            }
        };
        let mut scan = self.scan(start, HEADERS_WINDOW_BYTES)?;
        while let Some((_, header)) = scan.next_header()? {
            each(&header);
        }
        Ok(())
    }

    /// A walk from the batch of an index entry, and the offset that it begins with; `None` if the
    /// entry does not tell the truth.
    fn scan_from_entry(
        &self,
        entry: IndexEntry,
    ) -> Result<Option<ScanFrom<F::File>>, SegmentError> {
        let mut scan = self.scan(entry.position, HEADERS_WINDOW_BYTES)?;
        match scan.next_header() {
            Ok(Some((_, header))) if header.last_offset() == entry.offset => {
                scan.position = entry.position;
                Ok(Some((scan, header.base_offset)))
            }
            Err(error) if !error.is_content() => Err(error),
            _ => Ok(None),
        }
    }

    /// Whole batches, each intact, from the one that holds `offset` on; none if no batch here holds it or a
    /// later one, or the limits let none through.
    pub(crate) fn read(
        &self,
        offset: Offset,
        limits: ReadLimits,
    ) -> Result<Option<(Bytes, Offset)>, SegmentError> {
        let Some((position, header)) = self.find(offset)? else {
            return Ok(None);
        };
        if header.next_offset() > self.content.next_offset {
            // Or a damaged number of offsets would be taken for a batch that is not committed yet.
            let expected = offset.max(self.base);
            return Err(self.disordered(position, expected, header.base_offset));
        }
        let is_too_large = header.size_bytes() > limits.max_bytes && !limits.minimum_one;
        if is_too_large || header.next_offset() > limits.upper {
            return Ok(None);
        }
        let left = usize::try_from(self.content.size_bytes - position).unwrap_or(usize::MAX);
        let size = limits.max_bytes.max(header.size_bytes()).min(left);
        let mut buffer = BytesMut::zeroed(size);
        let file = self.descriptors.get(&self.log, OpenMode::Write)?;
        let read = file.read_full_at(&mut buffer, position)?;
        buffer.truncate(read);
        if buffer.len() < header.size_bytes() {
            return Err(self.corrupt(
                position,
                BatchError::Truncated {
                    needed: header.size_bytes() as u64,
                    found: buffer.len(),
                },
            ));
        }
        let Some((end, _)) = whole_batches(&buffer, limits) else {
            return Ok(None);
        };
        buffer.truncate(end);
        let next_offset = self.verify(position, &mut buffer)?;
        Ok(Some((buffer.freeze(), next_offset)))
    }

    /// Checks the CRC of each of the whole batches that were read, and that each follows the one
    /// before it. Keeps those before the first that is not intact; an error when that is the first
    /// of all. Gives the offset after the last.
    fn verify(&self, position: u64, batches: &mut BytesMut) -> Result<Offset, SegmentError> {
        let (mut at, mut next) = (0, None);
        while at < batches.len() {
            let place = position + at as u64;
            let whole = BatchHeader::parse(&batches[at..]).map_or(0, |h| h.size_bytes());
            let end = batches.len().min(at + whole);
            let checked = match batch::verify(&batches[at..end]) {
                Err(source) => Err(self.corrupt(place, source)),
                Ok(header) => match next {
                    Some(expected) if expected != header.base_offset => {
                        Err(self.disordered(place, expected, header.base_offset))
                    }
                    _ => Ok(header),
                },
            };
            match (checked, next) {
                (Ok(header), _) => {
                    at += header.size_bytes();
                    next = Some(header.next_offset());
                }
                (Err(_), Some(_)) => batches.truncate(at),
                (Err(error), None) => return Err(error),
            }
        }
        Ok(next.unwrap_or(self.content.next_offset))
    }

    fn corrupt(&self, position: u64, source: BatchError) -> SegmentError {
        let path = self.log.path.display().to_string();
        SegmentError::Corrupt {
            path,
            position,
            source,
        }
    }

    pub(super) fn disordered(
        &self,
        position: u64,
        expected: Offset,
        found: Offset,
    ) -> SegmentError {
        SegmentError::Disordered {
            path: self.log.path.display().to_string(),
            position,
            expected,
            found,
        }
    }

    /// The whole batch at a position.
    pub(crate) fn read_batch(
        &self,
        position: u64,
        header: &BatchHeader,
    ) -> Result<Bytes, SegmentError> {
        let mut buffer = BytesMut::zeroed(header.size_bytes());
        let file = self.descriptors.get(&self.log, OpenMode::Write)?;
        let read = file.read_full_at(&mut buffer, position)?;
        buffer.truncate(read);
        Ok(buffer.freeze())
    }

    /// The first batch with records at `from` or later whose greatest timestamp is at least
    /// `target`, and its position.
    pub(crate) fn find_timestamp(
        &self,
        target: TimestampMs,
        from: Offset,
    ) -> Result<Option<(u64, BatchHeader)>, SegmentError> {
        let is_before = |entry: super::TimedOffset| entry.timestamp <= target;
        let (_, floor) = self.time_floor(is_before)?;
        let by_index = match floor.filter(|entry| entry.offset > from) {
            None => None,
            // An entry that does not tell the truth is not used.
            Some(entry) => self.find(entry.offset)?.filter(|(_, header)| {
                header.last_offset() == entry.offset && header.max_timestamp == entry.timestamp
            }),
        };
        let found = match by_index {
            None => self.find(from)?,
            found => found,
        };
        let Some((start, _)) = found else {
            return Ok(None);
        };
        let mut scan = self.scan(start, HEADERS_WINDOW_BYTES)?;
        while let Some((position, header)) = scan.next_header()? {
            if header.max_timestamp >= target {
                return Ok(Some((position, header)));
            }
        }
        Ok(None)
    }

    /// The epoch of the first batch.
    pub(crate) fn first_epoch(&self) -> Result<Option<LeaderEpoch>, SegmentError> {
        let header = self.scan(0, HEADER_BYTES)?.next_header()?;
        Ok(header.map(|(_, header)| header.leader_epoch))
    }

    /// The epochs that begin in this segment, each with the base offset of its first batch.
    ///
    /// Epochs only grow, so equal epochs at two places mean the same one between them: this reads
    /// few headers, however large the segment is.
    pub(crate) fn epochs(&self) -> Result<Vec<(LeaderEpoch, Offset)>, SegmentError> {
        let Some(last_epoch) = self.content.last_epoch else {
            return Ok(Vec::new());
        };
        let mut found = Vec::new();
        let (mut position, mut number) = (0, 0);
        let mut is_first = true;
        while position < self.content.size_bytes {
            let mut scan = self.scan(position, HEADER_BYTES)?;
            let Some((_, header)) = scan.next_header()? else {
                break;
            };
            let known = found.last().map(|(epoch, _)| *epoch);
            if is_first || known != Some(header.leader_epoch) {
                found.push((header.leader_epoch, header.base_offset));
                is_first = false;
            }
            if header.leader_epoch == last_epoch {
                break;
            }
            // The next entries whose batch still has this epoch can be skipped.
            let skipped = self.last_entry_of_epoch(number, header.leader_epoch)?;
            match skipped {
                Some((entry, entry_position)) if entry_position > position => {
                    number = entry + 1;
                    position = entry_position;
                }
                _ => position = scan.position,
            }
        }
        Ok(found)
    }

    /// The last entry of `.index` from `first` on whose batch has this epoch, and its position.
    fn last_entry_of_epoch(
        &self,
        first: u64,
        epoch: LeaderEpoch,
    ) -> Result<Option<(u64, u64)>, SegmentError> {
        let (mut low, mut high) = (first, self.content.index_entries);
        if low >= high {
            return Ok(None);
        }
        let file = self.descriptors.get(&self.index, OpenMode::Write)?;
        let mut found = None;
        while low < high {
            let middle = low + (high - low) / 2;
            let Some(entry) = self.index_entry(&file, middle)? else {
                break;
            };
            let header = match self.scan(entry.position, HEADER_BYTES)?.next_header() {
                Err(error) if error.is_content() => None,
                other => other?,
            };
            let is_before = |header: BatchHeader| {
                header.last_offset() == entry.offset && header.leader_epoch <= epoch
            };
            if header.is_some_and(|(_, header)| is_before(header)) {
                found = Some((middle, entry.position));
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok(found)
    }
}
