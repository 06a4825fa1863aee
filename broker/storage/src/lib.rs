//! Files, segments and logs in Kafka's layout, and the journal of the quorum.

pub mod fs;
pub mod testing;
