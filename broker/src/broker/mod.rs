//! The broker role: a thread for `node::broker`, one for each shard, and the sockets of the
//! control and replication listeners.
//!
//! Guarantees: commands of one actor are carried out in order; shards learn of new metadata
//! before anybody who routes by it; the control port is opened before the process registers and
//! held until it ends.

mod control;
mod dial_back;
mod handle;
mod link;
mod published;
mod replication;
mod shard;

pub use control::{Control, ControlInput};
pub use dial_back::hold as hold_control_port;
pub use handle::{BrokerHandle, Gate};
pub use published::Published;
pub use replication::serve as serve_replication;
pub use shard::{Reply, ShardInput, ShardThread};
