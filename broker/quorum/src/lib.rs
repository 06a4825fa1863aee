//! Raft over opaque commands, as a pure state machine: event in, commands out.
//!
//! Guarantees, if the shell keeps its side: at most one leader a term; a committed entry is in
//! the log of every later leader; [`Command::Apply`] names committed entries in order, each once
//! in an engine's life; nothing that a peer relies on (a vote, an acknowledgement) leaves before
//! it is on disk. The same configuration, seed and events give the same commands.
//!
//! Assumes that the shell carries out [`Command::Persist`] strictly in order and answers each
//! with [`Event::Persisted`] only when it would survive a loss of power; that it ends the process
//! when a write fails; and that it calls [`Engine::handle`] with [`Event::Tick`] no later than
//! [`Engine::next_wake`]. Messages may be lost, doubled, delayed and reordered.
//!
//! Voters are changed one at a time. A voter is an id with a directory: what a directory other
//! than the recorded one says counts in no majority.
//!
//! Never does I/O, reads no clock, draws chance only from its seed, and does not look into
//! commands.
//!
//! Sources: Ongaro, "Consensus: Bridging Theory and Practice" (2014), chapters 3, 4.1 and
//! 4.2.1 (single-server changes, learners), 4.2.3 (voters
//! that hear a leader ignore candidates), 5 (snapshots), 6.2 (check-quorum), 9.6 (pre-vote),
//! 10.2.1 (writing in parallel), 3.10 (leadership transfer).

mod command;
mod config;
mod disk;
mod engine;
mod entry;
mod error;
mod event;
mod log;
mod membership;
mod message;
mod progress;

pub use command::{Command, Persist, PersistToken};
#[cfg(any(test, feature = "bugs"))]
pub use config::Bugs;
pub use config::{Config, Limits, VOTERS_MAX};
pub use engine::{Engine, Role};
pub use entry::{Entry, EntryId, HardState, Payload, Recovered, Snapshot};
pub use error::{ChangeError, EngineError, ProposeError};
pub use event::Event;
pub use membership::{Member, MemberChange, Membership};
pub use message::{Body, Message};
