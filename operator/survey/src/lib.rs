//! What stands where in a Kafka cluster, and the planner's input made of it. For whoever reads
//! clusters: the operator, and the command that plans for any cluster.
//!
//! Guarantees: pure; what is not known is given to the planner so that no goal judges it.
//! Assumes: an answer that the codec bounded in bytes and elements.
//! Never does: ask a broker, plan.

mod metadata;
mod model;
mod observation;

pub use metadata::{MetadataError, Reached, cluster_of};
pub use model::{Capacities, PartitionLoads, Prepared, UNKNOWN_CAPACITY, prepare};
pub use observation::{Cluster, Partition, PartitionKey};
