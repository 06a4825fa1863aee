//! The follower's side of replication.

use kintsugi_types::{ControllerId, MetadataOffset, Term};

use super::Engine;
use crate::entry::{Entry, EntryId, Payload};
use crate::message::Body;

impl Engine {
    pub(super) fn on_append(
        &mut self,
        from: ControllerId,
        term: Term,
        prev: EntryId,
        entries: Vec<Entry>,
        commit: MetadataOffset,
    ) {
        if !is_well_formed(prev, &entries, term) {
            return;
        }
        if prev.index < self.log.base().index {
            // A late copy: what it says of entries before the base is known to be committed.
            let matched = self.commit;
            return self.send_when_persisted(from, Body::AppendAccepted { matched });
        }
        if !self.log.contains(prev) {
            let hint = self.log.last_not_above(prev.index, prev.term);
            let prev_index = prev.index;
            return self.send(from, Body::AppendRejected { prev_index, hint });
        }
        let matched = entries.last().map_or(prev.index, |e| e.index);
        if !self.take_entries(entries) {
            return;
        }
        self.commit_to(commit.min(matched));
        self.send_when_persisted(from, Body::AppendAccepted { matched });
    }

    /// Replaces the log's tail from the first entry that differs. Refuses to touch a committed
    /// entry, which no real leader asks for.
    fn take_entries(&mut self, entries: Vec<Entry>) -> bool {
        let known = entries.iter().take_while(|e| self.log.contains(e.id()));
        let known = known.count();
        let Some(first) = entries.get(known).map(|e| e.index) else {
            return true;
        };
        if first <= self.commit {
            return false;
        }
        if first <= self.log.last().index {
            self.log.truncate_from(first);
            self.disk.truncated_from(first);
            self.memberships.truncate_from(first);
        }
        for entry in entries.into_iter().skip(known) {
            if let Payload::Membership(membership) = &entry.payload {
                self.memberships.push(entry.index, membership.clone());
            }
            self.log.push(entry);
        }
        true
    }

    pub(super) fn on_heartbeat(&mut self, from: ControllerId, committed: EntryId) {
        // Holding the committed entry itself means holding everything before it as well.
        if self.log.contains(committed) {
            self.commit_to(committed.index);
        }
        self.send(from, Body::HeartbeatReply);
    }
}

/// Whether entries follow `prev` without gaps, in terms that do not fall nor pass the leader's.
fn is_well_formed(prev: EntryId, entries: &[Entry], term: Term) -> bool {
    let mut last = prev;
    entries.iter().all(|entry| {
        let follows = entry.index == last.index.next() && entry.term >= last.term;
        last = entry.id();
        follows
    }) && last.term <= term
}
