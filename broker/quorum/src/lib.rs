//! Raft over opaque commands, as a pure state machine.
