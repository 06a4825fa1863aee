//! Opening a shard: the logs that are there, recovered where the last stop was not clean.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kintsugi_storage::checkpoint::{CheckpointError, ClosedLog, ClosedLogs, OffsetCheckpoint};
use kintsugi_storage::{FileSystem, FsError, Log, LogContext, LogError, OpenHow, RecoveryReport};
use kintsugi_types::{BrokerEpoch, Offset, PartitionId, Time, TopicName};
use kintsugi_wire::batch::BatchHeader;

use super::client_fetch::HeldFetches;
use super::delete_records::WaitingDeletes;
use super::directories::Found;
use super::fetchers::Fetchers;
use super::groups::Groups;
use super::making::Making;
use super::mending::Mends;
use super::parked::Parked;
use super::produce::WaitingProduces;
use super::removing::Removing;
use super::scrub::Scrub;
use super::sessions::Sessions;
use super::settle::Todo;
use super::stale_names::StaleNames;
use super::upkeep::Upkeep;
use super::watch::Watch;
use super::{Shard, ShardConfig, directories};
use crate::directory::{Closed, LastRun};

/// Why a shard could not be opened or closed.
#[derive(Debug, thiserror::Error)]
pub enum ShardError {
    /// A log failed.
    #[error("failed to use the log of {topic}-{index}: {source}", index = partition.index)]
    Log {
        /// The topic's name.
        topic: TopicName,
        /// Which partition.
        partition: PartitionId,
        /// The failure.
        #[source]
        source: LogError,
    },
    /// A small file failed.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The file system failed.
    #[error(transparent)]
    Fs(#[from] FsError),
}

/// What opening a shard's logs found.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct OpenedLogs {
    /// How many there are.
    pub logs: usize,
    /// The bytes that were read and verified.
    pub verified_bytes: u64,
    /// The bytes that were cut off because they were not intact.
    pub cut_bytes: u64,
}

impl OpenedLogs {
    fn add(&mut self, report: &RecoveryReport) {
        self.logs += 1;
        self.verified_bytes += report.verified_bytes;
        self.cut_bytes += report.cut_bytes;
    }
}

/// A log that was found at the start.
pub(super) struct Recovered<F: FileSystem> {
    pub topic: TopicName,
    pub path: PathBuf,
    pub log: Log<F>,
    /// The checkpointed high watermark, or the end of the last whole batch before it.
    pub high_watermark: Offset,
    /// A damaged batch that is to be mended.
    pub to_mend: Option<Offset>,
}

impl<F: FileSystem> Shard<F> {
    /// Opens the logs in `root` that belong to this shard.
    ///
    /// `last` is what the last run left in the whole directory. After a stop that was not clean
    /// every log is verified from its checkpointed recovery point on, and cut where it is not
    /// intact.
    ///
    /// # Errors
    /// When a log or a small file cannot be read.
    pub fn open(
        config: ShardConfig,
        context: LogContext<F>,
        root: &Path,
        last: &LastRun,
        now: Time,
        seed: u64,
    ) -> Result<Self, ShardError> {
        let mut recovered = BTreeMap::new();
        let mut recovered_to_checkpoint = true;
        let mut opened_logs = OpenedLogs::default();
        let mut names_left: BTreeSet<_> =
            last.checkpoints.recovery_points.keys().cloned().collect();
        for found in directories::scan(context.fs(), root, &last.closed)? {
            let partition = found.partition;
            names_left.remove(&(found.topic.clone(), partition.index));
            if partition.shard_of(config.shards) != config.shard {
                continue;
            }
            let topic = found.topic.clone();
            let opened = open_log(&config, &context, found, last);
            let (log, is_whole, report) = opened.map_err(|source| ShardError::Log {
                topic,
                partition,
                source,
            })?;
            opened_logs.add(&report);
            recovered_to_checkpoint &= is_whole;
            recovered.insert(partition, log);
        }
        Ok(Self {
            context,
            root: root.to_owned(),
            partitions: BTreeMap::new(),
            stale_names: StaleNames::new(names_left),
            recovered,
            recovered_to_checkpoint,
            opened_logs,
            nameless: BTreeSet::new(),
            making: Making::default(),
            removing: Removing::default(),
            name_again_at: Time::NEVER,
            image: Arc::default(),
            broker_epoch: BrokerEpoch(-1),
            is_named: false,
            lease_until: None,
            produces: WaitingProduces::default(),
            parked: Parked::default(),
            fetches: HeldFetches::default(),
            deletes: WaitingDeletes::default(),
            sessions: Sessions::default(),
            fetchers: Fetchers::new(config.timings, seed),
            groups: Groups::new(config.groups.clone(), !seed),
            mends: Mends::default(),
            scrub: Scrub::new(now),
            upkeep: Upkeep::new(config.timings, now),
            watch: Watch::default(),
            todo: Todo::default(),
            counts: crate::message::shard::Counts::default(),
            config,
        })
    }

    /// Whether every log that was found reaches its checkpointed high watermark.
    #[must_use]
    pub const fn recovered_to_checkpoint(&self) -> bool {
        self.recovered_to_checkpoint
    }

    /// What opening found.
    #[must_use]
    pub const fn opened_logs(&self) -> OpenedLogs {
        self.opened_logs
    }

    /// Syncs and closes every log, for a clean stop; gives what to leave in the directory.
    /// `sync_all` makes everything durable that was written to the file system, or gives false;
    /// it is called at most once, where there are many logs to sync.
    ///
    /// # Errors
    /// When a log cannot be synced; the stop is then not clean.
    pub fn close(mut self, sync_all: impl FnOnce() -> bool) -> Result<Closed, ShardError> {
        let mut checkpoints = self.checkpoints();
        checkpoints.recovery_points = self.log_ends_by_name();
        let named = self.partitions.into_iter();
        let named = named.map(|(id, local)| (id, local.name, local.log));
        let found = self.recovered.into_iter();
        let found = found.map(|(id, found)| (id, found.topic, found.log));
        let mut closing: Vec<_> = named.chain(found).collect();
        let syncs_max = self.config.limits.closing_syncs_max;
        let all_are_synced = close_together(syncs_max, &mut closing, sync_all)?;
        let mut logs = ClosedLogs::new();
        for (partition, topic, log) in closing {
            let closed = if all_are_synced {
                Ok(log.finish_close())
            } else {
                log.close()
            };
            let summary = closed.map_err(|source| failed(&topic, partition, source))?;
            let closed = ClosedLog {
                topic: partition.topic,
                summary,
            };
            logs.insert((topic, partition.index), closed);
        }
        Ok(Closed { checkpoints, logs })
    }
}

fn failed(topic: &TopicName, partition: PartitionId, source: LogError) -> ShardError {
    let topic = topic.clone();
    ShardError::Log {
        topic,
        partition,
        source,
    }
}

/// Syncs all logs that need it by one sync of the file system, if they are more than `max`:
/// thousands of single ones take longer than a stop may. False: each has still to be synced alone.
fn close_together<F: FileSystem>(
    max: usize,
    closing: &mut [(PartitionId, TopicName, Log<F>)],
    sync_all: impl FnOnce() -> bool,
) -> Result<bool, ShardError> {
    let mut unsynced = 0;
    for (partition, topic, log) in closing.iter_mut() {
        let needs_sync = log.prepare_close();
        unsynced += usize::from(needs_sync.map_err(|source| failed(topic, *partition, source))?);
    }
    if unsynced <= max || !sync_all() {
        return Ok(false);
    }
    for (partition, topic, log) in closing.iter_mut() {
        let synced = log.synced_with_all();
        synced.map_err(|source| failed(topic, *partition, source))?;
    }
    Ok(true)
}

/// Opens one log; gives whether it has all that the checkpoints tell of, and what was found.
fn open_log<F: FileSystem>(
    config: &ShardConfig,
    context: &LogContext<F>,
    found: Found,
    last: &LastRun,
) -> Result<(Recovered<F>, bool, RecoveryReport), LogError> {
    let checkpoints = &last.checkpoints;
    let name = (found.topic.clone(), found.partition.index);
    let of_log = |offsets: &OffsetCheckpoint| offsets.get(&name).copied().unwrap_or_default();
    let how = if last.was_clean {
        OpenHow::Clean
    } else {
        let from = of_log(&checkpoints.recovery_points).max(Offset::ZERO);
        OpenHow::Recover { from }
    };
    let log_config = config.topic_defaults.log.clone();
    let checkpointed = of_log(&checkpoints.high_watermarks);
    let closed = last.closed.get(&name).filter(|_| last.was_clean);
    let known = closed
        .map(|closed| Log::open_closed(context, &found.path, log_config.clone(), &closed.summary));
    let (log, high_watermark, is_whole, report) = match known.transpose()?.flatten() {
        // The mark was checkpointed with this very log.
        Some(log) => {
            let is_whole = log.log_end() >= checkpointed;
            let high_watermark = checkpointed.min(log.log_end());
            (log, high_watermark, is_whole, RecoveryReport::default())
        }
        None => {
            let (mut log, report) = Log::open(context, &found.path, log_config, how)?;
            log.advance_log_start(of_log(&checkpoints.log_starts).min(report.log_end))?;
            let is_whole = report.log_end >= checkpointed && !report.is_damaged;
            let high_watermark = whole_batches_before(&log, checkpointed)?;
            (log, high_watermark, is_whole, report)
        }
    };
    let high_watermark = high_watermark.max(log.log_start());
    let recovered = Recovered {
        topic: found.topic,
        path: found.path,
        log,
        high_watermark,
        to_mend: report.to_mend,
    };
    Ok((recovered, is_whole, report))
}

/// The end of the last batch that lies wholly before `offset`, at most the log's end.
///
/// A checkpointed high watermark ends a batch of the log that it was written for. After a loss of
/// power that may be another one: a cut that was not synced is undone then, and the batches that it
/// took away, which the log had before it followed its present leader, are back.
fn whole_batches_before<F: FileSystem>(log: &Log<F>, offset: Offset) -> Result<Offset, LogError> {
    let end = log.log_end();
    if offset >= end || offset <= log.log_start() {
        return Ok(offset.min(end));
    }
    let read = log.read(offset, 1, end, true)?;
    let header = BatchHeader::parse(&read.bytes);
    Ok(header.map_or(offset, |header| offset.min(header.base_offset)))
}
