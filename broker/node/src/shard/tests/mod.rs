//! Shards that replicate from each other.

mod harness;
mod idempotence;
mod metadata;
mod random;
mod replication;
mod serving;
mod sessions;
