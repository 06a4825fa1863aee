//! Snapshots: taken from the application, sent to followers that lag, installed from a leader.

use bytes::Bytes;
use kintsugi_types::{ControllerId, MetadataOffset, Time};

use super::Engine;
use crate::command::Command;
use crate::entry::{EntryId, Snapshot};
use crate::log::Log;
use crate::membership::Membership;
use crate::message::Body;
use crate::progress::Flow;

/// A snapshot that comes in pieces.
#[derive(Debug)]
pub(super) struct Incoming {
    last: EntryId,
    total_bytes: u64,
    bytes: Vec<u8>,
}

impl Engine {
    /// Whether the application should take a snapshot: the log since the last one is long.
    #[must_use]
    pub fn needs_snapshot(&self) -> bool {
        let limits = &self.config.limits;
        let since = self.commit.0 - self.snapshot_end().index.0;
        let is_long = self.log.size_bytes() >= limits.snapshot_after_bytes;
        since >= limits.snapshot_after_entries || (is_long && since > 0)
    }

    /// The last entry that the present snapshot contains; zero if there is none.
    #[must_use]
    pub fn snapshot_end(&self) -> EntryId {
        let snapshot = self.snapshot.as_ref();
        snapshot.map_or_else(EntryId::default, |s| s.last)
    }

    pub(super) fn take_snapshot(&mut self, last: EntryId, bytes: Bytes) {
        let is_newer = last.index > self.snapshot_end().index;
        let is_applied = last.index <= self.commit && self.log.contains(last);
        let max = self.config.limits.snapshot_bytes_max;
        if !is_newer || !is_applied || length(&bytes) > max {
            return;
        }
        let snapshot = Snapshot {
            last,
            bytes,
            membership: self.memberships.at(last.index).clone(),
        };
        self.disk.keep_snapshot(snapshot.clone());
        self.snapshot = Some(snapshot);
        self.forget_behind_snapshot(last.index);
    }

    /// Keeps some entries that the snapshot ending at `end` contains, within two limits.
    fn forget_behind_snapshot(&mut self, end: MetadataOffset) {
        let limits = self.config.limits;
        // An entry can be applied before this disk holds it; it must still be written, or the
        // log on disk would have a gap.
        let end = end.min(self.disk.written());
        let kept = limits.entries_kept_behind_snapshot;
        self.log
            .forget_to(MetadataOffset(end.0.saturating_sub(kept)));
        // Few but large entries must not keep the log at its limit after a snapshot.
        let kept_bytes = limits.snapshot_after_bytes / 2;
        while self.log.size_bytes() > kept_bytes && self.log.base().index < end {
            self.log.forget_to(self.log.base().index.next());
        }
        self.memberships.forget_to(self.log.base().index);
    }

    /// The follower needs entries that are gone: it gets the snapshot instead.
    pub(super) fn start_snapshot(&mut self, now: Time, to: ControllerId) {
        let Some(snapshot) = self.snapshot.clone() else {
            return;
        };
        if let Some(progress) = self.progress.get_mut(&to) {
            progress.in_flight.clear();
            progress.flow = Flow::Snapshot {
                snapshot,
                offset: 0,
                resend_at: now,
            };
            self.send_chunk(now, to);
        }
    }

    /// Sends the piece at the follower's offset, whether or not it was sent before.
    pub(super) fn send_chunk(&mut self, now: Time, to: ControllerId) {
        let next_resend = now + self.config.resend();
        let chunk_bytes = self.config.limits.snapshot_chunk_bytes;
        let Some(progress) = self.progress.get_mut(&to) else {
            return;
        };
        let Flow::Snapshot {
            snapshot,
            offset,
            resend_at,
        } = &mut progress.flow
        else {
            return;
        };
        *resend_at = next_resend;
        let start =
            usize::try_from(*offset).map_or(snapshot.bytes.len(), |o| o.min(snapshot.bytes.len()));
        let end = start.saturating_add(chunk_bytes).min(snapshot.bytes.len());
        let body = Body::SnapshotChunk {
            last: snapshot.last,
            total_bytes: length(&snapshot.bytes),
            offset: *offset,
            bytes: snapshot.bytes.slice(start..end),
            membership: snapshot.membership.clone(),
        };
        self.send(to, body);
    }

    pub(super) fn on_snapshot_reply(
        &mut self,
        now: Time,
        from: ControllerId,
        last: EntryId,
        next_offset: u64,
    ) {
        let Some(progress) = self.progress.get_mut(&from) else {
            return;
        };
        match &mut progress.flow {
            Flow::Snapshot {
                snapshot, offset, ..
            } if snapshot.last == last
                && next_offset != *offset
                && next_offset <= length(&snapshot.bytes) =>
            {
                *offset = next_offset;
                self.send_chunk(now, from);
            }
            _ => {}
        }
    }

    pub(super) fn on_snapshot_chunk(
        &mut self,
        from: ControllerId,
        last: EntryId,
        total_bytes: u64,
        offset: u64,
        bytes: &Bytes,
        membership: Membership,
    ) {
        if self.log.contains(last) {
            // Everything in it is here already, and known to be committed.
            self.commit_to(last.index);
        }
        if last.index <= self.commit {
            self.incoming = None;
            let matched = self.commit;
            return self.send_when_persisted(from, Body::AppendAccepted { matched });
        }
        if total_bytes > self.config.limits.snapshot_bytes_max || last.term > self.hard_state.term {
            return;
        }
        let incoming = self.incoming.take();
        let is_same = |i: &Incoming| i.last == last && i.total_bytes == total_bytes;
        let mut incoming = incoming.filter(is_same).unwrap_or(Incoming {
            last,
            total_bytes,
            bytes: Vec::new(),
        });
        let fits = length(&incoming.bytes).saturating_add(length(bytes)) <= total_bytes;
        if offset == length(&incoming.bytes) && fits {
            incoming.bytes.extend_from_slice(bytes);
        }
        let next_offset = length(&incoming.bytes);
        if next_offset == total_bytes {
            return self.install(from, incoming, membership);
        }
        self.incoming = Some(incoming);
        self.send(from, Body::SnapshotReply { last, next_offset });
    }

    /// Replaces log and state by a whole snapshot.
    fn install(&mut self, from: ControllerId, incoming: Incoming, membership: Membership) {
        let snapshot = Snapshot {
            last: incoming.last,
            bytes: Bytes::from(incoming.bytes),
            membership: membership.clone(),
        };
        let last = snapshot.last;
        self.disk.replaced(last.index);
        self.disk.keep_snapshot(snapshot.clone());
        self.log = Log::after(last);
        self.memberships.replace(membership, last.index);
        self.commit = last.index;
        self.snapshot = Some(snapshot.clone());
        self.out.push(Command::InstallSnapshot(snapshot));
        let matched = last.index;
        self.send_when_persisted(from, Body::AppendAccepted { matched });
    }
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}
