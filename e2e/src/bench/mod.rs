//! Measurements: what happens to a steady load when a broker is killed, and plain speed.

pub mod failover;
pub mod probe;
pub mod speed;
pub mod topology;
