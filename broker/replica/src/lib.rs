//! The replication of one partition, as a pure state machine.
//!
//! Guarantees: the high watermark never passes the end of a member of the maximal ISR (committed
//! and proposed members together), never moves while the committed ISR is smaller than
//! `min.insync.replicas`, and never goes back within a leader epoch; an acks=all produce is
//! acknowledged only when the high watermark has passed it on a leader; a follower truncates by
//! leader epoch only (KIP-101, KIP-279, KIP-595), never to the high watermark.
//! Assumes that the ends it is told of are those of batches that were written, and that
//! assignments come from committed metadata, in order.
//! Never does I/O, reads no clock: events and times in, [`Command`]s out.

mod assignment;
#[cfg(any(test, feature = "bugs"))]
pub mod bugs;
mod command;
mod config;
mod divergence;
mod leader;
mod replica;
#[cfg(test)]
mod tests;

pub use assignment::{Assignment, LogEnds, Registry};
pub use command::{Command, IsrProposal, Ticket};
pub use config::ReplicaConfig;
pub use divergence::{EpochEnd, PositionCheck, check_position, truncation_offset};
pub use leader::FollowerFetch;
pub use replica::{Replica, RoleName};
