//! What is on its way to disk, and what waits for it.
//!
//! Guarantees that a promise (a vote, an acknowledgement) is released only after every change
//! made before it is persisted, and that `persisted` never counts an entry that a later write
//! takes away again.

use std::collections::VecDeque;

use kintsugi_types::{ControllerId, MetadataOffset, Term};

use crate::command::{Persist, PersistToken};
use crate::entry::{HardState, Snapshot};
use crate::log::Log;
use crate::message::{Body, Message};

/// Something that must not happen before the disk holds what came before it.
#[derive(Debug)]
pub(crate) enum Promise {
    /// A message to send.
    Send { to: ControllerId, message: Message },
    /// A candidate's vote for itself in that term.
    OwnVote(Term),
}

#[derive(Debug)]
struct Write {
    token: PersistToken,
    /// The end of the log on disk once this is done.
    written: MetadataOffset,
    /// How many truncations had been asked for by then.
    truncations: u64,
    promises: Vec<Promise>,
}

/// The state of the disk as the engine knows it.
#[derive(Debug, Default)]
pub(crate) struct Disk {
    next_token: u64,
    hard_state_changed: bool,
    snapshot: Option<Snapshot>,
    truncate_from: Option<MetadataOffset>,
    /// The end of the log that was handed to a write.
    written: MetadataOffset,
    /// The end of the log that survives a loss of power.
    persisted: MetadataOffset,
    truncations: u64,
    writes: VecDeque<Write>,
    /// Promises made since the last write was handed out.
    held: Vec<Promise>,
}

impl Disk {
    /// A disk that holds the log up to `end`.
    pub(crate) fn holding(end: MetadataOffset) -> Self {
        Self {
            written: end,
            persisted: end,
            ..Self::default()
        }
    }

    pub(crate) const fn persisted(&self) -> MetadataOffset {
        self.persisted
    }

    /// The end of the log that was handed to a write.
    pub(crate) const fn written(&self) -> MetadataOffset {
        self.written
    }

    pub(crate) fn hard_state_changed(&mut self) {
        self.hard_state_changed = true;
    }

    pub(crate) fn keep_snapshot(&mut self, snapshot: Snapshot) {
        self.snapshot = Some(snapshot);
    }

    /// Entries at or after `index` left the log in memory.
    pub(crate) fn truncated_from(&mut self, index: MetadataOffset) {
        if index > self.written {
            return;
        }
        let earlier = self.truncate_from.unwrap_or(index);
        self.truncate_from = Some(index.min(earlier));
        self.written = MetadataOffset(index.0.saturating_sub(1));
        self.persisted = self.persisted.min(self.written);
        self.truncations += 1;
    }

    /// The whole log was replaced by a snapshot that ends at `last`.
    pub(crate) fn replaced(&mut self, last: MetadataOffset) {
        self.truncate_from = Some(MetadataOffset(1));
        self.written = last;
        self.persisted = MetadataOffset(0);
        self.truncations += 1;
    }

    /// Keeps a promise until everything changed so far is persisted.
    pub(crate) fn promise(&mut self, promise: Promise) {
        self.held.push(promise);
    }

    /// The next write, if something changed and another write may be handed out.
    pub(crate) fn next_write(
        &mut self,
        log: &Log,
        hard_state: &HardState,
        in_flight_max: usize,
    ) -> Option<Persist> {
        let last = log.last().index;
        debug_assert!(self.written >= log.base().index);
        let changed = self.hard_state_changed
            || self.snapshot.is_some()
            || self.truncate_from.is_some()
            || last > self.written;
        if !changed || self.writes.len() >= in_flight_max {
            return None;
        }
        self.next_token += 1;
        let token = PersistToken(self.next_token);
        let persist = Persist {
            token,
            hard_state: std::mem::take(&mut self.hard_state_changed).then(|| hard_state.clone()),
            snapshot: self.snapshot.take(),
            truncate_from: self.truncate_from.take(),
            entries: log.range(self.written.next(), last),
        };
        self.written = last;
        self.writes.push_back(Write {
            token,
            written: last,
            truncations: self.truncations,
            promises: std::mem::take(&mut self.held),
        });
        Some(persist)
    }

    /// The promises that may be kept at once: those held while nothing is under way or changed.
    /// If a write is under way, they join it. Call after [`Disk::next_write`].
    pub(crate) fn settle(&mut self, log: &Log) -> Vec<Promise> {
        let waits_for_next = self.hard_state_changed
            || self.snapshot.is_some()
            || self.truncate_from.is_some()
            || log.last().index > self.written;
        let held = if waits_for_next {
            &mut self.held
        } else if let Some(write) = self.writes.back_mut() {
            write.promises.append(&mut self.held);
            &mut write.promises
        } else {
            return std::mem::take(&mut self.held);
        };
        drop_superseded(held);
        Vec::new()
    }

    /// The write with this token, and all before it, are done.
    pub(crate) fn persisted_to(&mut self, token: PersistToken) -> Vec<Promise> {
        let mut kept = Vec::new();
        while self.writes.front().is_some_and(|w| w.token <= token) {
            let Some(write) = self.writes.pop_front() else {
                break;
            };
            // A truncation asked for after this write may take its entries away again, even if
            // the log in memory has the same ones once more; the write that truncates tells.
            if write.truncations == self.truncations {
                self.persisted = self.persisted.max(write.written);
            }
            kept.extend(write.promises);
        }
        kept
    }
}

/// Keeps the last of the messages of one kind to one peer, so that a peer that asks
/// again and again while the disk hangs does not fill the memory.
fn drop_superseded(promises: &mut Vec<Promise>) {
    let kind = |promise: &Promise| match promise {
        Promise::Send { to, message } => {
            let is_append = matches!(message.body, Body::AppendAccepted { .. });
            (Some(*to), is_append)
        }
        Promise::OwnVote(_) => (None, false),
    };
    let mut seen = std::collections::BTreeSet::new();
    let mut kept: Vec<Promise> = Vec::with_capacity(promises.len());
    while let Some(promise) = promises.pop() {
        if seen.insert(kind(&promise)) {
            kept.push(promise);
        }
    }
    kept.reverse();
    *promises = kept;
}

#[cfg(test)]
mod tests;
