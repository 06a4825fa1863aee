//! What is known of a log when it is closed, so that opening it again reads nothing of it.

use std::path::Path;

use kintsugi_types::{LeaderEpoch, Offset};
use serde::{Deserialize, Serialize};

use super::epochs::EpochCache;
use super::{Log, LogConfig, LogContext, LogError};
use crate::fs::FileSystem;
use crate::segment::{Content, Segment, log_name};

/// What was known of a log when it was closed. Good for one opening: after the next append it is
/// wrong.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LogSummary {
    log_start: Offset,
    segments: Vec<(Offset, Content)>,
    epochs: Vec<(LeaderEpoch, Offset)>,
    snapshots: Vec<Offset>,
    has_producers: bool,
    pub(super) bound: Option<Offset>,
}

impl LogSummary {
    fn log_end(&self) -> Offset {
        let last = self.segments.last();
        last.map_or(self.log_start, |(_, content)| content.next_offset)
    }

    /// Whether this can be a log at all.
    fn is_plausible(&self) -> bool {
        let segments = &self.segments;
        let is_chain = segments
            .windows(2)
            .all(|pair| pair[0].1.next_offset == pair[1].0);
        let starts = segments
            .first()
            .is_some_and(|(base, _)| *base <= self.log_start);
        is_chain
            && starts
            && segments
                .iter()
                .all(|(base, content)| content.is_plausible(*base))
            && self.log_start <= self.log_end()
    }
}

impl<F: FileSystem> Log<F> {
    pub(super) fn summary(&self) -> LogSummary {
        let segments = self.segments.values();
        LogSummary {
            log_start: self.log_start,
            segments: segments.map(|s| (s.base, s.content.clone())).collect(),
            epochs: self.epoch_entries().to_vec(),
            snapshots: self.snapshots.iter().copied().collect(),
            has_producers: !self.producers.is_empty(),
            bound: self.bound,
        }
    }

    /// Opens a log that was closed in order, by what [`Log::close`] gave: reads no batch and no
    /// index, and opens no file but the producers' snapshot, if there were any. `None` if the
    /// summary does not fit what is there: the log is to be opened by [`Log::open`] then.
    ///
    /// # Errors
    /// When the file system fails.
    pub fn open_closed(
        context: &LogContext<F>,
        directory: &Path,
        config: LogConfig,
        summary: &LogSummary,
    ) -> Result<Option<Self>, LogError> {
        let Some((base, last)) = summary.segments.last() else {
            return Ok(None);
        };
        let found = context.fs().size_of(&directory.join(log_name(*base)))?;
        if found != Some(last.size_bytes) || !summary.is_plausible() {
            return Ok(None);
        }
        let (descriptors, interval) = (&context.descriptors, config.index_interval_bytes);
        let segments = summary.segments.iter().map(|(base, content)| {
            let known = (*base, content.clone());
            (
                *base,
                Segment::known(descriptors, directory, known, interval),
            )
        });
        let mut epochs = EpochCache::default();
        for (epoch, start) in &summary.epochs {
            epochs.assign(*epoch, *start);
        }
        let directory = directory.to_owned();
        let mut log = Self::assemble(context, directory, config, segments.collect(), epochs);
        let end = log.log_end();
        log.log_start = summary.log_start;
        log.epochs_written = Some(summary.epochs.clone());
        (log.recovery_point, log.checkpointed) = (end, end);
        log.bound = summary.bound;
        log.snapshots = summary.snapshots.iter().copied().collect();
        if summary.has_producers {
            let Some(producers) = log.read_snapshot(end) else {
                return Ok(None);
            };
            log.producers = producers;
        }
        log.settle_recovery_point();
        Ok(Some(log))
    }
}
