//! Asynchronous connections that speak the Kafka protocol.
//!
//! Guarantees: requests in flight, frames and waiting are bounded; answers are checked before they
//! are decoded; a connection that breaks fails every request on it and never comes back.
//! Assumes a tokio runtime. Never retries, never reconnects, never chooses a broker: callers know
//! what is safe to repeat.

mod connection;
mod error;
mod io;
mod limits;
mod versions;

pub use connection::Connection;
pub use error::{ClientError, CloseReason};
pub use kafka_protocol::messages;
pub use limits::Limits;
pub use versions::SupportedVersions;
