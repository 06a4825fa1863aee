//! Cutting a segment.

use kintsugi_types::Offset;

use super::{INDEX_ENTRY_BYTES, Segment, SegmentError, TIME_INDEX_ENTRY_BYTES};
use crate::fs::{File, FileSystem, OpenMode};

impl<F: FileSystem> Segment<F> {
    /// Removes the batch that holds `offset` and all after it. Gives the new end.
    pub(crate) fn truncate_to(&mut self, offset: Offset) -> Result<Offset, SegmentError> {
        let Some((position, end)) = self.find_cut(offset)? else {
            return Ok(self.content.next_offset);
        };
        let (index_entries, _) = self.index_floor(Offset(end.0 - 1))?;
        let (time_entries, time_last) = self.time_floor(|entry| entry.offset < end)?;
        // The indexes first: entries that point past the end of the log are worse than none.
        let sizes = [
            (&self.time_index, time_entries * TIME_INDEX_ENTRY_BYTES),
            (&self.index, index_entries * INDEX_ENTRY_BYTES),
            (&self.log, position),
        ];
        for (slot, size_bytes) in sizes {
            let file = self.descriptors.get(slot, OpenMode::Write)?;
            file.set_len(size_bytes)?;
        }
        self.content.size_bytes = position;
        self.content.index_entries = index_entries;
        self.content.time_entries = time_entries;
        self.content.time_last = time_last.map(|last| last.timestamp);
        self.content.max_timestamp = time_last;
        self.load_tail()?;
        Ok(self.content.next_offset)
    }

    /// The position of the batch that holds `offset`, and its base offset. A batch that begins there
    /// need not be intact: it is to be cut off.
    pub(crate) fn find_cut(&self, offset: Offset) -> Result<Option<(u64, Offset)>, SegmentError> {
        match self.find(offset) {
            Ok(found) => Ok(found.map(|(position, header)| (position, header.base_offset))),
            Err(error) if error.is_content() => match self.damage_before(offset)? {
                Some((at, _)) if at.offset == offset => Ok(Some((at.position, offset))),
                // What is damaged lies before it and stays.
                _ => match self.walk_to(offset)? {
                    (_, Some((at, header))) if header.base_offset == offset => {
                        Ok(Some((at, offset)))
                    }
                    _ => Err(error),
                },
            },
            Err(error) => Err(error),
        }
    }
}
