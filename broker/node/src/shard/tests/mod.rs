//! Shards that replicate from each other.

mod harness;
mod metadata;
mod replication;
mod serving;
