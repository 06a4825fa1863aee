//! A disk that loses what was not synced, and may keep a part of what was under way.

use std::collections::VecDeque;

use kintsugi_quorum::{Persist, PersistToken, Recovered};
use kintsugi_types::Time;

/// What survives a crash, and what is on its way there.
pub struct SimDisk {
    durable: Recovered,
    under_way: VecDeque<(Time, Persist)>,
}

impl SimDisk {
    /// A directory that was just formatted.
    pub fn new(may_vote: bool) -> Self {
        Self {
            durable: Recovered::fresh(may_vote),
            under_way: VecDeque::new(),
        }
    }

    /// Begins a write that ends at `done`, or when those before it end, if that is later.
    pub fn write(&mut self, persist: Persist, done: Time) -> Time {
        let after = self.under_way.back().map_or(done, |(t, _)| done.max(*t));
        self.under_way.push_back((after, persist));
        after
    }

    /// Ends the first write under way.
    pub fn finish_one(&mut self) -> Option<PersistToken> {
        let (_, persist) = self.under_way.pop_front()?;
        let steps = steps(&persist);
        apply_steps(&mut self.durable, &persist, steps);
        Some(persist.token)
    }

    /// Loses what was not synced: some writes may have reached the disk, one of them in part.
    pub fn crash(&mut self, rng: &mut fastrand::Rng) -> Recovered {
        let whole = rng.usize(0..=self.under_way.len());
        // Most often nothing that was not synced survives.
        for _ in 0..if rng.bool() { whole } else { 0 } {
            self.finish_one();
        }
        if let Some((_, torn)) = self.under_way.pop_front() {
            let kept = rng.usize(0..=steps(&torn));
            apply_steps(&mut self.durable, &torn, if rng.bool() { kept } else { 0 });
        }
        self.under_way.clear();
        self.durable.clone()
    }
}

fn steps(persist: &Persist) -> usize {
    3 + persist.entries.len()
}

/// Carries out the first `count` steps of a write, in the order that is promised.
fn apply_steps(durable: &mut Recovered, persist: &Persist, count: usize) {
    if count > 0
        && let Some(hard_state) = &persist.hard_state
    {
        durable.hard_state = hard_state.clone();
    }
    if count > 1
        && let Some(snapshot) = &persist.snapshot
    {
        durable.snapshot = Some(snapshot.clone());
    }
    if count > 2
        && let Some(from) = persist.truncate_from
    {
        durable.entries.retain(|e| e.index < from);
    }
    let appended = count.saturating_sub(3);
    durable
        .entries
        .extend(persist.entries.iter().take(appended).cloned());
    let end = durable.snapshot.as_ref().map_or(0, |s| s.last.index.0);
    if count == steps(persist) && end.is_multiple_of(2) {
        // Entries in a snapshot may be removed from the log, now or later.
        let contains_end = durable.entries.iter().any(|e| e.index.0 == end);
        durable.entries.retain(|e| !contains_end || e.index.0 > end);
    }
}
