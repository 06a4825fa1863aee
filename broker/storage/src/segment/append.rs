//! Appending to a segment.

use std::path::Path;
use std::sync::Arc;

use kintsugi_types::Offset;
use kintsugi_wire::batch::BatchHeader;

use super::index::Entries;
use super::names::{index_name, log_name, time_index_name};
use super::{
    Content, Descriptors, FileSlot, INDEX_ENTRY_BYTES, Segment, SegmentError,
    TIME_INDEX_ENTRY_BYTES,
};
use crate::fs::{File, FileSystem, FsError, OpenMode};

impl<F: FileSystem> Segment<F> {
    /// The segment at `base` in a directory, its files not looked at yet.
    pub(super) fn at(
        descriptors: &Descriptors<F>,
        directory: &Path,
        base: Offset,
        index_interval_bytes: u64,
    ) -> Self {
        Self {
            base,
            content: Content::empty(base),
            log: descriptors.slot(directory.join(log_name(base))),
            index: descriptors.slot(directory.join(index_name(base))),
            time_index: descriptors.slot(directory.join(time_index_name(base))),
            descriptors: descriptors.clone(),
            index_interval_bytes,
        }
    }

    /// Makes an empty segment. Files left there under its names are emptied.
    pub(crate) fn create(
        descriptors: &Descriptors<F>,
        directory: &Path,
        base: Offset,
        index_interval_bytes: u64,
    ) -> Result<Self, SegmentError> {
        let segment = Self::at(descriptors, directory, base, index_interval_bytes);
        for slot in segment.slots() {
            let file = segment.descriptors.get(slot, OpenMode::Create)?;
            if file.size_bytes()? > 0 {
                file.set_len(0)?;
            }
        }
        Ok(segment)
    }

    pub(super) fn slots(&self) -> [&FileSlot; 3] {
        [&self.log, &self.index, &self.time_index]
    }

    /// Appends batches, whose headers are `headers`. After an error nothing counts; the caller
    /// must call [`Self::undo`].
    pub(crate) fn append(
        &mut self,
        bytes: &[u8],
        headers: &[BatchHeader],
    ) -> Result<(), SegmentError> {
        let before = self.content.clone();
        let mut entries = Entries::new(self.base, before, self.index_interval_bytes);
        for header in headers {
            entries.add(header);
        }
        let log = self.descriptors.get(&self.log, OpenMode::Write)?;
        log.write_at(bytes, self.content.size_bytes)?;
        self.write_entries(entries)
    }

    /// Completes the time index before the segment takes no more batches; gives whether there was
    /// something to write.
    pub(crate) fn seal(&mut self) -> Result<bool, SegmentError> {
        let before = self.content.clone();
        let mut entries = Entries::new(self.base, before, self.index_interval_bytes);
        entries.add_time_entry();
        let has_new = !entries.time_index.is_empty();
        self.write_entries(entries)?;
        Ok(has_new)
    }

    pub(super) fn write_entries(&mut self, entries: Entries) -> Result<(), SegmentError> {
        let content = &self.content;
        let files = [
            (
                &self.index,
                &entries.index,
                content.index_entries * INDEX_ENTRY_BYTES,
            ),
            (
                &self.time_index,
                &entries.time_index,
                content.time_entries * TIME_INDEX_ENTRY_BYTES,
            ),
        ];
        for (slot, bytes, position) in files {
            if !bytes.is_empty() {
                let file = self.descriptors.get(slot, OpenMode::Write)?;
                file.write_at(bytes, position)?;
            }
        }
        self.content = entries.after;
        Ok(())
    }

    /// Cuts the files back to what counts, after a failed append.
    pub(crate) fn undo(&self) -> Result<(), SegmentError> {
        let sizes = [
            self.content.size_bytes,
            self.content.index_entries * INDEX_ENTRY_BYTES,
            self.content.time_entries * TIME_INDEX_ENTRY_BYTES,
        ];
        for (slot, size_bytes) in self.slots().into_iter().zip(sizes) {
            let file = self.descriptors.get(slot, OpenMode::Write)?;
            if file.size_bytes()? > size_bytes {
                file.set_len(size_bytes)?;
            }
        }
        Ok(())
    }

    /// The files, to be synced: the log first.
    pub(crate) fn files(&self) -> Result<[Arc<F::File>; 3], FsError> {
        Ok([
            self.descriptors.get(&self.log, OpenMode::Write)?,
            self.descriptors.get(&self.index, OpenMode::Write)?,
            self.descriptors.get(&self.time_index, OpenMode::Write)?,
        ])
    }

    /// Closes the files, if they are open.
    pub(crate) fn close(&self) {
        for slot in self.slots() {
            self.descriptors.close(slot);
        }
    }

    /// Removes the files: the log first, since indexes without a log are removed at the next open.
    pub(crate) fn remove(self) -> Result<(), SegmentError> {
        self.close();
        for slot in self.slots() {
            match self.descriptors.fs().remove_file(&slot.path) {
                Err(error) if !error.is_not_found() => return Err(error.into()),
                _ => {}
            }
        }
        Ok(())
    }
}
