//! Identifiers, offsets, epochs, times and error codes that every other crate speaks in.
//!
//! Guarantees: every type here is plain data, ordered where an order means something, and
//! serialised the same way on the wire between Kintsugi's own processes (serde) everywhere.
//! Assumes nothing. Never does I/O, reads no clock and draws no random number.

pub mod bug;
mod endpoint;
mod epoch;
mod error_code;
mod id;
mod incarnation;
mod offset;
mod time;
mod topic;

pub use endpoint::{Endpoint, ParseEndpointError};
pub use epoch::{BrokerEpoch, LeaderEpoch, PartitionEpoch, ProducerEpoch, Term};
pub use error_code::ErrorCode;
pub use id::{
    BrokerId, ClusterId, ControllerId, DirectoryId, ParseClusterIdError, ProducerId, Rack,
};
pub use incarnation::{BootId, Generation, Incarnation, StartCounter};
pub use offset::{MetadataOffset, Offset};
pub use time::{Time, TimestampMs};
pub use topic::{InvalidTopicName, PartitionId, PartitionIndex, TopicId, TopicName};
