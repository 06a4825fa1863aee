//! Settings of logs, by Apache Kafka's names where it has one, and what logs share.

use std::sync::Arc;

use super::tail_cache::TailBudget;
use crate::fs::FileSystem;
use crate::segment::Descriptors;

/// The settings of one log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LogConfig {
    /// `segment.bytes`: a new segment begins before a batch that would make it larger.
    pub segment_bytes: u64,
    /// `segment.ms`: a new segment begins when the active one has been in use for so long.
    pub segment_ms: i64,
    /// `index.interval.bytes`: how much log lies between two index entries.
    pub index_interval_bytes: u64,
    /// `retention.ms`: segments whose last record is older may go; `None` keeps them.
    pub retention_ms: Option<i64>,
    /// `retention.bytes`: the oldest segments may go while the rest is at least so large; `None`
    /// keeps them.
    pub retention_bytes: Option<u64>,
    /// `flush.messages`: a sync begins when so many records are not synced. With 1 a record counts
    /// only once it is synced.
    pub flush_messages: u64,
    /// `flush.ms`: a sync begins when records have not been synced for so long; `None` leaves it to
    /// the operating system.
    pub flush_ms: Option<u64>,
    /// `max.message.bytes`: the largest batch that a leader appends.
    pub max_message_bytes: usize,
    /// The bytes of the newest batches that are kept in memory for live readers. Ours.
    pub tail_cache_bytes: usize,
    /// `producer.id.expiration.ms`: a producer that appended nothing for so long is forgotten.
    pub producer_expiration_ms: i64,
    /// The producers that are remembered; beyond, the one that appended longest ago is forgotten.
    /// Ours: clients decide how many there are, and memory has a bound. One takes about 300 bytes.
    pub producers_max: usize,
}

impl LogConfig {
    /// The largest `segment.bytes`: positions in the index have 31 bits.
    pub const SEGMENT_BYTES_MAX: u64 = i32::MAX as u64;
}

impl Default for LogConfig {
    /// Apache Kafka's defaults.
    fn default() -> Self {
        Self {
            segment_bytes: 1 << 30,
            segment_ms: 7 * 24 * 3_600 * 1_000,
            index_interval_bytes: 4096,
            retention_ms: Some(7 * 24 * 3_600 * 1_000),
            retention_bytes: None,
            flush_messages: u64::MAX,
            flush_ms: None,
            max_message_bytes: 1_048_588,
            tail_cache_bytes: 1 << 20,
            producer_expiration_ms: 24 * 3_600 * 1_000,
            producers_max: 5_000,
        }
    }
}

/// Limits that all logs of a process share.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LogLimits {
    /// Files kept open at a time.
    pub open_files_max: usize,
    /// Bytes of all tail caches together.
    pub tail_cache_bytes_max: usize,
}

impl Default for LogLimits {
    fn default() -> Self {
        Self {
            open_files_max: 4096,
            tail_cache_bytes_max: 32 << 20,
        }
    }
}

/// What logs share: the file system, the open files, the budget of the tail caches. A handle.
pub struct LogContext<F: FileSystem> {
    pub(super) descriptors: Descriptors<F>,
    pub(super) tail_budget: Arc<TailBudget>,
}

impl<F: FileSystem> LogContext<F> {
    /// A context with these limits.
    #[must_use]
    pub fn new(fs: F, limits: LogLimits) -> Self {
        Self {
            descriptors: Descriptors::new(fs, limits.open_files_max),
            tail_budget: Arc::new(TailBudget::new(limits.tail_cache_bytes_max)),
        }
    }

    /// How many log files are open, at most [`LogLimits::open_files_max`].
    #[must_use]
    pub fn open_files(&self) -> usize {
        self.descriptors.open_files()
    }

    /// The most log files that are kept open.
    #[must_use]
    pub fn open_files_max(&self) -> usize {
        self.descriptors.open_files_max()
    }

    /// The file system.
    #[must_use]
    pub fn fs(&self) -> &F {
        self.descriptors.fs()
    }
}

impl<F: FileSystem> std::fmt::Debug for LogContext<F> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("LogContext")
            .field("open_files", &self.open_files())
            .finish_non_exhaustive()
    }
}

impl<F: FileSystem> Clone for LogContext<F> {
    fn clone(&self) -> Self {
        Self {
            descriptors: self.descriptors.clone(),
            tail_budget: Arc::clone(&self.tail_budget),
        }
    }
}
