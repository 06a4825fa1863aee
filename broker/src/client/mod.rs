//! The client listener: connections, frames and their limits.
//!
//! Guarantees: answers leave a connection in the order of its requests; connections, requests in
//! flight, bytes of requests and bytes of answers in memory each have a named limit; a client
//! that sends or takes nothing is let go. Knows nothing of what requests mean: that is `api`.

mod addresses;
mod connection;
mod intake;
mod listener;
mod memory;
mod output;
mod requests;

pub use listener::serve;
pub use memory::{AnswerBytes, AnswerMemory};
