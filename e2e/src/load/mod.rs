//! The verifying load: numbered, checksummed records on every partition at a steady pace.

pub mod consumer;
pub mod gaps;
pub mod history;
pub mod producer;
pub mod record;
