//! The entries of `.index` and `.timeindex`, as Apache Kafka lays them out.

use kintsugi_types::{Offset, TimestampMs};
use kintsugi_wire::batch::BatchHeader;

use super::{
    Content, INDEX_ENTRY_BYTES, Segment, SegmentError, TIME_INDEX_ENTRY_BYTES, TimedOffset,
};
use crate::fs::{File, FileSystem, FsError, OpenMode};

/// An entry of `.index`: the last offset of the batch at a position.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct IndexEntry {
    pub(super) offset: Offset,
    pub(super) position: u64,
}

/// Entries that are to be written, and what holds after that.
pub(super) struct Entries {
    base: Offset,
    pub(super) index: Vec<u8>,
    pub(super) time_index: Vec<u8>,
    pub(super) after: Content,
    interval_bytes: u64,
}

impl Entries {
    pub(super) fn new(base: Offset, before: Content, interval_bytes: u64) -> Self {
        Self {
            base,
            index: Vec::new(),
            time_index: Vec::new(),
            after: before,
            interval_bytes,
        }
    }

    /// Accounts for a batch at the end. As Kafka: the entry of a batch is made when more than the
    /// interval lies between it and the batch of the last entry.
    pub(super) fn add(&mut self, header: &BatchHeader) {
        let after = &mut self.after;
        if after
            .max_timestamp
            .is_none_or(|max| header.max_timestamp > max.timestamp)
        {
            after.max_timestamp = Some(TimedOffset {
                timestamp: header.max_timestamp,
                offset: header.last_offset(),
            });
        }
        if after.bytes_since_entry > self.interval_bytes {
            let relative = relative(self.base, header.last_offset());
            // A segment is at most 2 GiB long: the log rolls before.
            let position = u32::try_from(after.size_bytes).unwrap_or(u32::MAX);
            self.index.extend_from_slice(&relative.to_be_bytes());
            self.index.extend_from_slice(&position.to_be_bytes());
            after.index_entries += 1;
            after.bytes_since_entry = 0;
            self.add_time_entry();
        }
        let after = &mut self.after;
        let size_bytes = header.size_bytes() as u64;
        after.size_bytes += size_bytes;
        after.bytes_since_entry += size_bytes;
        after.next_offset = header.next_offset();
        after.last_epoch = Some(header.leader_epoch);
    }

    /// Adds the greatest timestamp so far, if the time index does not have it.
    pub(super) fn add_time_entry(&mut self) {
        let after = &mut self.after;
        let Some(max) = after.max_timestamp else {
            return;
        };
        if after.time_last.is_none_or(|last| max.timestamp > last) {
            let relative = relative(self.base, max.offset);
            self.time_index
                .extend_from_slice(&max.timestamp.0.to_be_bytes());
            self.time_index.extend_from_slice(&relative.to_be_bytes());
            after.time_entries += 1;
            after.time_last = Some(max.timestamp);
        }
    }
}

fn relative(base: Offset, offset: Offset) -> i32 {
    i32::try_from(offset.since(base)).unwrap_or(i32::MAX)
}

fn read_entry<const N: usize, T: File>(file: &T, number: u64) -> Result<Option<[u8; N]>, FsError> {
    let mut raw = [0; N];
    let read = file.read_full_at(&mut raw, number * N as u64)?;
    Ok((read == N).then_some(raw))
}

fn array<const N: usize>(raw: &[u8]) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(&raw[..N]);
    array
}

impl<F: FileSystem> Segment<F> {
    pub(super) fn index_entry(
        &self,
        file: &F::File,
        number: u64,
    ) -> Result<Option<IndexEntry>, FsError> {
        let raw = read_entry::<{ INDEX_ENTRY_BYTES as usize }, _>(file, number)?;
        Ok(raw.map(|raw| IndexEntry {
            offset: self.base.plus(i32::from_be_bytes(array(&raw)).into()),
            position: u32::from_be_bytes(array(&raw[4..])).into(),
        }))
    }

    pub(super) fn time_entry(
        &self,
        file: &F::File,
        number: u64,
    ) -> Result<Option<TimedOffset>, FsError> {
        let raw = read_entry::<{ TIME_INDEX_ENTRY_BYTES as usize }, _>(file, number)?;
        Ok(raw.map(|raw| TimedOffset {
            timestamp: TimestampMs(i64::from_be_bytes(array(&raw))),
            offset: self.base.plus(i32::from_be_bytes(array(&raw[8..])).into()),
        }))
    }

    /// How many entries of `.index` have at most this offset, and the last of them.
    pub(super) fn index_floor(
        &self,
        offset: Offset,
    ) -> Result<(u64, Option<IndexEntry>), SegmentError> {
        if self.content.index_entries == 0 {
            return Ok((0, None));
        }
        let file = self.descriptors.get(&self.index, OpenMode::Write)?;
        let (mut low, mut high, mut found) = (0, self.content.index_entries, None);
        while low < high {
            let middle = low + (high - low) / 2;
            match self.index_entry(&file, middle)? {
                Some(entry) if entry.offset <= offset => {
                    low = middle + 1;
                    found = Some(entry);
                }
                _ => high = middle,
            }
        }
        Ok((low, found))
    }

    /// How many entries of `.timeindex` satisfy `is_before`, which must hold for a first part of
    /// them; and the last of them.
    pub(super) fn time_floor(
        &self,
        is_before: impl Fn(TimedOffset) -> bool,
    ) -> Result<(u64, Option<TimedOffset>), SegmentError> {
        if self.content.time_entries == 0 {
            return Ok((0, None));
        }
        let file = self.descriptors.get(&self.time_index, OpenMode::Write)?;
        let (mut low, mut high, mut found) = (0, self.content.time_entries, None);
        while low < high {
            let middle = low + (high - low) / 2;
            match self.time_entry(&file, middle)? {
                Some(entry) if is_before(entry) => {
                    low = middle + 1;
                    found = Some(entry);
                }
                _ => high = middle,
            }
        }
        Ok((low, found))
    }
}
