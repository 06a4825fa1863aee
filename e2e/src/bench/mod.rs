//! Measurements: what happens to a steady load when a broker is killed.

mod coordinator;
pub mod failover;
pub mod probe;
mod report;
pub mod roll;
pub mod topology;
