//! Cluster metadata: what the quorum agrees on, and the decisions that lead to it.
//!
//! Guarantees: the same records applied in the same order give the same [`Image`] everywhere.
//! Assumes that records come from the quorum, committed and in order. Never does I/O and reads
//! no clock; decisions are functions from an image and a request to records.

pub mod configs;
pub mod decision;
pub mod failure_detector;
pub mod image;
pub mod placement;
pub mod record;
pub mod settings;
pub mod snapshot;
pub mod topics;

pub use image::{BrokerImage, Delta, Image, TopicImage};
pub use record::{BrokerRegistration, MetadataRecord, PartitionState, Reassignment, RecoveryState};
pub use settings::ClusterSettings;
