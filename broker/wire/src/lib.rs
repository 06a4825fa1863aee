//! The Kafka protocol: bounded decoding and encoding, and the record batch header.
//!
//! Guarantees: no input panics or aborts, and none allocates more than its own length and the named
//! limits of [`schema`] allow.
//! Assumes that a frame's length was bounded before its bytes were read.
//! Never does I/O and never decompresses records.

pub mod api;
pub mod batch;
pub mod fetch;
pub mod frame;
mod leader;
pub mod message;
pub mod offsets;
pub mod primitive;
pub mod produce;
pub mod records;
pub mod schema;
pub use kafka_protocol::protocol::StrBytes;
pub use leader::{CurrentLeader, NodeEndpoint};
