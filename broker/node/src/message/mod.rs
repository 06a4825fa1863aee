//! Everything that actors say to each other and to the process around them.

pub mod admin;
pub mod broker;
pub mod controller;
pub mod link;
pub mod load;
pub mod reassignment;
pub mod replication;
pub mod shard;
