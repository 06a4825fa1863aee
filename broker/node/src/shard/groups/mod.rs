//! The coordinators of groups: one for each partition of `__consumer_offsets` that is led here.
//!
//! Guarantees: a coordinator answers only in the leader epoch that it was loaded in, and only
//! after it has taken over everything that was committed before; what it appends is answered for
//! when it is committed. Taking over a leadership reads nothing: loading begins after it, and is cut
//! into pieces, so that other partitions are served meanwhile; requests that come before its end
//! are answered COORDINATOR_LOAD_IN_PROGRESS. The log of a coordinator stays in proportion to what
//! is in use: it is rewritten when it has grown.

mod appends;
mod hosted;
mod load;
mod rewrite;

use std::collections::{BTreeMap, BTreeSet};

use kintsugi_coordinator::{self as coordinator, Coordinator, CoordinatorConfig, TOPIC_NAME};
use kintsugi_storage::FileSystem;
use kintsugi_types::{ErrorCode, LeaderEpoch, Offset, PartitionId, Time, TimestampMs, TopicName};

use super::Shard;
use crate::message::shard::{Command, GroupAsk, Token};
use appends::Appends;
use hosted::{Hosted, State};

/// The coordinators of a shard.
#[derive(Debug)]
pub(super) struct Groups {
    config: CoordinatorConfig,
    rng: fastrand::Rng,
    hosted: BTreeMap<PartitionId, Hosted>,
    /// Partitions that are led here since the last event.
    to_begin: BTreeSet<PartitionId>,
    /// Coordinators that were loaded since the last event.
    loaded: BTreeSet<PartitionId>,
    appends: Appends,
    /// The wall clock as of the last event.
    wall: TimestampMs,
}

impl Groups {
    pub fn new(config: CoordinatorConfig, seed: u64) -> Self {
        Self {
            config,
            rng: fastrand::Rng::with_seed(seed),
            hosted: BTreeMap::new(),
            to_begin: BTreeSet::new(),
            loaded: BTreeSet::new(),
            appends: Appends::default(),
            wall: TimestampMs(0),
        }
    }

    pub fn set_wall(&mut self, wall: TimestampMs) {
        self.wall = wall;
    }

    pub fn next_wake(&self) -> Time {
        let wakes = self.hosted.values().map(Hosted::next_wake);
        wakes
            .min()
            .unwrap_or(Time::NEVER)
            .min(self.appends.next_wake())
    }

    fn begin(
        &mut self,
        now: Time,
        (id, epoch, log_start): (PartitionId, LeaderEpoch, Offset),
        rewrite_at_bytes: u64,
    ) {
        let coordinator = Coordinator::new(self.config.clone(), self.rng.u64(..));
        let hosted = Hosted::loading(now, coordinator, epoch, log_start, rewrite_at_bytes);
        self.hosted.insert(id, hosted);
    }
}

impl<F: FileSystem> Shard<F> {
    /// A client's request to a group's coordinator.
    pub(super) fn group_request(&mut self, now: Time, ask: GroupAsk, out: &mut Vec<Command>) {
        let GroupAsk {
            token,
            partition,
            version,
            client,
            request,
        } = ask;
        if let Err(error) = self.ready_coordinator(now, partition, out) {
            let response = request.refuse(error);
            out.push(Command::AnswerGroup { token, response });
            return;
        }
        let event = coordinator::Event::Request {
            token: token.0,
            version,
            client,
            request,
        };
        self.coordinate(now, partition, event, out);
    }

    /// Makes sure that the partition's coordinator is ready.
    fn ready_coordinator(
        &mut self,
        now: Time,
        id: PartitionId,
        out: &mut Vec<Command>,
    ) -> Result<(), ErrorCode> {
        let local = self.led(now, id, LeaderEpoch::UNKNOWN);
        let local = local.map_err(|_| ErrorCode::NotCoordinator)?;
        if local.name.as_str() != TOPIC_NAME {
            return Err(ErrorCode::NotCoordinator);
        }
        let epoch = local.replica.leader_epoch();
        if self
            .groups
            .hosted
            .get(&id)
            .is_some_and(|hosted| hosted.epoch != epoch)
        {
            self.resign(id, out);
        }
        self.begin_group(now, id);
        let Some(hosted) = self.groups.hosted.get_mut(&id) else {
            return Err(ErrorCode::CoordinatorNotAvailable);
        };
        match &hosted.state {
            State::Ready(_) => Ok(()),
            State::Loading { .. } => {
                hosted.is_wanted = true;
                Err(ErrorCode::CoordinatorLoadInProgress)
            }
            State::Failed => Err(ErrorCode::CoordinatorNotAvailable),
        }
    }

    /// Gives a coordinator an event, and carries out what it wants.
    fn coordinate(
        &mut self,
        now: Time,
        id: PartitionId,
        event: coordinator::Event,
        out: &mut Vec<Command>,
    ) {
        let wall = self.groups.wall;
        let mut events = vec![event];
        while let Some(event) = events.pop() {
            let Some(coordinator) = self.groups.hosted.get_mut(&id).and_then(Hosted::ready) else {
                return;
            };
            let mut commands = Vec::new();
            coordinator.handle(now, wall, event, &mut commands);
            for command in commands {
                match command {
                    coordinator::Command::Respond { token, response } => {
                        let token = Token(token);
                        out.push(Command::AnswerGroup { token, response });
                    }
                    coordinator::Command::Append {
                        append_token,
                        batch,
                    } => {
                        let failed = self.group_append(now, id, append_token, batch);
                        events.extend(failed);
                    }
                    coordinator::Command::Rewritten {
                        is_done,
                        size_bytes,
                    } => self.end_rewrite(now, id, is_done, size_bytes),
                }
            }
        }
    }

    /// What is due: sessions of members, appends that wait for too long.
    pub(super) fn wake_groups(&mut self, now: Time, out: &mut Vec<Command>) {
        for id in std::mem::take(&mut self.groups.loaded) {
            let hosted = self.groups.hosted.get_mut(&id);
            let topics = hosted.map(|hosted| std::mem::take(&mut hosted.topics_deleted));
            self.tell_deleted(now, id, topics.unwrap_or_default(), out);
        }
        let hosted = self.groups.hosted.iter();
        let due = hosted.filter(|(_, hosted)| hosted.next_wake() <= now);
        let due: Vec<PartitionId> = due.map(|(id, _)| *id).collect();
        for id in due {
            self.coordinate(now, id, coordinator::Event::Wake, out);
        }
        self.time_out_appends(now, out);
    }

    /// Topics were deleted: nobody needs the offsets that were committed of them.
    pub(super) fn forget_offsets_of(
        &mut self,
        now: Time,
        topics: &[TopicName],
        out: &mut Vec<Command>,
    ) {
        let all: Vec<PartitionId> = self.groups.hosted.keys().copied().collect();
        for id in all {
            match self.groups.hosted.get_mut(&id) {
                Some(hosted) if matches!(hosted.state, State::Loading { .. }) => {
                    hosted.topics_deleted.extend(topics.iter().cloned());
                }
                _ => self.tell_deleted(now, id, topics.to_vec(), out),
            }
        }
    }

    fn tell_deleted(
        &mut self,
        now: Time,
        id: PartitionId,
        topics: Vec<TopicName>,
        out: &mut Vec<Command>,
    ) {
        if !topics.is_empty() {
            let event = coordinator::Event::TopicsDeleted { topics };
            self.coordinate(now, id, event, out);
        }
    }

    /// Ends the coordinators of partitions that are no longer led in their epoch.
    pub(super) fn resign_lost_groups(&mut self, out: &mut Vec<Command>) {
        let is_lost = |(id, hosted): (&PartitionId, &Hosted)| {
            let local = self.partitions.get(id);
            let is_led = local.is_some_and(|partition| {
                partition.replica.is_leader() && partition.replica.leader_epoch() == hosted.epoch
            });
            (!is_led).then_some(*id)
        };
        let lost: Vec<PartitionId> = self.groups.hosted.iter().filter_map(is_lost).collect();
        for id in lost {
            self.resign(id, out);
        }
    }

    /// Ends every coordinator: this broker hands over.
    pub(super) fn resign_all_groups(&mut self, out: &mut Vec<Command>) {
        let all: Vec<PartitionId> = self.groups.hosted.keys().copied().collect();
        for id in all {
            self.resign(id, out);
        }
    }

    fn resign(&mut self, id: PartitionId, out: &mut Vec<Command>) {
        self.groups.appends.forget(id);
        let Some(hosted) = self.groups.hosted.remove(&id) else {
            return;
        };
        let State::Ready(coordinator) = hosted.state else {
            return;
        };
        let mut commands = Vec::new();
        coordinator.resign(&mut commands);
        for command in commands {
            if let coordinator::Command::Respond { token, response } = command {
                let token = Token(token);
                out.push(Command::AnswerGroup { token, response });
            }
        }
    }
}
