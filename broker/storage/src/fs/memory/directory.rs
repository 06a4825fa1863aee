//! A directory's entries: what a reader sees and what the disk holds.

use std::collections::BTreeMap;

use super::Kept;

/// The number of a file or directory, never used twice.
pub(super) type Inode = u64;

enum Change {
    Link(String, Inode),
    Unlink(String),
    Rename(String, String),
}

impl Change {
    fn apply(&self, entries: &mut BTreeMap<String, Inode>) {
        match self {
            Self::Link(name, inode) => {
                entries.insert(name.clone(), *inode);
            }
            Self::Unlink(name) => {
                entries.remove(name);
            }
            Self::Rename(from, to) => {
                if let Some(inode) = entries.remove(from) {
                    entries.insert(to.clone(), inode);
                }
            }
        }
    }
}

/// A directory's entries in the cache and on the disk.
#[derive(Default)]
pub(super) struct Directory {
    live: BTreeMap<String, Inode>,
    durable: BTreeMap<String, Inode>,
    pending: Vec<Change>,
}

impl Directory {
    pub(super) fn get(&self, name: &str) -> Option<Inode> {
        self.live.get(name).copied()
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.live.keys().cloned().collect()
    }

    pub(super) fn link(&mut self, name: &str, inode: Inode) {
        self.change(Change::Link(name.to_owned(), inode));
    }

    pub(super) fn unlink(&mut self, name: &str) {
        self.change(Change::Unlink(name.to_owned()));
    }

    pub(super) fn rename(&mut self, from: &str, to: &str) {
        self.change(Change::Rename(from.to_owned(), to.to_owned()));
    }

    fn change(&mut self, change: Change) {
        change.apply(&mut self.live);
        self.pending.push(change);
    }

    pub(super) fn sync(&mut self) {
        self.pending.clear();
        self.durable.clone_from(&self.live);
    }

    /// Leaves what the disk holds after a loss of power: a prefix of the unsynced changes, since
    /// metadata goes through a journal.
    pub(super) fn lose_power(&mut self, rng: &mut fastrand::Rng) {
        let survived = rng.usize(0..=self.pending.len());
        for change in self.pending.drain(..).take(survived) {
            change.apply(&mut self.durable);
        }
        self.live.clone_from(&self.durable);
    }

    /// The same with what stays given.
    pub(super) fn lose_power_keeping(&mut self, kept: Kept) {
        let survived = kept.of(self.pending.len());
        for change in self.pending.drain(..).take(survived) {
            change.apply(&mut self.durable);
        }
        self.live.clone_from(&self.durable);
    }

    /// All inodes that a reader sees, or could see after a loss of power.
    pub(super) fn reachable(&self) -> impl Iterator<Item = Inode> {
        let pending = self.pending.iter().filter_map(|change| match change {
            Change::Link(_, inode) => Some(*inode),
            Change::Unlink(_) | Change::Rename(..) => None,
        });
        let entries = self.live.values().chain(self.durable.values()).copied();
        entries.chain(pending)
    }
}
