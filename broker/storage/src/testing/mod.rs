//! What tests of this crate and of those above it share.
//!
//! Guarantees: everything here goes through the real code. Panics are its way to fail.
//! Assumes that only tests and the simulator call it.

mod batches;
mod conformance;

pub use batches::{TestBatch, build_batch};
pub use conformance::file_system_conformance;
