//! Making logs of new partitions: on other threads, a few at a time.
//!
//! Each takes some waits for the disk, during which the shard serves its other partitions. A
//! partition is neither led nor followed here before its log is there; what is produced to one that
//! is to be led waits for it (see [`super::parked`]). The metadata is told as applied when the logs
//! that are to be led are there, because others are sent to a new leader only then; where a
//! publication asks for very many it is told at once, so that changes to others do not wait for them.

use std::collections::{BTreeSet, VecDeque};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use kintsugi_storage::{FileSystem, Log, LogConfig, LogContext, OpenHow};
use kintsugi_types::{MetadataOffset, Offset, PartitionId, Time, TimestampMs, TopicName};

use super::open::{Recovered, ShardError};
use super::{Shard, directories};
use crate::message::shard::Command;

/// The most logs of one shard that are being made at a time: what keeps the process's disk threads
/// busy, and makes a sync that somebody waits for wait for few others.
pub(super) const UNDER_WAY_MAX: usize = 4;
/// Up to so many logs that are yet to be made, metadata is told as applied only when they are.
pub(super) const AWAITED_MAX: usize = 32;
/// When a log whose name was taken is made again. 20 ms: several times what another shard takes to
/// apply the same metadata.
const NAME_AGAIN: Duration = Duration::from_millis(20);

/// New partitions whose logs have yet to be made. Until then they are not led or followed here.
#[derive(Debug, Default)]
pub(super) struct Making {
    waiting: BTreeSet<PartitionId>,
    under_way: BTreeSet<PartitionId>,
    /// Those that the publication at hand asked for first and that are to be led here.
    published: BTreeSet<PartitionId>,
    /// Publications that are not told as applied yet, each with the logs that it waits for.
    unapplied: VecDeque<(MetadataOffset, BTreeSet<PartitionId>)>,
    /// The publication that is to be told as applied.
    applied: Option<MetadataOffset>,
}

impl Making {
    /// This one's log is to be made, unless it already is.
    pub fn want(&mut self, id: PartitionId, is_led: bool) {
        if !self.under_way.contains(&id) && self.waiting.insert(id) && is_led {
            self.published.insert(id);
        }
    }

    pub fn begin_publish(&mut self) {
        self.published.clear();
    }

    pub fn end_publish(&mut self, offset: MetadataOffset) {
        let wanted = std::mem::take(&mut self.published);
        let awaited: usize = self
            .unapplied
            .iter()
            .map(|(_, awaited)| awaited.len())
            .sum();
        if awaited + wanted.len() > AWAITED_MAX {
            self.unapplied.clear();
            self.applied = Some(offset);
            return;
        }
        match self.unapplied.back_mut().filter(|_| wanted.is_empty()) {
            Some((last, _)) => *last = offset,
            None => self.unapplied.push_back((offset, wanted)),
        }
    }

    /// Whether this one's log is about to be there.
    pub fn is_wanted(&self, id: PartitionId) -> bool {
        self.under_way.contains(&id) || self.waiting.contains(&id)
    }

    /// Nothing waits for this one any more.
    fn is_over(&mut self, id: PartitionId) {
        self.under_way.remove(&id);
        for (_, awaited) in &mut self.unapplied {
            awaited.remove(&id);
        }
    }

    fn take_applied(&mut self) -> Option<MetadataOffset> {
        while let Some((offset, _)) = self.unapplied.front().filter(|(_, set)| set.is_empty()) {
            self.applied = Some(*offset);
            self.unapplied.pop_front();
        }
        self.applied.take()
    }
}

/// A partition's log that is to be made, on another thread: that waits for the disk.
pub struct MakingJob<F: FileSystem> {
    context: LogContext<F>,
    root: PathBuf,
    topic: TopicName,
    partition: PartitionId,
    config: LogConfig,
    /// Whether a checkpoint may hold something of another log that had the name.
    is_name_stale: bool,
}

impl<F: FileSystem> fmt::Debug for MakingJob<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "making {:?} in {}", self.partition, self.root.display())
    }
}

/// What a [`MakingJob`] gave, for [`Shard::made`].
pub struct Made<F: FileSystem> {
    partition: PartitionId,
    /// `None`: a deleted topic's directory still has the name.
    log: Result<Option<Log<F>>, ShardError>,
}

impl<F: FileSystem> fmt::Debug for Made<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "made {:?}", self.partition)
    }
}

impl<F: FileSystem> MakingJob<F> {
    /// Makes it durably.
    pub fn run(self) -> Made<F> {
        Made {
            partition: self.partition,
            log: self.make(),
        }
    }

    fn make(self) -> Result<Option<Log<F>>, ShardError> {
        let (fs, partition) = (self.context.fs(), self.partition);
        let Some(path) = directories::create(fs, &self.root, &self.topic, partition)? else {
            return Ok(None);
        };
        // What a process that was killed left of it has no batch that anyone was told of.
        let how = OpenHow::Recover { from: Offset::ZERO };
        let opened = Log::open(&self.context, &path, self.config, how).and_then(|(mut log, _)| {
            if self.is_name_stale {
                log.distrust_checkpoint()?;
            }
            Ok(log)
        });
        opened.map(Some).map_err(|source| ShardError::Log {
            topic: self.topic,
            partition,
            source,
        })
    }
}

impl<F: FileSystem> Shard<F> {
    /// What [`Command::Make`] wants done, to be run on another thread and given to
    /// [`Shard::made`]; `None` when it is not wanted any more.
    pub fn begin_making(&mut self, partition: PartitionId) -> Option<MakingJob<F>> {
        let topic = self.image.topics.get(&partition.topic);
        let Some(topic) = topic.filter(|_| self.has_replica(partition)) else {
            self.making.is_over(partition);
            return None;
        };
        Some(MakingJob {
            context: self.context.clone(),
            root: self.root.clone(),
            topic: topic.name.clone(),
            partition,
            config: self.settings_of(topic).log,
            is_name_stale: self.stale_names.contains(&topic.name, partition.index),
        })
    }

    /// Asks for the next logs, and tells what is applied.
    pub(super) fn push_making(&mut self, out: &mut Vec<Command>) {
        while self.making.under_way.len() < UNDER_WAY_MAX
            && let Some(partition) = self.making.waiting.pop_first()
        {
            if self.has_replica(partition) {
                self.making.under_way.insert(partition);
                out.push(Command::Make { partition });
            } else {
                self.making.is_over(partition);
            }
        }
        if let Some(offset) = self.making.take_applied() {
            out.push(Command::Applied { offset });
        }
    }

    /// Takes over a log that was made, with what the metadata says of its partition by now. As
    /// [`Shard::handle`].
    pub fn made(&mut self, now: Time, wall: TimestampMs, made: Made<F>, out: &mut Vec<Command>) {
        self.begin_event(now, wall, out);
        let id = made.partition;
        self.making.is_over(id);
        let taken = match made.log {
            Ok(Some(log)) if self.has_reached_registration() => self.take_made(now, id, log),
            // A deleted topic's log still has the name: another shard has yet to remove it. Or the
            // image is one that must not be acted on.
            Ok(_) => {
                self.try_again(now, id);
                Ok(())
            }
            Err(error) => Err(error),
        };
        self.note_failure(taken);
        self.append_parked(now, wall, id);
        self.begin_groups(now);
        self.end_event(now, wall, out);
    }

    fn take_made(&mut self, now: Time, id: PartitionId, log: Log<F>) -> Result<(), ShardError> {
        let image = Arc::clone(&self.image);
        let topic = image.topics.get(&id.topic);
        let wanted = topic.zip(image.partition(id));
        let path = log.directory().to_owned();
        let Some((topic, state)) = wanted.filter(|_| self.has_replica(id)) else {
            // It was deleted, or moved, while its log was made.
            drop(log);
            return self.remove_directory(&path);
        };
        let made = Recovered {
            topic: topic.name.clone(),
            path,
            log,
            high_watermark: Offset::ZERO,
            to_mend: None,
        };
        self.recovered.insert(id, made);
        self.take_state(now, id, state)
    }

    fn try_again(&mut self, now: Time, id: PartitionId) {
        if let Some(topic) = self.image.topics.get(&id.topic) {
            self.stale_names.insert(&topic.name, id.index);
            self.nameless.insert(id);
            self.name_again_at = self.name_again_at.min(now + NAME_AGAIN);
        }
    }

    /// Tries again to make the logs that could not be.
    pub(super) fn name_again(&mut self, now: Time) {
        if now >= self.name_again_at {
            self.name_again_at = Time::NEVER;
            for id in std::mem::take(&mut self.nameless) {
                self.making.want(id, false);
            }
        }
    }

    /// Whether the metadata gives this broker a replica of it.
    fn has_replica(&self, id: PartitionId) -> bool {
        let state = self.image.partition(id);
        state.is_some_and(|state| state.replicas.contains(&self.config.broker))
    }
}
