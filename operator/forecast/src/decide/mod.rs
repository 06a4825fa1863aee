//! The size that costs least over the next hours.
//!
//! Guarantees: of at most [`MAX_CANDIDATES`] sizes the one with the lowest expected cost, where
//! cost is the time that the load is above the capacity, the brokers' time, and the moves, each at
//! its price; exact for the given path and errors, by dynamic programming backward over the
//! stages of the path. Only the first step is ever taken: with the next sample all is decided anew
//! (receding horizon control).
//! Assumes that a broker serves one delay after it was asked for, and that one that is let
//! go stops serving at once but is paid until it is drained.

mod plan;
mod stages;

pub use plan::{Choice, Prices, choose};
pub use stages::{Demand, Outlook, Places};

/// Sizes that are compared in one decision.
pub const MAX_CANDIDATES: usize = 32;
