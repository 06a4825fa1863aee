//! Measurements: what happens to a steady load when a broker is killed, and plain speed.

mod coordinator;
pub mod failover;
pub mod joining;
pub mod partitions;
pub mod probe;
mod report;
pub mod roll;
pub mod served;
pub mod speed;
pub mod told;
pub mod topology;
