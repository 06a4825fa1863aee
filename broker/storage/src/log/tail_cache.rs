//! The newest batches in memory, so that live readers and followers do not touch files.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::{Bytes, BytesMut};
use kintsugi_types::Offset;

use crate::segment::{ReadLimits, whole_batches};

/// What a kept run costs beside its bytes.
const OVERHEAD_BYTES: usize = 64;

/// The bytes that all tail caches of a process may keep together.
#[derive(Debug)]
pub(super) struct TailBudget {
    max_bytes: usize,
    used_bytes: AtomicUsize,
}

impl TailBudget {
    pub(super) fn new(max_bytes: usize) -> Self {
        Self {
            max_bytes,
            used_bytes: AtomicUsize::new(0),
        }
    }

    #[cfg(test)]
    pub(super) fn used_bytes(&self) -> usize {
        self.used_bytes.load(Ordering::Relaxed)
    }

    fn take(&self, bytes: usize) -> bool {
        let within = |used: usize| {
            let after = used.checked_add(bytes)?;
            (after <= self.max_bytes).then_some(after)
        };
        self.used_bytes
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, within)
            .is_ok()
    }

    fn give_back(&self, bytes: usize) {
        self.used_bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}

struct Run {
    next_offset: Offset,
    bytes: Bytes,
}

/// The last appended runs of batches of one log, without a gap, up to its end.
pub(super) struct TailCache {
    budget: Arc<TailBudget>,
    limit_bytes: usize,
    used_bytes: usize,
    start: Offset,
    runs: VecDeque<Run>,
    /// Whether anything was appended since the last look.
    is_busy: bool,
}

impl TailCache {
    pub(super) fn new(budget: Arc<TailBudget>, limit_bytes: usize, log_end: Offset) -> Self {
        Self {
            budget,
            limit_bytes,
            used_bytes: 0,
            start: log_end,
            runs: VecDeque::new(),
            is_busy: false,
        }
    }

    pub(super) fn set_limit(&mut self, limit_bytes: usize) {
        self.limit_bytes = limit_bytes;
        while self.used_bytes > limit_bytes {
            self.drop_oldest();
        }
    }

    /// Keeps a copy of a run that was appended at the end, if the budget allows.
    pub(super) fn push(&mut self, bytes: &[u8], next_offset: Offset) {
        self.is_busy = true;
        let cost = bytes.len() + OVERHEAD_BYTES;
        while !self.runs.is_empty() && self.used_bytes + cost > self.limit_bytes {
            self.drop_oldest();
        }
        while !self.budget.take(cost) {
            if self.runs.is_empty() {
                self.start = next_offset;
                return;
            }
            self.drop_oldest();
        }
        if cost > self.limit_bytes {
            self.budget.give_back(cost);
            self.start = next_offset;
            return;
        }
        self.used_bytes += cost;
        self.runs.push_back(Run {
            next_offset,
            bytes: Bytes::copy_from_slice(bytes),
        });
    }

    fn drop_oldest(&mut self) {
        if let Some(run) = self.runs.pop_front() {
            let cost = run.bytes.len() + OVERHEAD_BYTES;
            self.used_bytes -= cost;
            self.budget.give_back(cost);
            self.start = run.next_offset;
        }
    }

    /// Forgets everything; what is appended from `log_end` on is kept again.
    pub(super) fn clear(&mut self, log_end: Offset) {
        while !self.runs.is_empty() {
            self.drop_oldest();
        }
        self.start = log_end;
    }

    /// Gives the share of the budget back if nothing was appended since the last call.
    pub(super) fn clear_if_idle(&mut self, log_end: Offset) {
        if !std::mem::take(&mut self.is_busy) {
            self.clear(log_end);
        }
    }

    /// What a read from the files would give, if it is here. `None`: ask the files.
    pub(super) fn read(&self, offset: Offset, limits: ReadLimits) -> Option<(Bytes, Offset)> {
        if offset < self.start || self.runs.is_empty() {
            return None;
        }
        let first = self.runs.partition_point(|run| run.next_offset <= offset);
        let (mut taken, mut next_offset) = (Vec::new(), offset);
        let (mut size, mut is_first) = (0, true);
        for run in self.runs.range(first..) {
            let mut bytes = run.bytes.clone();
            if is_first {
                bytes = skip_to(bytes, offset);
            }
            let left = ReadLimits {
                max_bytes: limits.max_bytes.saturating_sub(size),
                minimum_one: limits.minimum_one && is_first,
                ..limits
            };
            is_first = false;
            let Some((end, next)) = whole_batches(&bytes, left) else {
                break;
            };
            let is_whole = end == bytes.len();
            bytes.truncate(end);
            size += end;
            next_offset = next;
            taken.push(bytes);
            if !is_whole {
                break;
            }
        }
        Some((join(taken, size), next_offset))
    }
}

impl Drop for TailCache {
    fn drop(&mut self) {
        self.budget.give_back(self.used_bytes);
    }
}

fn skip_to(mut bytes: Bytes, offset: Offset) -> Bytes {
    while let Ok(header) = kintsugi_wire::batch::BatchHeader::parse(&bytes)
        && header.next_offset() <= offset
        && header.size_bytes() <= bytes.len()
    {
        bytes = bytes.slice(header.size_bytes()..);
    }
    bytes
}

fn join(mut parts: Vec<Bytes>, size: usize) -> Bytes {
    if parts.len() == 1
        && let Some(only) = parts.pop()
    {
        return only;
    }
    let mut joined = BytesMut::with_capacity(size);
    for part in parts {
        joined.extend_from_slice(&part);
    }
    joined.freeze()
}
