//! The broker role: a thread for `node::broker`, one for each shard, and the sockets of the
//! control and replication listeners.
//!
//! Guarantees: commands of one actor are carried out in order; shards learn of new metadata
//! before anybody who routes by it; the control port is opened before the process registers and
//! held until it ends.

mod checkpoints;
mod control;
mod dial_back;
mod directory;
mod disk_pool;
mod handle;
mod link;
mod published;
mod replication;
mod shard;
mod shards;
mod start;

pub use control::ControlInput;
pub use dial_back::ControlPort;
pub use directory::Directory;
pub use handle::{BrokerHandle, Gate};
pub use published::Published;
pub use shard::{FetchAnswer, Reply, ShardInput};
pub use start::start;
