//! The groups of one partition: routing, appends and timers.

mod admin;
mod append;
mod context;
mod cursor;
mod dispatch;
mod in_flight;
mod load;
mod offsets;
mod rewrite;
mod sweep;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use fastrand::Rng;
use kintsugi_types::{ErrorCode, Time, TimestampMs};

pub(crate) use append::PendingAppend;
pub(crate) use context::Context;
pub use load::LoadError;

use crate::config::CoordinatorConfig;
use crate::event::{Command, Event};
use crate::group::Group;
use crate::id::GroupId;
use rewrite::Rewrite;
use sweep::Sweep;

/// The coordinator of the groups in one partition of `__consumer_offsets`.
///
/// Made anew whenever this broker becomes that partition's leader: [`Self::load`] each batch from
/// the start of the log, then [`Self::finish_load`], then [`Self::handle`].
#[derive(Clone, Debug)]
pub struct Coordinator {
    config: CoordinatorConfig,
    rng: Rng,
    groups: BTreeMap<GroupId, Group>,
    /// When each group wants to be ticked; one entry a group that has a deadline.
    deadlines: BTreeSet<(Time, GroupId)>,
    appends: BTreeMap<u64, PendingAppend>,
    next_append_token: u64,
    sweep: Sweep,
    rewrite: Option<Rewrite>,
}

impl Coordinator {
    /// A coordinator without groups. `seed` is what member ids are drawn from; it must not repeat
    /// between coordinators.
    #[must_use]
    pub fn new(config: CoordinatorConfig, seed: u64) -> Self {
        Self {
            config,
            rng: Rng::with_seed(seed),
            groups: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            appends: BTreeMap::new(),
            next_append_token: 1,
            sweep: Sweep::new(),
            rewrite: None,
        }
    }

    /// Acts on an event; what is to be done about it is added to `out`.
    pub fn handle(&mut self, now: Time, wall: TimestampMs, event: Event, out: &mut Vec<Command>) {
        match event {
            Event::Request {
                token,
                version,
                client,
                request,
            } => {
                let waiter = crate::group::Waiter { token, version };
                self.on_request(now, wall, waiter, client, request, out);
            }
            Event::Appended {
                append_token,
                result,
            } => {
                self.on_appended(now, wall, append_token, result, out);
                self.rewrite_some(out);
            }
            Event::Wake => self.on_wake(now, wall, out),
            Event::TopicsDeleted { topics } => {
                self.forget_topics(now, wall, topics);
                self.sweep_some(now, wall, out);
            }
            Event::Rewrite => self.begin_rewrite(out),
        }
    }

    /// When [`Event::Wake`] is due; [`Time::NEVER`] for not at all.
    #[must_use]
    pub fn next_wake(&self) -> Time {
        let deadline = self.deadlines.first().map_or(Time::NEVER, |(at, _)| *at);
        deadline.min(self.sweep.at)
    }

    /// Answers every request that waits with NOT_COORDINATOR, because this broker no longer leads
    /// the partition. The coordinator is not to be used any more.
    pub fn resign(mut self, out: &mut Vec<Command>) {
        let ids: Vec<GroupId> = self.groups.keys().cloned().collect();
        for id in ids {
            self.with_group(Time::ZERO, TimestampMs(0), &id, out, |group, context| {
                group.fail_all(context, ErrorCode::NotCoordinator);
            });
        }
        for append in std::mem::take(&mut self.appends).into_values() {
            append.fail(ErrorCode::NotCoordinator, out);
        }
    }

    fn on_wake(&mut self, now: Time, wall: TimestampMs, out: &mut Vec<Command>) {
        // Each group once: what it puts off to this very moment is for the next wake.
        let due = self.deadlines.iter().take_while(|(at, _)| *at <= now);
        let due: Vec<GroupId> = due.map(|(_, id)| id.clone()).collect();
        for id in due {
            self.with_group(now, wall, &id, out, Group::tick);
        }
        self.sweep_some(now, wall, out);
    }

    /// Runs `act` on a group, if it exists, then keeps its deadline and forgets it if it is empty.
    fn with_group<R>(
        &mut self,
        now: Time,
        wall: TimestampMs,
        id: &GroupId,
        out: &mut Vec<Command>,
        act: impl FnOnce(&mut Group, &mut Context<'_>) -> R,
    ) -> Option<R> {
        let group = self.groups.get_mut(id)?;
        let before = group.next_deadline();
        let mut context = Context {
            config: &self.config,
            rng: &mut self.rng,
            now,
            wall,
            out,
            appends: &mut self.appends,
            next_append_token: &mut self.next_append_token,
        };
        let result = act(group, &mut context);
        let after = group.next_deadline();
        self.deadlines.remove(&(before, id.clone()));
        if group.is_forgettable() {
            self.groups.remove(id);
        } else if after < Time::NEVER {
            self.deadlines.insert((after, id.clone()));
        }
        Some(result)
    }
}
