//! Consumer groups (classic protocol) over a log, as a pure state machine.
//!
//! Guarantees: an answer that depends on a record goes out only after that record is committed;
//! replaying the records of a partition gives back the groups and offsets that were answered for;
//! the same events give the same commands. Every request gets exactly one answer, at the latest
//! when the coordinator resigns.
//! Assumes that one coordinator at a time is in charge of a partition of `__consumer_offsets`, and
//! that [`Event::Appended`] comes in the order of the appends.
//! Never reads a clock, a socket or a disk. Leaves out transactional offset commits, the expiry of
//! offsets, and the consumer protocol of KIP-848.

mod config;
mod coordinator;
mod event;
mod group;
mod id;
pub mod offset_fetch;
mod partition;
mod record;
mod refuse;

pub use config::CoordinatorConfig;
pub use coordinator::{Coordinator, LoadError};
pub use event::{Client, Command, CommittedOffsets, Event, GroupRequest, GroupResponse};
pub use id::{GroupId, InstanceId, MemberId};
pub use partition::{TOPIC_NAME, partition_for};
pub use record::{Key, RecordError, parse_key};
