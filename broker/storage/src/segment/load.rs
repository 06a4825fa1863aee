//! Opening a segment that exists.

use std::path::Path;

use kintsugi_types::{LeaderEpoch, Offset};
use kintsugi_wire::batch::BatchHeader;

use super::index::Entries;
use super::scan::{BATCHES_WINDOW_BYTES, HEADERS_WINDOW_BYTES};
use super::{
    Content, DamagedAt, Descriptors, FileSlot, INDEX_ENTRY_BYTES, Segment, SegmentError,
    TIME_INDEX_ENTRY_BYTES, damage,
};
use crate::fs::{File, FileSystem, OpenMode};

/// What recovery did to a segment.
#[derive(Debug, Default)]
pub(crate) struct SegmentRecovery {
    /// The bytes whose CRC was found right.
    pub(crate) verified_bytes: u64,
    /// The bytes that were cut off at the end.
    pub(crate) cut_bytes: u64,
    /// Whether some of them had been synced once; they are kept then.
    pub(crate) is_damaged: bool,
    /// The first batch that had been synced once and is damaged, but has its place in the log: it is
    /// left there to be mended.
    pub(crate) to_mend: Option<Offset>,
    /// Why.
    pub(crate) cause: Option<SegmentError>,
}

/// What a segment that is recovered comes after.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Follows {
    /// The leader epoch of the last batch before it.
    pub(crate) epoch: Option<LeaderEpoch>,
    /// What lies before this offset was synced.
    pub(crate) trusted: Offset,
    /// Whether no segment follows: it may be appended to, and its time index is completed when it is
    /// sealed.
    pub(crate) is_last: bool,
}

impl<F: FileSystem> Segment<F> {
    /// Opens a segment that was closed in order: reads only the batches after the last index
    /// entry. Indexes that do not fit the log are rebuilt from headers.
    ///
    /// # Errors
    /// With a content error ([`SegmentError::is_content`]) when batches are not intact: the
    /// segment must be recovered.
    pub(crate) fn open(
        descriptors: &Descriptors<F>,
        directory: &Path,
        base: Offset,
        index_interval_bytes: u64,
    ) -> Result<Self, SegmentError> {
        let mut segment = Self::at(descriptors, directory, base, index_interval_bytes);
        let log = segment.descriptors.get(&segment.log, OpenMode::Write)?;
        segment.content.size_bytes = log.size_bytes()?;
        if !segment.load_indexes()? || !segment.load_tail()? {
            let size_bytes = segment.content.size_bytes;
            segment.content.last_epoch = None;
            segment.rebuild(size_bytes, None, true)?;
        }
        Ok(segment)
    }

    /// Opens a segment after a crash: verifies each batch, cuts the file at the first that is not
    /// intact or does not follow, and rebuilds the indexes.
    pub(crate) fn recover(
        descriptors: &Descriptors<F>,
        directory: &Path,
        base: Offset,
        index_interval_bytes: u64,
        follows: Follows,
    ) -> Result<(Self, SegmentRecovery), SegmentError> {
        let mut segment = Self::at(descriptors, directory, base, index_interval_bytes);
        let log = segment.descriptors.get(&segment.log, OpenMode::Write)?;
        let size_bytes = log.size_bytes()?;
        segment.content.last_epoch = follows.epoch;
        let (cause, to_mend) =
            segment.rebuild(size_bytes, Some(follows.trusted), !follows.is_last)?;
        let verified_bytes = segment.content.size_bytes;
        if verified_bytes == 0 {
            segment.content.last_epoch = None;
        }
        let is_cut = verified_bytes < size_bytes;
        let is_damaged = is_cut && segment.content.next_offset < follows.trusted;
        if is_damaged {
            let fs = segment.descriptors.fs();
            damage::keep(fs, &segment.log.path, &log, verified_bytes..size_bytes)?;
        }
        if is_cut {
            log.set_len(verified_bytes)?;
        }
        let recovery = SegmentRecovery {
            verified_bytes,
            cut_bytes: size_bytes - verified_bytes,
            is_damaged: is_damaged || to_mend.is_some(),
            to_mend,
            cause,
        };
        Ok((segment, recovery))
    }

    /// A segment of which everything is known: no file is touched.
    pub(crate) fn known(
        descriptors: &Descriptors<F>,
        directory: &Path,
        (base, content): (Offset, Content),
        index_interval_bytes: u64,
    ) -> Self {
        let mut segment = Self::at(descriptors, directory, base, index_interval_bytes);
        segment.content = content;
        segment
    }

    /// Counts the entries of the indexes; `false` if a file cannot be one, or contradicts the log.
    fn load_indexes(&mut self) -> Result<bool, SegmentError> {
        let index = self.descriptors.get(&self.index, OpenMode::Create)?;
        let time_index = self.descriptors.get(&self.time_index, OpenMode::Create)?;
        let (index_bytes, time_bytes) = (index.size_bytes()?, time_index.size_bytes()?);
        if index_bytes % INDEX_ENTRY_BYTES != 0 || time_bytes % TIME_INDEX_ENTRY_BYTES != 0 {
            return Ok(false);
        }
        self.content.index_entries = index_bytes / INDEX_ENTRY_BYTES;
        self.content.time_entries = time_bytes / TIME_INDEX_ENTRY_BYTES;
        if let Some(number) = self.content.time_entries.checked_sub(1) {
            let last = self.time_entry(&time_index, number)?;
            self.content.max_timestamp = last;
            self.content.time_last = last.map(|last| last.timestamp);
        }
        // Without index entries a large log would be scanned at each open and read.
        let is_missing = self.content.index_entries == 0
            && self.content.size_bytes > 4 * self.index_interval_bytes.max(4096);
        let Some(number) = self.content.index_entries.checked_sub(1) else {
            return Ok(!is_missing || self.first_batch_fills()?);
        };
        let Some(last) = self.index_entry(&index, number)? else {
            return Ok(false);
        };
        if last.position >= self.content.size_bytes {
            return Ok(false);
        }
        let header = match self
            .scan(last.position, HEADERS_WINDOW_BYTES)?
            .next_header()
        {
            Err(error) if error.is_content() => return Ok(false),
            other => other?,
        };
        Ok(header.is_some_and(|(_, header)| header.last_offset() == last.offset))
    }

    /// Whether one batch makes up the whole log, so that no entry is due.
    fn first_batch_fills(&self) -> Result<bool, SegmentError> {
        match self.scan(0, HEADERS_WINDOW_BYTES)?.next_header() {
            Err(error) if error.is_content() => Ok(false),
            other => Ok(other?
                .is_some_and(|(_, header)| header.size_bytes() as u64 == self.content.size_bytes)),
        }
    }

    /// Reads the headers from the last index entry on; `false` if the time index speaks of
    /// offsets that are not there.
    pub(super) fn load_tail(&mut self) -> Result<bool, SegmentError> {
        let (_, last) = self.index_floor(Offset(i64::MAX))?;
        let start = last.map_or(0, |entry| entry.position);
        let mut scan = self.scan(start, HEADERS_WINDOW_BYTES)?;
        let mut content = self.content.clone();
        content.next_offset = self.base;
        content.last_epoch = None;
        while let Some((position, header)) = scan.next_header()? {
            let previous = (content.next_offset, content.last_epoch);
            self.check_order(position, &header, previous)?;
            let mut entries = Entries::new(self.base, content, u64::MAX);
            entries.add(&header);
            content = entries.after;
        }
        content.size_bytes = self.content.size_bytes;
        content.bytes_since_entry = content.size_bytes - start;
        self.content = content;
        let limit = self.content.next_offset;
        let is_within = |timed: super::TimedOffset| timed.offset < limit;
        Ok(self.content.max_timestamp.is_none_or(is_within))
    }

    /// The base offset lies outside the CRC: a damaged one shows only as a gap.
    fn check_contiguous(
        &self,
        position: u64,
        header: &BatchHeader,
        expected: Offset,
    ) -> Result<(), SegmentError> {
        if header.base_offset == expected {
            return Ok(());
        }
        Err(self.disordered(position, expected, header.base_offset))
    }

    fn check_order(
        &self,
        position: u64,
        header: &BatchHeader,
        (expected, epoch): (Offset, Option<LeaderEpoch>),
    ) -> Result<(), SegmentError> {
        let is_ordered = header.base_offset >= expected
            && epoch.is_none_or(|epoch| header.leader_epoch >= epoch)
            && header.last_offset().since(self.base) <= i64::from(i32::MAX);
        if is_ordered {
            return Ok(());
        }
        Err(self.disordered(position, expected, header.base_offset))
    }

    /// Makes the indexes what the batches in the first `size_bytes` say, the last entry of the time
    /// index included if it is to be `sealed`. With `trusted`, checks
    /// each CRC, and content that is not intact ends the walk and is given as the cause; but a batch
    /// that was synced once, before `trusted`, and has its place between others is left to be mended:
    /// the first such is given too.
    fn rebuild(
        &mut self,
        size_bytes: u64,
        trusted: Option<Offset>,
        sealed: bool,
    ) -> Result<(Option<SegmentError>, Option<Offset>), SegmentError> {
        let verify = trusted.is_some();
        let mut to_mend = None;
        let mut previous = (self.base, self.content.last_epoch);
        self.content = Content::empty(self.base);
        self.content.last_epoch = previous.1;
        let window_bytes = if verify {
            BATCHES_WINDOW_BYTES
        } else {
            HEADERS_WINDOW_BYTES
        };
        self.content.size_bytes = size_bytes;
        let mut scan = self.scan(0, window_bytes)?;
        let whole = self.clone();
        self.content.size_bytes = 0;
        let mut entries = Entries::new(self.base, self.content.clone(), self.index_interval_bytes);
        let cause = loop {
            let next = if verify {
                scan.next_verified()
            } else {
                scan.next_header()
            };
            let checked = match next {
                Ok(None) => break None,
                Ok(Some((position, header))) => self
                    .check_order(position, &header, previous)
                    .and_then(|()| self.check_contiguous(position, &header, previous.0))
                    .map(|()| header),
                Err(error) => Err(error),
            };
            match checked {
                Ok(header) => {
                    entries.add(&header);
                    previous = (header.next_offset(), Some(header.leader_epoch));
                }
                Err(error) if verify && error.is_content() => {
                    let at = DamagedAt {
                        position: scan.position.min(position_of(&error)),
                        offset: previous.0,
                    };
                    let limit = trusted.unwrap_or_default();
                    let Some(header) = whole.bounded_damage(at, previous.1, limit)? else {
                        break Some(error);
                    };
                    to_mend.get_or_insert(header.base_offset);
                    entries.add(&header);
                    previous = (header.next_offset(), Some(header.leader_epoch));
                    scan.position = at.position + header.size_bytes() as u64;
                }
                Err(error) => return Err(error),
            }
        };
        if sealed {
            entries.add_time_entry();
        }
        self.replace_file(&self.index, &entries.index)?;
        self.replace_file(&self.time_index, &entries.time_index)?;
        self.content = entries.after;
        Ok((cause, to_mend))
    }

    /// Gives an index this content. What it begins with already is left: after a crash of the process
    /// alone that is all of it, and thousands of files need no write.
    fn replace_file(&self, slot: &FileSlot, content: &[u8]) -> Result<(), SegmentError> {
        let file = self.descriptors.get(slot, OpenMode::Create)?;
        let size_bytes = file.size_bytes()?;
        let mut present = vec![0; content.len()];
        let read = file.read_full_at(&mut present, 0)?;
        let pairs = content.iter().zip(&present[..read]);
        let kept = pairs.take_while(|(wanted, found)| wanted == found).count();
        if size_bytes > kept as u64 {
            file.set_len(kept as u64)?;
        }
        if kept < content.len() {
            file.write_at(&content[kept..], kept as u64)?;
        }
        Ok(())
    }
}

/// Where the batch begins that an error of content is about.
fn position_of(error: &SegmentError) -> u64 {
    match error {
        SegmentError::Corrupt { position, .. } | SegmentError::Disordered { position, .. } => {
            *position
        }
        SegmentError::Fs(_) => u64::MAX,
    }
}
