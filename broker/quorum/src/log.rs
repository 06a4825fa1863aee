//! The log in memory: the entries after a base that snapshots cover.
//!
//! Guarantees that indexes are contiguous from the base and that terms do not fall. Knows nothing
//! of commits or of disks.

use std::collections::VecDeque;

use kintsugi_types::{MetadataOffset, Term};

use crate::entry::{Entry, EntryId};

/// Entries in memory.
#[derive(Debug, Default)]
pub(crate) struct Log {
    /// The entry just before the first one kept: covered by a snapshot, so committed.
    base: EntryId,
    entries: VecDeque<Entry>,
    size_bytes: usize,
}

impl Log {
    /// An empty log that continues after `base`.
    pub(crate) fn after(base: EntryId) -> Self {
        Self {
            base,
            ..Self::default()
        }
    }

    pub(crate) const fn base(&self) -> EntryId {
        self.base
    }

    /// The last entry, or the base.
    pub(crate) fn last(&self) -> EntryId {
        self.entries.back().map_or(self.base, Entry::id)
    }

    pub(crate) const fn size_bytes(&self) -> usize {
        self.size_bytes
    }

    /// The term of the entry at `index`, if it is the base or in memory.
    pub(crate) fn term_at(&self, index: MetadataOffset) -> Option<Term> {
        if index == self.base.index {
            return Some(self.base.term);
        }
        self.entries.get(self.position(index)?).map(|e| e.term)
    }

    pub(crate) fn contains(&self, id: EntryId) -> bool {
        self.term_at(id.index) == Some(id.term)
    }

    /// Adds an entry at the end. The caller made sure that it follows the last one.
    pub(crate) fn push(&mut self, entry: Entry) {
        debug_assert_eq!(entry.index, self.last().index.next());
        debug_assert!(entry.term >= self.last().term);
        self.size_bytes = self.size_bytes.saturating_add(entry.size_bytes());
        self.entries.push_back(entry);
    }

    /// Removes every entry at or after `index`.
    pub(crate) fn truncate_from(&mut self, index: MetadataOffset) {
        while self.entries.back().is_some_and(|e| e.index >= index) {
            if let Some(entry) = self.entries.pop_back() {
                self.size_bytes = self.size_bytes.saturating_sub(entry.size_bytes());
            }
        }
    }

    /// Forgets entries up to and including `index`, which becomes the base.
    pub(crate) fn forget_to(&mut self, index: MetadataOffset) {
        while self.entries.front().is_some_and(|e| e.index <= index) {
            if let Some(entry) = self.entries.pop_front() {
                self.base = entry.id();
                self.size_bytes = self.size_bytes.saturating_sub(entry.size_bytes());
            }
        }
    }

    /// Entries from `first` to `last`, both included, as far as they are in memory.
    pub(crate) fn range(&self, first: MetadataOffset, last: MetadataOffset) -> Vec<Entry> {
        let Some(start) = self.position(first) else {
            return Vec::new();
        };
        let tail = self.entries.iter().skip(start);
        tail.take_while(|e| e.index <= last).cloned().collect()
    }

    /// Entries from `first` on: at most `entries_max`, and at most `bytes_max` unless the first
    /// one alone is larger.
    pub(crate) fn batch(
        &self,
        first: MetadataOffset,
        entries_max: usize,
        bytes_max: usize,
    ) -> Vec<Entry> {
        let Some(start) = self.position(first) else {
            return Vec::new();
        };
        let mut batch: Vec<Entry> = Vec::new();
        let mut bytes = 0_usize;
        for entry in self.entries.iter().skip(start).take(entries_max) {
            bytes = bytes.saturating_add(entry.size_bytes());
            if bytes > bytes_max && !batch.is_empty() {
                break;
            }
            batch.push(entry.clone());
        }
        batch
    }

    /// The last entry at or before `index` whose term is not above `term`; the base at the
    /// earliest, or an unknown entry at `index` itself if that lies before the base.
    pub(crate) fn last_not_above(&self, index: MetadataOffset, term: Term) -> EntryId {
        if index < self.base.index {
            return EntryId {
                term: Term(0),
                index,
            };
        }
        // Terms do not fall along the log, so the entries not above `term` are a prefix.
        let not_above = self.entries.partition_point(|e| e.term <= term);
        let up_to = self.position(index.next()).unwrap_or(0);
        let count = not_above.min(up_to);
        let found = count.checked_sub(1).and_then(|at| self.entries.get(at));
        found.map_or(self.base, Entry::id)
    }

    /// Where the entry at `index` is or would be; none at or before the base.
    fn position(&self, index: MetadataOffset) -> Option<usize> {
        let distance = index.0.checked_sub(self.base.index.0)?.checked_sub(1)?;
        usize::try_from(distance).ok()
    }
}

#[cfg(test)]
mod tests;
