//! The size of a cluster, ahead of its load, as pure arithmetic.
//!
//! Guarantees: a size is always within the limits that were given (or where the size is now,
//! outside them, moves towards them); without forecast skill it is the HorizontalPodAutoscaler's
//! size, to the letter; with skill it is never below that rule's size at an emergency target;
//! until a full stabilization window was observed it never shrinks, so that lost state costs
//! money, not availability; no input makes it panic or grow past [`Scaler::MAX_STATE_BYTES`].
//! Assumes that `now_ms` is one clock, in milliseconds since the Unix epoch (times that go back
//! are refused), and that samples come about every 15 s; minutes without any are gaps.
//! Never does I/O, reads no clock, has no chance in it: the same calls give the same sizes.
//!
//! The operator's view: [`Scaler::new`], [`Scaler::observe`] with each scrape,
//! [`Scaler::decide`] at each tick, [`Scaler::scaled`] when a change was begun,
//! [`Scaler::scale_finished`] when the new brokers carried their share or the old ones were gone;
//! [`Scaler`] is serde's to keep, [`Scaler::restore`] checks what comes back.

pub mod capacity;
pub mod decide;
mod delay;
mod fill;
mod floors;
pub mod hpa;
pub mod model;
mod reason;
mod sample;
mod scaler;
mod settings;
pub mod storage;

pub use delay::Direction;
pub use reason::{Forecast, Reason};
pub use sample::{Brokers, Loads, Resource, Sample, SampleError};
pub use scaler::{DecideError, Decision, Models, RestoreError, Scaler};
pub use settings::{Constraints, ResourceSettings, Settings, SettingsError};
