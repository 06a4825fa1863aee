//! Files, segments and logs in Kafka's layout, and the journal of the quorum.

pub mod checkpoint;
pub mod fs;
pub mod log;
pub mod segment;
pub mod testing;
