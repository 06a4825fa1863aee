//! Files, segments and logs in Apache Kafka's layout, and the journal of the quorum.
//!
//! Guarantees: all I/O goes through [`fs::FileSystem`], so that the simulator's disk fails where a
//! real one may; nothing counts before the write of it returned, and nothing counts as durable
//! before the sync of it did; what is read from a disk is checked and bounded before it is
//! believed. Assumes that a directory belongs to one process ([`fs::DirectoryLock`]).
//! Never decodes records, reads no clock, draws no random number, and starts no thread.

pub mod checkpoint;
pub mod fs;
pub mod journal;
pub mod log;
pub mod producer_state;
pub mod segment;
pub mod testing;

pub use fs::{DirectoryLock, File, FileSystem, FsError, MemoryFileSystem, RealFileSystem};
pub use journal::{Journal, JournalError, JournalLimits};
pub use log::{
    Appended, Damage, Log, LogConfig, LogContext, LogError, LogLimits, LogSummary, Mended, OpenHow,
    ReadDone, ReadJob, ReadResult, ReadStep, RecoveryReport, SyncJob, SyncScope, Synced,
    TimestampMatch,
};
pub use producer_state::{ProducedBatch, ProducerCheck, ProducerEntry, ProducerError, Producers};
