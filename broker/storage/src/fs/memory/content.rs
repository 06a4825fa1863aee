//! A file's bytes: what a reader sees, what the disk holds, and what lies between.

use std::collections::{BTreeMap, VecDeque};

use super::Kept;

/// The unit in which a kernel writes back.
const PAGE_BYTES: usize = 4096;

/// The unit that a disk writes whole.
const SECTOR_BYTES: usize = 512;

/// Unsynced bytes of one file above which the oldest are written back, as a kernel does.
const WRITE_BACK_BYTES: usize = 4 * 1024 * 1024;

/// Unsynced changes of one file above which the oldest are written back.
const WRITE_BACK_CHANGES: usize = 16 * 1024;

enum Change {
    Write { position: usize, bytes: Vec<u8> },
    Lengthen(usize),
    Shorten(usize),
}

impl Change {
    fn apply(&self, target: &mut Vec<u8>) {
        match self {
            Self::Write { position, bytes } => {
                let end = position + bytes.len();
                if target.len() < end {
                    target.resize(end, 0);
                }
                target[*position..end].copy_from_slice(bytes);
            }
            Self::Lengthen(size) | Self::Shorten(size) => target.resize(*size, 0),
        }
    }

    fn size_after(&self, before: usize) -> usize {
        match self {
            Self::Write { position, bytes } => before.max(position + bytes.len()),
            Self::Lengthen(size) | Self::Shorten(size) => *size,
        }
    }

    fn weight(&self) -> usize {
        match self {
            Self::Write { bytes, .. } => bytes.len(),
            Self::Lengthen(_) | Self::Shorten(_) => 0,
        }
    }
}

/// A file's bytes in the page cache and on the disk.
#[derive(Default)]
pub(super) struct Content {
    live: Vec<u8>,
    durable: Vec<u8>,
    pending: VecDeque<Change>,
    pending_bytes: usize,
}

impl Content {
    pub(super) fn live(&self) -> &[u8] {
        &self.live
    }

    pub(super) fn write(&mut self, position: usize, bytes: &[u8]) {
        self.change(Change::Write {
            position,
            bytes: bytes.to_vec(),
        });
    }

    pub(super) fn set_len(&mut self, size: usize) {
        match size.cmp(&self.live.len()) {
            std::cmp::Ordering::Less => self.change(Change::Shorten(size)),
            std::cmp::Ordering::Equal => {}
            std::cmp::Ordering::Greater => self.change(Change::Lengthen(size)),
        }
    }

    /// Replaces bytes wherever they lie, in memory and on the disk; gives whether a reader sees it.
    pub(super) fn spoil(&mut self, position: usize, from: &[u8], to: &[u8]) -> bool {
        let replace = |bytes: &mut [u8], start: usize| {
            let start = position.checked_sub(start);
            let found = start.and_then(|at| bytes.get_mut(at..at + from.len()));
            let found = found.filter(|found| *found == from);
            found.map(|found| found.copy_from_slice(to)).is_some()
        };
        for change in &mut self.pending {
            if let Change::Write { position, bytes } = change {
                replace(bytes, *position);
            }
        }
        replace(&mut self.durable, 0);
        replace(&mut self.live, 0)
    }

    fn change(&mut self, change: Change) {
        change.apply(&mut self.live);
        self.pending_bytes += change.weight();
        self.pending.push_back(change);
        while self.pending_bytes > WRITE_BACK_BYTES || self.pending.len() > WRITE_BACK_CHANGES {
            self.write_back_oldest();
        }
    }

    fn write_back_oldest(&mut self) {
        if let Some(change) = self.pending.pop_front() {
            self.pending_bytes -= change.weight();
            change.apply(&mut self.durable);
        }
    }

    /// A sync that succeeds.
    pub(super) fn sync(&mut self) {
        while !self.pending.is_empty() {
            self.write_back_oldest();
        }
    }

    /// A sync that fails: the kernel marks the pages clean, so that no later sync writes them,
    /// while readers go on seeing them.
    pub(super) fn fail_sync(&mut self) {
        self.pending.clear();
        self.pending_bytes = 0;
    }

    /// Leaves what the disk holds after a loss of power.
    pub(super) fn lose_power(&mut self, rng: &mut fastrand::Rng) {
        match rng.u8(..4) {
            0 => {}
            1 => self.sync(),
            _ => self.durable = self.draw_survivors(rng),
        }
        self.fail_sync();
        self.live.clone_from(&self.durable);
    }

    /// The same with what stays given.
    pub(super) fn lose_power_keeping(&mut self, kept: Kept) {
        for _ in 0..kept.of(self.pending.len()) {
            self.write_back_oldest();
        }
        self.fail_sync();
        self.live.clone_from(&self.durable);
    }

    /// Draws for the file's length which changes reached the disk (a prefix: metadata goes through
    /// a journal), and the same for each page on its own. Blocks beyond a cut that was not
    /// committed cannot be seen, nor can those from before one that was.
    fn draw_survivors(&self, rng: &mut fastrand::Rng) -> Vec<u8> {
        let sized = rng.usize(0..=self.pending.len());
        let is_cut = |index: &usize| matches!(self.pending[*index], Change::Shorten(_));
        let floor = (0..sized).rfind(is_cut).map_or(0, |index| index + 1);
        let ceiling = (sized..self.pending.len())
            .find(is_cut)
            .unwrap_or(self.pending.len());
        let mut size = self.durable.len();
        let mut result = self.durable.clone();
        for (index, change) in self.pending.iter().enumerate() {
            if index < sized {
                size = change.size_after(size);
            }
            if index < floor {
                change.apply(&mut result);
            }
        }
        for (page, changes) in self.pages(floor, ceiling) {
            let survived = rng.usize(0..=changes.len());
            for (number, index) in changes.into_iter().enumerate() {
                if number < survived {
                    self.apply_to_page(&mut result, page, index, PAGE_BYTES);
                } else if number == survived && rng.u8(..4) == 0 {
                    let sectors = rng.usize(0..PAGE_BYTES / SECTOR_BYTES) * SECTOR_BYTES;
                    let torn = if rng.bool() {
                        sectors
                    } else {
                        rng.usize(0..PAGE_BYTES)
                    };
                    self.apply_to_page(&mut result, page, index, torn);
                }
            }
        }
        result.resize(size, 0);
        result
    }

    fn pages(&self, floor: usize, ceiling: usize) -> BTreeMap<usize, Vec<usize>> {
        let mut pages: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for index in floor..ceiling {
            if let Change::Write { position, bytes } = &self.pending[index]
                && !bytes.is_empty()
            {
                for page in position / PAGE_BYTES..=(position + bytes.len() - 1) / PAGE_BYTES {
                    pages.entry(page).or_default().push(index);
                }
            }
        }
        pages
    }

    /// Applies the part of a write that lies in the first `limit` bytes of a page.
    fn apply_to_page(&self, target: &mut Vec<u8>, page: usize, index: usize, limit: usize) {
        let Change::Write { position, bytes } = &self.pending[index] else {
            return;
        };
        let start = (page * PAGE_BYTES).max(*position);
        let end = (page * PAGE_BYTES + limit).min(position + bytes.len());
        if start < end {
            if target.len() < end {
                target.resize(end, 0);
            }
            target[start..end].copy_from_slice(&bytes[start - position..end - position]);
        }
    }
}
