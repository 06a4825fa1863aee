//! Measurements: what happens to a steady load when a broker is killed.

pub mod failover;
pub mod probe;
pub mod topology;
