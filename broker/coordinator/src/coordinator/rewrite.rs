//! Appending everything that is known anew, so that the log before it can go.
//!
//! Each record says what is so at the time of its append, and later records of the same group or
//! offset follow it in the log: reading from the start of the rewrite on gives what reading the
//! whole log gives. For that, nothing of before may still await its commit when the first record is
//! made, and what awaits its commit now is left out: its record lies behind the start already.
//!
//! One batch is in flight at a time, so that commits of clients go between.

use kintsugi_types::{ErrorCode, TimestampMs};
use kintsugi_wire::records::{Record, build};

use super::cursor::Cursor;
use super::in_flight::{InFlight, in_flight};
use super::{Coordinator, PendingAppend};
use crate::event::Command;
use crate::group::{Group, GroupState};

/// How many records, and about how many bytes of keys and values, go into one batch. A group's
/// record alone may be larger.
const RECORDS_MAX: usize = 1_000;
const BATCH_BYTES: usize = 256 * 1024;

/// A rewrite that is under way.
#[derive(Clone, Debug)]
pub(super) struct Rewrite {
    /// From where on; none: all has been appended.
    next: Option<Cursor>,
    /// Appends with lower tokens are from before.
    first_token: u64,
    is_in_flight: bool,
    size_bytes: usize,
}

impl Coordinator {
    pub(super) fn begin_rewrite(&mut self, out: &mut Vec<Command>) {
        if self.rewrite.is_none() {
            self.rewrite = Some(Rewrite {
                next: Some(Cursor::start()),
                first_token: self.next_append_token,
                is_in_flight: false,
                size_bytes: 0,
            });
            self.rewrite_some(out);
        }
    }

    /// Goes on, if nothing has to be waited for. To be called after each commit.
    pub(super) fn rewrite_some(&mut self, out: &mut Vec<Command>) {
        let Some(rewrite) = &self.rewrite else {
            return;
        };
        let mut earlier = self.appends.range(..rewrite.first_token);
        if rewrite.is_in_flight
            || earlier.next().is_some()
            || self.appends.len() >= self.config.appends_max
        {
            return;
        }
        let (records, next) = match &rewrite.next {
            Some(start) => self.rewritten(start),
            None => (Vec::new(), None),
        };
        if records.is_empty() {
            self.end_rewrite(true, out);
            return;
        }
        let Ok(batch) = build(&records) else {
            self.end_rewrite(false, out);
            return;
        };
        if let Some(rewrite) = &mut self.rewrite {
            rewrite.next = next;
            rewrite.is_in_flight = true;
            rewrite.size_bytes += batch.len();
        }
        let append_token = self.next_append_token;
        self.next_append_token += 1;
        self.appends.insert(append_token, PendingAppend::Rewrite);
        out.push(Command::Append {
            append_token,
            batch,
        });
    }

    pub(super) fn on_rewrite_appended(
        &mut self,
        result: Result<(), ErrorCode>,
        out: &mut Vec<Command>,
    ) {
        match (&mut self.rewrite, result) {
            (Some(rewrite), Ok(())) => rewrite.is_in_flight = false,
            (Some(_), Err(_)) => self.end_rewrite(false, out),
            (None, _) => {}
        }
    }

    fn end_rewrite(&mut self, is_done: bool, out: &mut Vec<Command>) {
        if let Some(rewrite) = self.rewrite.take() {
            let size_bytes = rewrite.size_bytes;
            out.push(Command::Rewritten {
                is_done,
                size_bytes,
            });
        }
    }

    /// The records of the next batch, and where to go on after it. No records: that was all.
    fn rewritten(&self, start: &Cursor) -> (Vec<Record>, Option<Cursor>) {
        let in_flight = in_flight(&self.appends);
        let nothing = InFlight::default();
        let mut records: Vec<Record> = Vec::new();
        let mut size_bytes = 0;
        for (id, group) in self.groups.range(start.group.clone()..) {
            let busy = in_flight.get(id).unwrap_or(&nothing);
            let is_begun = start.offset.is_some() && start.group == *id;
            if !is_begun && !busy.has_group {
                let record = group_record(group);
                size_bytes += record.as_ref().map_or(0, size_of_record);
                records.extend(record);
            }
            for (key, stored) in start.offsets_of(group) {
                if records.len() >= RECORDS_MAX || size_bytes >= BATCH_BYTES {
                    return (records, Some(Cursor::at(id, key)));
                }
                if !busy.has_offset(key) {
                    let value = Some(stored.commit.encode());
                    let wall = stored.commit.committed_at;
                    let record = group.offset_record((&key.0, key.1), value, wall);
                    size_bytes += size_of_record(&record);
                    records.push(record);
                }
            }
        }
        (records, None)
    }
}

/// What a later coordinator is to know of a group, if that is anything. A group between two
/// generations is written as one without members: they join again under the next coordinator, as
/// they have to anyway.
fn group_record(group: &Group) -> Option<Record> {
    if group.generation == 0 {
        return None;
    }
    let since: TimestampMs = group.state_since;
    Some(match group.state {
        GroupState::Empty | GroupState::Stable => group.group_record(since),
        GroupState::PreparingRebalance | GroupState::CompletingRebalance => {
            group.memberless_record(since)
        }
    })
}

fn size_of_record(record: &Record) -> usize {
    let key = record.key.as_ref().map_or(0, |key| key.len());
    key + record.value.as_ref().map_or(0, |value| value.len())
}
