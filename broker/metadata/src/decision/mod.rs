//! What the active controller decides: functions from an image and a request to records.
//!
//! Guarantees, after the records are applied: a partition's leader is in its ISR; the ISR is a
//! subset of the replicas, and shares none with the ELR; a fenced broker leads nothing and is in
//! no ISR; the leader epoch grows with each change of leader and each removal of a replica, the
//! partition epoch with each change. Assumes that no other decision comes between the image and the commit of the records.
//! Never changes the image itself.

pub mod alter_partition;
pub mod asked_election;
pub mod election;
pub mod fencing;
pub mod generation;
pub mod partition_change;
pub mod preferred;
pub mod producer_ids;
pub mod reassignment;
pub mod registration;
pub mod stopping;
pub mod unclean_recovery;
pub mod unfencing;
pub mod unregistering;

#[cfg(test)]
mod tests;
