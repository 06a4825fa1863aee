//! Looking for offsets that are to go: those that nobody used for `offsets.retention.minutes`, and
//! those of topics that were deleted.
//!
//! All groups are gone through in small slices. An offset that is being committed is left alone. A
//! group of which nothing is left goes with its last offset.

use std::collections::BTreeMap;
use std::time::Duration;

use kintsugi_types::{Time, TimestampMs, TopicName};

use super::cursor::Cursor;
use super::in_flight::{InFlight, in_flight};
use super::{Coordinator, PendingAppend};
use crate::config::CoordinatorConfig;
use crate::event::Command;
use crate::group::{Group, GroupState, OffsetKey, StoredOffset, Subscribed};
use crate::id::GroupId;

/// How many offsets and groups one slice looks at: about a millisecond.
const LOOKS_MAX: usize = 5_000;
/// How many tombstones go into one batch.
const TOMBSTONES_MAX: usize = 1_000;
/// Between two slices, so that others get their turn.
const PAUSE: Duration = Duration::from_millis(5);

/// Where the look through all groups is.
#[derive(Clone, Debug)]
pub(super) struct Sweep {
    /// When the next slice, or the next round, begins.
    pub(super) at: Time,
    /// From where on, within a round.
    cursor: Option<Cursor>,
    /// Topics that were deleted, and when. Offsets committed later are of a new topic.
    deleted: BTreeMap<TopicName, TimestampMs>,
    /// The same, for the next round: this one has passed groups already.
    deleted_since: BTreeMap<TopicName, TimestampMs>,
}

impl Sweep {
    pub(super) const fn new() -> Self {
        Self {
            at: Time::NEVER,
            cursor: None,
            deleted: BTreeMap::new(),
            deleted_since: BTreeMap::new(),
        }
    }
}

/// What one slice found in one group.
struct Found {
    group: GroupId,
    keys: Vec<OffsetKey>,
}

impl Coordinator {
    /// Topics are no more: looks for their offsets at once.
    pub(super) fn forget_topics(&mut self, now: Time, wall: TimestampMs, topics: Vec<TopicName>) {
        let topics = topics.into_iter().map(|topic| (topic, wall));
        self.sweep.deleted_since.extend(topics);
        self.sweep.at = self.sweep.at.min(now);
    }

    /// Looks at some more groups, if it is time to.
    pub(super) fn sweep_some(&mut self, now: Time, wall: TimestampMs, out: &mut Vec<Command>) {
        if now < self.sweep.at {
            return;
        }
        let start = self.sweep.cursor.take().unwrap_or_else(|| {
            self.sweep.deleted = std::mem::take(&mut self.sweep.deleted_since);
            Cursor::start()
        });
        let (found, unused, next) = self.look(&start, wall);
        for Found { group: id, keys } in found {
            self.with_group(now, wall, &id, out, |group, context| {
                let records = group.tombstones(&keys, context.wall);
                let pending = PendingAppend::Drop {
                    group: group.id.clone(),
                    keys,
                    answer: None,
                };
                // What fails is found again in the next round.
                if context.append(&records, pending).is_ok() {
                    group.appends_in_flight += 1;
                }
            });
        }
        for id in unused {
            self.with_group(now, wall, &id, out, Group::delete_if_unused);
        }
        let is_done = next.is_none();
        self.sweep.cursor = next;
        let goes_on = !is_done || !self.sweep.deleted_since.is_empty();
        let pause = if goes_on {
            PAUSE
        } else {
            self.config.offsets_check
        };
        self.sweep.at = now + pause;
    }

    /// The offsets of one slice that are to go, the groups of which nothing is left, and where to
    /// go on; nowhere at the end of a round.
    fn look(
        &self,
        start: &Cursor,
        wall: TimestampMs,
    ) -> (Vec<Found>, Vec<GroupId>, Option<Cursor>) {
        let in_flight = in_flight(&self.appends);
        let (nothing, mut looks) = (InFlight::default(), 0);
        let (mut found, mut unused) = (Vec::new(), Vec::new());
        for (id, group) in self.groups.range(start.group.clone()..) {
            let busy = in_flight.get(id).unwrap_or(&nothing);
            let rule = Rule::of(group);
            let mut keys: Vec<OffsetKey> = Vec::new();
            for (key, stored) in start.offsets_of(group) {
                if looks >= LOOKS_MAX || keys.len() >= TOMBSTONES_MAX {
                    let next = Cursor::at(id, key);
                    if !keys.is_empty() {
                        found.push(Found {
                            group: id.clone(),
                            keys,
                        });
                    }
                    return (found, unused, Some(next));
                }
                looks += 1;
                if !busy.has_offset(key) && self.is_over(&rule, key, stored, wall) {
                    keys.push(key.clone());
                }
            }
            looks += 1;
            if group.offsets.is_empty() && group.state == GroupState::Empty {
                unused.push(id.clone());
            }
            if !keys.is_empty() {
                found.push(Found {
                    group: id.clone(),
                    keys,
                });
            }
        }
        (found, unused, None)
    }

    fn is_over(
        &self,
        rule: &Rule,
        key: &OffsetKey,
        stored: &StoredOffset,
        wall: TimestampMs,
    ) -> bool {
        let deleted_at = self.sweep.deleted.get(&key.0);
        deleted_at.is_some_and(|at| stored.commit.committed_at <= *at)
            || rule.is_expired(&self.config, key, stored, wall)
    }
}

/// From when on the offsets of a group age, as Kafka does it.
struct Rule {
    since: Since,
    subscribed: Subscribed,
}

enum Since {
    /// Each from its commit on: the group has no members at any time, or members that do not
    /// subscribe to the topic.
    Commit,
    /// From when the last member left.
    Empty(TimestampMs),
    /// They do not: the members are not known to have no use for them.
    Never,
}

impl Rule {
    fn of(group: &Group) -> Self {
        let subscribed = group.subscribed_topics();
        let knows_topics = matches!(subscribed, Subscribed::Topics(_));
        let since = match group.state {
            GroupState::Empty if group.protocol_type.is_some() => Since::Empty(group.state_since),
            GroupState::Empty => Since::Commit,
            GroupState::Stable if knows_topics => Since::Commit,
            _ => Since::Never,
        };
        Self { since, subscribed }
    }

    fn is_expired(
        &self,
        config: &CoordinatorConfig,
        key: &OffsetKey,
        stored: &StoredOffset,
        wall: TimestampMs,
    ) -> bool {
        let since = match self.since {
            Since::Never => return false,
            Since::Commit => stored.commit.committed_at,
            Since::Empty(at) => at,
        };
        if self.subscribed.has(key.0.as_str()) {
            return false;
        }
        match stored.commit.expires_at {
            Some(expires_at) => wall >= expires_at,
            None => {
                let age = wall.0.saturating_sub(since.0);
                u128::try_from(age).is_ok_and(|age| age >= config.offsets_retention.as_millis())
            }
        }
    }
}
