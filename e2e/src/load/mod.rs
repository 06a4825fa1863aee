//! The verifying load: numbered, checksummed records on every partition at a steady pace.

pub mod client_log;
pub mod consumer;
pub mod gaps;
pub mod group;
pub mod history;
pub mod java;
pub mod producer;
pub mod record;
