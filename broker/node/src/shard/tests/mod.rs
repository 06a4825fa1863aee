//! Shards that replicate from each other.

mod flush;
mod groups;
mod harness;
mod idempotence;
mod many_shards;
mod metadata;
mod names;
mod opening;
mod random;
mod replication;
mod serving;
mod sessions;
