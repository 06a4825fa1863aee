//! The verifying load: numbered, checksummed records on every partition at a steady pace.

pub mod history;
pub mod record;
