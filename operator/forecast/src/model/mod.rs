//! The forecast of one load: minutes in, a path with error bounds out.
//!
//! Guarantees: bounded memory whatever comes in, the same forecasts for the same minutes, finite
//! numbers only. A forecast is the seasonal profile's change (same time of the week, weighted
//! towards the last weeks, on a log scale) plus a damped level and trend, with weights that each
//! horizon learns for itself; its bounds are quantiles of the errors that it really made at that
//! horizon (conformal prediction, Vovk et al. 2005), each divided by how large it was to be expected:
//! that too is learned, from the errors of the hour of the week and of late, from the change that is
//! expected and from how far those that expect something disagree.
//! Assumes one call a minute, in order; missing minutes are told as gaps.

mod conformal;
mod features;
mod history;
mod horizon;
mod load;
mod regression;

pub use conformal::Scores;
pub use features::FEATURES;
pub use history::{HISTORY_MINUTES, History, MINUTES_PER_DAY, MINUTES_PER_WEEK};
pub use horizon::{Horizon, Skill};
pub use load::{HORIZONS_MINUTES, LoadModel, Point};
