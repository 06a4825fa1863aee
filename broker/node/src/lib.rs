//! One broker and one controller as state machines: events in, commands out.
//!
//! Three actors, each a plain struct with `handle(now, event, &mut Vec<Command>)` and
//! `next_wake()`; the process gives each a thread, the simulator runs them all in one:
//! - [`message::controller`]: a voter of the quorum; while it leads, the active controller.
//! - [`message::broker`]: a broker's control: registration, heartbeats, the metadata image.
//! - [`message::shard`]: an event loop that owns some of the broker's partitions.
//!
//! Guarantees: the same events at the same times give the same commands. Assumes that commands
//! of one actor are carried out in order. Never waits, and never touches a socket or a clock;
//! logs are reached through `kintsugi_storage`'s `FileSystem`.

pub mod broker;
pub mod controller;
pub mod directory;
pub mod message;
pub mod shard;
