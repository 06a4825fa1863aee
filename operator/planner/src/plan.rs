//! A plan: what to move, in which order, what it costs and what it brings.

use std::time::Duration;

use crate::input::PartitionId;
use crate::profile::Goal;

/// What a plan may touch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Everything.
    Full,
    /// Replicas and leaderships move only to these brokers.
    AddBrokers(Vec<i32>),
    /// The replicas of these brokers leave them, and nothing else moves.
    RemoveBrokers(Vec<i32>),
    /// Replicas leave these brokers until each uses no more of its disk than the profile's
    /// threshold of its capacity, and nothing else moves. Those of them that do not now are left
    /// alone. No broker takes more than that threshold, and no other hard goal is broken.
    MoveOutOfDisk(Vec<i32>),
    /// Leaderships move, replicas do not.
    Leaders,
}

/// How fast a broker may be made to copy, for the estimate of the time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rates {
    /// Bytes that a broker receives each second for moves.
    pub inbound_bytes_per_second: f64,
    /// Bytes that a broker sends each second for moves.
    pub outbound_bytes_per_second: f64,
    /// Leaderships that the cluster moves each second.
    pub leaderships_per_second: f64,
}

/// What bounds a plan.
#[derive(Debug, Clone, PartialEq)]
pub struct Limits {
    /// The same model, profile, scope and seed give the same plan.
    pub seed: u64,
    /// Replicas and leaderships that may move.
    pub max_moves: usize,
    /// For the estimate of the time.
    pub rates: Rates,
    /// Whether to work out the bound, which looks at every replica of the brokers that break a
    /// goal; what runs every few seconds can do without.
    pub certify: bool,
}

impl Default for Limits {
    /// 50 MiB/s a broker leaves most of a gigabit to clients; 1,000 leaderships are what Cruise
    /// Control moves at once.
    fn default() -> Self {
        const RATE: f64 = 50.0 * 1024.0 * 1024.0;
        Limits {
            seed: 1,
            max_moves: 1_000_000,
            certify: true,
            rates: Rates {
                inbound_bytes_per_second: RATE,
                outbound_bytes_per_second: RATE,
                leaderships_per_second: 1_000.0,
            },
        }
    }
}

/// One partition's new place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionChange {
    /// Which partition.
    pub partition: PartitionId,
    /// Brokers that have a replica now, in preferred order.
    pub replicas_before: Vec<i32>,
    /// Brokers that should, in preferred order: the leader first, as Kafka's own balancing of
    /// leaders would otherwise take the leadership back.
    pub replicas_after: Vec<i32>,
    /// Who leads now.
    pub leader_before: Option<i32>,
    /// Who should.
    pub leader_after: Option<i32>,
    /// Bytes to copy; 0 when only the leadership moves.
    pub bytes: u64,
    /// Replicas of it that serve now. Fewer than it should have: it is endangered.
    pub online_replicas: usize,
}

impl PartitionChange {
    /// Whether a replica of it is offline.
    pub fn is_endangered(&self) -> bool {
        self.online_replicas < self.replicas_before.len()
    }
}

/// What became of a goal, as the [`crate::checker`] counts it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GoalOutcome {
    /// Which goal.
    pub goal: Goal,
    /// Places where it is broken now.
    pub violations_before: u64,
    /// Places where it would be after the plan.
    pub violations_after: u64,
    /// Why it cannot be met, or was not, in words; none where it is.
    pub unmet: Option<String>,
}

/// How much of each kind of move a plan has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MoveCounts {
    /// Leaderships that change their broker; free.
    pub leaderships: usize,
    /// Replicas that are copied.
    pub replicas: usize,
    /// Of the search's steps, those that exchanged two replicas.
    pub swaps: usize,
    /// Of the search's steps, those that made room for one replica by moving another on.
    pub chains: usize,
}

/// A plan. Changes are in the order in which to carry them out: endangered partitions first, those
/// with the fewest serving replicas before others, then small before large.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// What to change.
    pub changes: Vec<PartitionChange>,
    /// Each goal of the profile, highest first.
    pub goals: Vec<GoalOutcome>,
    /// Bytes to copy.
    pub bytes: u64,
    /// No plan that meets the goals of disk and network in copies fewer bytes than this. Absent
    /// where the bound does not cover the goals, where they are not met, and where it is 0.
    pub bound_bytes: Option<u64>,
    /// How much of each kind.
    pub moves: MoveCounts,
    /// How long the copying takes at the given rates, at least.
    pub estimated_time: Duration,
}

/// Why no plan could be made.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum PlanError {
    /// A scope that names a broker that the model does not have.
    #[error("scope names broker {id}, which is not among the brokers")]
    UnknownBroker {
        /// The id.
        id: i32,
    },
    /// A disk that stays too full, as nothing that would have to leave it finds a place.
    #[error(
        "broker {id} has {too_much_bytes} bytes more on its disk than it may, and {left_bytes} of \
         these find no place: other disks have room for {room_bytes} bytes, where racks, replicas of \
         the same partition and other hard goals allow it; add brokers, or make disks larger"
    )]
    NoRoom {
        /// The broker.
        id: i32,
        /// What must leave it.
        too_much_bytes: u64,
        /// What of that would stay.
        left_bytes: u64,
        /// What the disks of the brokers that may take replicas have room for.
        room_bytes: u64,
    },
    /// New brokers that nothing may move to.
    #[error("scope adds broker {id}, but its state takes no replicas; uncordon it first")]
    TakesNoReplicas {
        /// The id.
        id: i32,
    },
    /// A rate that is not a rate.
    #[error("rates.{field} is {value}; give a finite number above 0")]
    Rate {
        /// Name of the field.
        field: &'static str,
        /// What it held.
        value: f64,
    },
    /// No broker may take replicas.
    #[error("no broker takes replicas: all are dead, draining, cordoned or excluded")]
    NoBrokers,
}
