//! Settings of topics and brokers that can be changed while the cluster runs (KIP-226, KIP-339).
//!
//! Guarantees: a setting that is taken is obeyed; every other one is refused in words. One
//! resource's changes are taken all or none. Lowering `min.insync.replicas` clears the ELR of the
//! partitions that it concerns in the same append: from then on what is committed need not be on
//! those replicas.

pub mod alter;
pub mod broker;
mod dynamic;
pub mod kind;
pub mod topic;

pub use alter::{ConfigAlteration, ConfigChange, ConfigRefused, ConfigResource, alter};
pub use dynamic::{Configs, DynamicConfigs, Origin};
pub use kind::ConfigKind;

/// The most settings of one topic or broker, and the most changed at once; more than the tables
/// have names.
pub const CONFIGS_MAX: usize = 64;
/// The longest value, in bytes: a list of throttled replicas names every replica of a topic that
/// moves.
pub const VALUE_BYTES_MAX: usize = 128 << 10;
