//! What tests of this crate and of those above it share.
//!
//! Guarantees: everything here goes through the real code. Panics are its way to fail.
//! Assumes that only tests and the simulator call it.

mod conformance;

pub use conformance::file_system_conformance;
