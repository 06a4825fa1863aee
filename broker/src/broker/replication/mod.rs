//! Fetches between brokers: the listener for followers, and the connections to leaders.
//!
//! Guarantees: one fetch in flight on a connection; a connection that breaks is told to the
//! broker's control as evidence and to the shard as a failed fetch; answers have a time limit.

mod fetcher;
mod listener;

pub use fetcher::Fetchers;
pub use listener::serve;
