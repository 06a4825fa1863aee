//! One partition's coordinator, in one leader epoch.

use kintsugi_coordinator::Coordinator;
use kintsugi_types::{LeaderEpoch, Offset, Time, TopicName};

/// A coordinator and how far it is.
#[derive(Debug)]
pub(super) struct Hosted {
    pub epoch: LeaderEpoch,
    pub state: State,
    /// When the leadership was taken over.
    pub begun: Time,
    /// Whether a client waits for it: it is loaded first.
    pub is_wanted: bool,
    /// Topics that were deleted while it was loading.
    pub topics_deleted: Vec<TopicName>,
    pub rewrite: Rewrite,
}

#[derive(Debug)]
pub(super) enum State {
    /// What is before `next` is taken over.
    Loading {
        coordinator: Box<Coordinator>,
        next: Offset,
    },
    Ready(Box<Coordinator>),
    /// The log holds something that cannot be read.
    Failed,
}

/// When what is still in use is written anew, so that the rest of the log can go.
#[derive(Debug)]
pub(super) struct Rewrite {
    /// The log's size from which on it is.
    pub at_bytes: u64,
    /// Not before.
    pub not_before: Time,
    /// The log's end when the one that is under way began.
    pub from: Option<Offset>,
}

impl Hosted {
    pub fn loading(
        now: Time,
        coordinator: Coordinator,
        epoch: LeaderEpoch,
        log_start: Offset,
        rewrite_at_bytes: u64,
    ) -> Self {
        Self {
            epoch,
            state: State::Loading {
                coordinator: Box::new(coordinator),
                next: log_start,
            },
            begun: now,
            is_wanted: false,
            topics_deleted: Vec::new(),
            rewrite: Rewrite {
                at_bytes: rewrite_at_bytes,
                not_before: Time::ZERO,
                from: None,
            },
        }
    }

    /// The coordinator, if it is loaded.
    pub fn ready(&mut self) -> Option<&mut Coordinator> {
        match &mut self.state {
            State::Ready(coordinator) => Some(coordinator),
            State::Loading { .. } | State::Failed => None,
        }
    }

    /// When a loaded coordinator wants to be woken.
    pub fn next_wake(&self) -> Time {
        match &self.state {
            State::Ready(coordinator) => coordinator.next_wake(),
            State::Loading { .. } | State::Failed => Time::NEVER,
        }
    }
}
