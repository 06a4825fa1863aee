//! What a leader knows of one follower, and how it sends to it.

use std::collections::VecDeque;

use kintsugi_types::{DirectoryId, MetadataOffset, Time};

use crate::entry::Snapshot;

/// How entries flow to a follower.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Flow {
    /// It is not known where the logs part: one append at a time, until one is accepted.
    Probe {
        /// When to send again without an answer; none: nothing is under way.
        resend_at: Option<Time>,
    },
    /// Appends follow each other without waiting, up to a window.
    Replicate,
    /// It needs entries that are no longer in memory.
    Snapshot {
        /// The one being sent, even if a newer one comes.
        snapshot: Snapshot,
        /// Where the piece under way begins.
        offset: u64,
        /// When to send that piece again.
        resend_at: Time,
    },
}

/// An append without an answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct InFlight {
    /// The index of its last entry.
    pub last: MetadataOffset,
    /// When it was sent.
    pub sent: Time,
}

/// A leader's view of one follower.
#[derive(Debug)]
pub(crate) struct Progress {
    /// The follower's disk holds the leader's log up to here.
    pub matched: MetadataOffset,
    /// The next entry to send.
    pub next: MetadataOffset,
    pub flow: Flow,
    pub in_flight: VecDeque<InFlight>,
    /// When it was last heard from in this term.
    pub contact: Time,
    /// Whether it counts in majorities.
    pub voting: bool,
    /// The directory that `matched` speaks of.
    pub directory: Option<DirectoryId>,
}

impl Progress {
    /// A follower of which nothing is known yet.
    pub(crate) fn new(next: MetadataOffset, now: Time) -> Self {
        Self {
            matched: MetadataOffset(0),
            next,
            flow: Flow::Probe { resend_at: None },
            in_flight: VecDeque::new(),
            contact: now,
            voting: true,
            directory: None,
        }
    }

    /// Starts again from what is known to match, one append at a time.
    pub(crate) fn probe_from(&mut self, next: MetadataOffset) {
        self.next = next.max(self.matched.next());
        self.flow = Flow::Probe { resend_at: None };
        self.in_flight.clear();
    }

    /// The follower answered from this directory. Another one than before holds nothing of what
    /// the first one acknowledged.
    pub(crate) fn heard(
        &mut self,
        now: Time,
        directory: DirectoryId,
        voting: bool,
        last: MetadataOffset,
    ) {
        self.contact = now;
        self.voting = voting;
        if self.directory.is_some_and(|known| known != directory) {
            self.matched = MetadataOffset(0);
            self.probe_from(last.next());
        }
        self.directory = Some(directory);
    }

    /// The follower's disk holds the log up to `matched`. Returns whether that is news.
    pub(crate) fn accepted(&mut self, matched: MetadataOffset) -> bool {
        let is_news = matched > self.matched;
        self.matched = self.matched.max(matched);
        match &self.flow {
            Flow::Probe { .. } => {
                self.flow = Flow::Replicate;
                self.next = self.matched.next();
                self.in_flight.clear();
            }
            Flow::Replicate => {
                while self.in_flight.front().is_some_and(|f| f.last <= matched) {
                    self.in_flight.pop_front();
                }
                self.next = self.next.max(self.matched.next());
            }
            Flow::Snapshot { snapshot, .. } => {
                if matched >= snapshot.last.index {
                    self.flow = Flow::Replicate;
                    self.next = self.matched.next();
                }
            }
        }
        is_news
    }

    /// Whether a refusal of `prev_index` speaks of the present state, not of an earlier one.
    pub(crate) fn is_current_rejection(&self, prev_index: MetadataOffset) -> bool {
        match self.flow {
            Flow::Probe { .. } => prev_index.next() == self.next,
            Flow::Replicate => prev_index > self.matched,
            Flow::Snapshot { .. } => false,
        }
    }
}

#[cfg(test)]
mod tests;
