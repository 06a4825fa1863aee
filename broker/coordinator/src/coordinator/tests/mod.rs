//! Whole lists of commands of a coordinator.

mod deleting;
mod encode;
mod expiry;
mod generations;
mod harness;
mod kafka_rules;
mod offsets;
mod restart;
mod rewriting;
mod statics;
mod survives;
