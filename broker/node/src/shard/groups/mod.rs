//! The coordinators of groups: one for each partition of `__consumer_offsets` that is led here.
//!
//! Guarantees: a coordinator answers only in the leader epoch that it was loaded in, and only
//! after it has taken over everything that was committed before; what it appends is answered for
//! when it is committed. A coordinator is made by the first request for its partition, so that
//! taking over a leadership reads nothing. Loading is cut into pieces, so that other partitions
//! are served meanwhile.

mod appends;
mod load;

use std::collections::BTreeMap;

use kintsugi_coordinator::{self as coordinator, Coordinator, CoordinatorConfig, TOPIC_NAME};
use kintsugi_storage::FileSystem;
use kintsugi_types::{ErrorCode, LeaderEpoch, Offset, PartitionId, Time, TimestampMs};

use super::Shard;
use crate::message::shard::{Command, GroupAsk, Token};
use appends::Appends;

/// The coordinators of a shard.
#[derive(Debug)]
pub(super) struct Groups {
    config: CoordinatorConfig,
    rng: fastrand::Rng,
    hosted: BTreeMap<PartitionId, Hosted>,
    appends: Appends,
    /// The wall clock as of the last event.
    wall: TimestampMs,
}

/// One partition's coordinator, in one leader epoch.
#[derive(Debug)]
struct Hosted {
    epoch: LeaderEpoch,
    state: State,
}

#[derive(Debug)]
enum State {
    /// What is before `next` is taken over.
    Loading {
        coordinator: Coordinator,
        next: Offset,
    },
    Ready(Coordinator),
    /// The log holds something that cannot be read.
    Failed,
}

impl Groups {
    pub fn new(config: CoordinatorConfig, seed: u64) -> Self {
        Self {
            config,
            rng: fastrand::Rng::with_seed(seed),
            hosted: BTreeMap::new(),
            appends: Appends::default(),
            wall: TimestampMs(0),
        }
    }

    pub fn set_wall(&mut self, wall: TimestampMs) {
        self.wall = wall;
    }

    pub fn next_wake(&self) -> Time {
        let ready = self
            .hosted
            .values()
            .filter_map(|hosted| match &hosted.state {
                State::Ready(coordinator) => Some(coordinator.next_wake()),
                State::Loading { .. } | State::Failed => None,
            });
        ready
            .min()
            .unwrap_or(Time::NEVER)
            .min(self.appends.next_wake())
    }

    fn begin(&mut self, id: PartitionId, epoch: LeaderEpoch, log_start: Offset) {
        let coordinator = Coordinator::new(self.config.clone(), self.rng.u64(..));
        let state = State::Loading {
            coordinator,
            next: log_start,
        };
        self.hosted.insert(id, Hosted { epoch, state });
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
        let (epoch, log_start) = (local.replica.leader_epoch(), local.log.log_start());
        if self
            .groups
            .hosted
            .get(&id)
            .is_some_and(|hosted| hosted.epoch != epoch)
        {
            self.resign(id, out);
        }
        if !self.groups.hosted.contains_key(&id) {
            self.groups.begin(id, epoch, log_start);
        }
        self.load_some(now, id);
        match self.groups.hosted.get(&id).map(|hosted| &hosted.state) {
            Some(State::Ready(_)) => Ok(()),
            Some(State::Loading { .. }) => Err(ErrorCode::CoordinatorLoadInProgress),
            Some(State::Failed) | None => Err(ErrorCode::CoordinatorNotAvailable),
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
            let Some(State::Ready(coordinator)) = self
                .groups
                .hosted
                .get_mut(&id)
                .map(|hosted| &mut hosted.state)
            else {
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
                }
            }
        }
    }

    /// What is due: sessions of members, appends that wait for too long.
    pub(super) fn wake_groups(&mut self, now: Time, out: &mut Vec<Command>) {
        let due = self
            .groups
            .hosted
            .iter()
            .filter(|(_, hosted)| match &hosted.state {
                State::Ready(coordinator) => coordinator.next_wake() <= now,
                State::Loading { .. } | State::Failed => false,
            });
        let due: Vec<PartitionId> = due.map(|(id, _)| *id).collect();
        for id in due {
            self.coordinate(now, id, coordinator::Event::Wake, out);
        }
        self.time_out_appends(now, out);
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
