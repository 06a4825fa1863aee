//! The replication of one partition, as a pure state machine.
