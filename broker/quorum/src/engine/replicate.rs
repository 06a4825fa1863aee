//! The leader's side of replication.

use kintsugi_types::{ControllerId, MetadataOffset, Time};

use super::Engine;
use crate::entry::{EntryId, Payload};
use crate::message::Body;
use crate::progress::{Flow, InFlight};

impl Engine {
    /// Sends what is new to everyone who may be sent something.
    pub(super) fn send_all(&mut self, now: Time) {
        for to in self.peers() {
            self.send_appends(now, to);
        }
    }

    /// Sends to one follower as much as its flow allows.
    pub(super) fn send_appends(&mut self, now: Time, to: ControllerId) {
        loop {
            let last = self.log.last().index;
            let window = self.config.limits.appends_in_flight_max;
            let Some(progress) = self.progress.get_mut(&to) else {
                return;
            };
            let (is_probe, is_allowed) = match &progress.flow {
                Flow::Probe { resend_at } => (true, resend_at.is_none()),
                Flow::Replicate => {
                    let has_room = progress.in_flight.len() < window;
                    (false, has_room && progress.next <= last)
                }
                Flow::Snapshot { .. } => return,
            };
            if !is_allowed {
                return;
            }
            if progress.next <= self.log.base().index {
                return self.start_snapshot(now, to);
            }
            self.send_append(now, to);
            if is_probe {
                return;
            }
        }
    }

    /// Sends one append from the follower's next index on.
    fn send_append(&mut self, now: Time, to: ControllerId) {
        let limits = self.config.limits;
        let resend_at = now + self.config.resend();
        let silence = self.config.election_max();
        let commit = self.commit;
        let Some(progress) = self.progress.get_mut(&to) else {
            return;
        };
        let prev_index = MetadataOffset(progress.next.0.saturating_sub(1));
        let Some(term) = self.log.term_at(prev_index) else {
            return;
        };
        let is_probe = matches!(progress.flow, Flow::Probe { .. });
        // Whoever is silent is asked where it stands, but sent nothing large.
        let is_silent = is_probe && now >= progress.contact + silence;
        let entries_max = if is_silent {
            0
        } else {
            limits.append_entries_max
        };
        let entries = self
            .log
            .batch(progress.next, entries_max, limits.append_bytes_max);
        if is_probe {
            progress.flow = Flow::Probe {
                resend_at: Some(resend_at),
            };
        } else if let Some(last) = entries.last().map(|e| e.index) {
            progress.next = last.next();
            progress.in_flight.push_back(InFlight { last, sent: now });
        }
        let prev = EntryId {
            term,
            index: prev_index,
        };
        self.send(
            to,
            Body::Append {
                prev,
                entries,
                commit,
            },
        );
    }

    pub(super) fn on_accepted(&mut self, now: Time, from: ControllerId, matched: MetadataOffset) {
        let last = self.log.last().index;
        let Some(progress) = self.progress.get_mut(&from) else {
            return;
        };
        // No follower can hold more than its leader sent it.
        if matched > last {
            return;
        }
        if progress.accepted(matched) {
            self.advance_commit();
        }
        self.continue_transfer();
        self.send_appends(now, from);
    }

    pub(super) fn on_rejected(
        &mut self,
        now: Time,
        from: ControllerId,
        prev_index: MetadataOffset,
        hint: EntryId,
    ) {
        let Some(progress) = self.progress.get_mut(&from) else {
            return;
        };
        if !progress.is_current_rejection(prev_index) || hint.index > prev_index {
            return;
        }
        let common = self.log.last_not_above(hint.index, hint.term);
        // Never the refused index again, so that each refusal makes way.
        progress.probe_from(common.index.next().min(prev_index));
        self.send_appends(now, from);
    }

    /// Sends again what has been without an answer for too long.
    pub(super) fn resend(&mut self, now: Time) {
        let patience = self.config.resend();
        for to in self.peers() {
            let Some(progress) = self.progress.get_mut(&to) else {
                continue;
            };
            match &mut progress.flow {
                Flow::Probe { resend_at } => {
                    if resend_at.is_some_and(|at| now >= at) {
                        *resend_at = None;
                    }
                    self.send_appends(now, to);
                }
                Flow::Replicate => {
                    let oldest = progress.in_flight.front();
                    if oldest.is_some_and(|f| now >= f.sent + patience) {
                        progress.probe_from(progress.matched.next());
                    }
                    self.send_appends(now, to);
                }
                Flow::Snapshot { resend_at, .. } => {
                    if now >= *resend_at {
                        self.send_chunk(now, to);
                    }
                }
            }
        }
        self.continue_transfer();
    }

    /// Appends commands as the leader and sends them on at once, before its own disk has them.
    pub(super) fn append_commands(
        &mut self,
        now: Time,
        commands: Vec<bytes::Bytes>,
    ) -> (MetadataOffset, MetadataOffset) {
        let first = self.log.last().index.next();
        let mut last = first;
        for command in commands {
            last = self.append_own(Payload::Command(command));
        }
        self.send_all(now);
        (first, last)
    }
}
