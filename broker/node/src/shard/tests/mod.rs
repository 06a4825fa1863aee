//! Shards that replicate from each other.

mod delete_records;
mod flush;
mod full_disk;
mod group_logs;
mod groups;
mod harness;
mod idempotence;
mod looks;
mod making;
mod many_shards;
mod mending;
mod metadata;
mod names;
mod opening;
mod parked;
mod random;
mod reassignment;
mod replication;
mod serving;
mod sessions;
mod settings;
mod traffic;
mod watch;
