//! The controller role: a thread for `node::controller`, one for its journal, and the sockets of
//! the controller listener.
//!
//! Guarantees: commands are carried out in order; a write is answered only when the journal says
//! that it is durable; a failed write ends the process with status 74. Everything that a peer may
//! make wait in memory has a bound: a full queue to a voter drops (Raft tolerates loss), a full
//! queue to a broker closes its link (the broker dials again and gets what it missed).

mod actor;
mod dials;
mod journal;
mod links;
mod listener;
mod observed;
mod peer_task;
mod peers;
mod start;
mod status;

pub use actor::Input;
pub use dials::look;
pub use start::start;
pub use status::ControllerStatus;
