//! One partition in one cache line.

use std::ops::{Deref, DerefMut};

use crate::dims::{self, Vector};

/// Replicas that a partition may have; Kafka clusters use 2 to 5, and twice that while they move.
pub const MAX_REPLICATION_FACTOR: usize = 10;

/// No leader.
pub(crate) const NO_LEADER: u8 = u8::MAX;

/// Where a partition is: brokers by their place in the model, in preferred order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seat {
    pub brokers: [u16; MAX_REPLICATION_FACTOR],
    pub count: u8,
    /// Place of the leader among the replicas.
    pub leader: u8,
}

impl Seat {
    #[inline]
    pub fn replicas(&self) -> &[u16] {
        &self.brokers[..usize::from(self.count)]
    }

    #[inline]
    pub fn leader_broker(&self) -> Option<u16> {
        self.replicas().get(usize::from(self.leader)).copied()
    }

    #[inline]
    pub fn place_of(&self, broker: u16) -> Option<usize> {
        self.replicas().iter().position(|at| *at == broker)
    }
}

/// A partition.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub leader_load: [f32; 4],
    pub follower_load: [f32; 4],
    pub topic: u32,
    pub number: i32,
    pub seat: Seat,
}

impl Row {
    #[inline]
    pub fn replica(&self, leads: bool) -> Vector {
        dims::replica(&self.leader_load, &self.follower_load, leads)
    }

    #[inline]
    pub fn leadership(&self) -> Vector {
        dims::leadership(&self.leader_load, &self.follower_load)
    }

    /// Bytes that moving a replica copies.
    #[inline]
    pub fn bytes(&self) -> f64 {
        f64::from(self.follower_load[0])
    }
}

/// A row where a plan looks at few of many: flat and aligned, so that each look is one miss of the cache.
#[derive(Debug, Clone)]
#[repr(align(64))]
pub(crate) struct Line(pub Row);

impl Deref for Line {
    type Target = Row;

    #[inline]
    fn deref(&self) -> &Row {
        &self.0
    }
}

impl DerefMut for Line {
    #[inline]
    fn deref_mut(&mut self) -> &mut Row {
        &mut self.0
    }
}
