//! Opening a shard: the logs that are there, recovered where the last stop was not clean.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kintsugi_storage::checkpoint::{CheckpointError, OffsetCheckpoint};
use kintsugi_storage::{FileSystem, FsError, Log, LogContext, LogError, OpenHow};
use kintsugi_types::{BrokerEpoch, Offset, PartitionId, Time, TopicName};
use kintsugi_wire::batch::BatchHeader;

use super::client_fetch::HeldFetches;
use super::fetchers::Fetchers;
use super::groups::Groups;
use super::produce::WaitingProduces;
use super::sessions::Sessions;
use super::settle::Todo;
use super::upkeep::Upkeep;
use super::{Shard, ShardConfig, directories};

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

/// A log that was found at the start.
pub(super) struct Recovered<F: FileSystem> {
    pub topic: TopicName,
    pub path: PathBuf,
    pub log: Log<F>,
    /// The checkpointed high watermark, or the end of the last whole batch before it.
    pub high_watermark: Offset,
}

impl<F: FileSystem> Shard<F> {
    /// Opens the logs in `root` that belong to this shard.
    ///
    /// `high_watermarks` are the checkpointed ones of the whole directory. After a stop that was
    /// not clean every log is verified from its start, and cut where it is not intact.
    ///
    /// # Errors
    /// When a log or a small file cannot be read.
    pub fn open(
        config: ShardConfig,
        context: LogContext<F>,
        root: &Path,
        high_watermarks: &OffsetCheckpoint,
        was_clean: bool,
        now: Time,
        seed: u64,
    ) -> Result<Self, ShardError> {
        let mut recovered = BTreeMap::new();
        let mut recovered_to_checkpoint = true;
        for found in directories::scan(context.fs(), root)? {
            let partition = found.partition;
            if partition.shard_of(config.shards) != config.shard {
                continue;
            }
            let how = if was_clean {
                OpenHow::Clean
            } else {
                OpenHow::Recover { from: Offset::ZERO }
            };
            let log_config = config.topic_defaults.log.clone();
            let opened = Log::open(&context, &found.path, log_config, how);
            let (log, report) = opened.map_err(|source| ShardError::Log {
                topic: found.topic.clone(),
                partition,
                source,
            })?;
            let name = (found.topic.clone(), partition.index);
            let checkpointed = high_watermarks.get(&name).copied().unwrap_or_default();
            recovered_to_checkpoint &= report.log_end >= checkpointed;
            let whole = whole_batches_before(&log, checkpointed);
            let whole = whole.map_err(|source| ShardError::Log {
                topic: found.topic.clone(),
                partition,
                source,
            })?;
            let high_watermark = whole.max(log.log_start());
            let log = Recovered {
                topic: found.topic,
                path: found.path,
                log,
                high_watermark,
            };
            recovered.insert(partition, log);
        }
        Ok(Self {
            context,
            root: root.to_owned(),
            partitions: BTreeMap::new(),
            recovered,
            recovered_to_checkpoint,
            nameless: BTreeSet::new(),
            name_again_at: Time::NEVER,
            image: Arc::default(),
            broker_epoch: BrokerEpoch(-1),
            is_named: false,
            lease_until: None,
            produces: WaitingProduces::default(),
            fetches: HeldFetches::default(),
            sessions: Sessions::default(),
            fetchers: Fetchers::new(config.timings, seed),
            groups: Groups::new(config.groups.clone(), !seed),
            upkeep: Upkeep::new(config.timings, now),
            todo: Todo::default(),
            config,
        })
    }

    /// Whether every log that was found reaches its checkpointed high watermark.
    #[must_use]
    pub const fn recovered_to_checkpoint(&self) -> bool {
        self.recovered_to_checkpoint
    }

    /// Syncs and closes every log, for a clean stop; gives the high watermarks to checkpoint.
    ///
    /// # Errors
    /// When a log cannot be synced; the stop is then not clean.
    pub fn close(self) -> Result<OffsetCheckpoint, ShardError> {
        let high_watermarks = self.high_watermarks();
        for (partition, local) in self.partitions {
            let topic = local.name;
            local.log.close().map_err(|source| ShardError::Log {
                topic,
                partition,
                source,
            })?;
        }
        for (partition, found) in self.recovered {
            let topic = found.topic;
            found.log.close().map_err(|source| ShardError::Log {
                topic,
                partition,
                source,
            })?;
        }
        Ok(high_watermarks)
    }
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
