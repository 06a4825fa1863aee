//! Opening a log.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use kintsugi_types::{LeaderEpoch, Offset};

use super::epochs::EpochCache;
use super::tail_cache::TailCache;
use super::{Log, LogConfig, LogContext, LogError};
use crate::fs::{FileSystem, FsError};
use crate::producer_state::Producers;
use crate::segment::{Segment, base_offset_of, is_index_name, log_name};

/// How the process that had the log before ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OpenHow {
    /// In order ([`Log::close`]): only sizes and the last batches are looked at.
    Clean,
    /// Not in order: the segments that reach past this offset, and in any case the last one, are
    /// verified batch by batch.
    Recover {
        /// The recovery point, as checkpointed: what lies before it was synced.
        from: Offset,
    },
}

/// What opening found and did.
#[derive(Debug, Default)]
pub struct RecoveryReport {
    /// The log's end.
    pub log_end: Offset,
    /// The bytes whose CRC was checked and right.
    pub verified_bytes: u64,
    /// The bytes that were cut off because they were not intact or did not follow.
    pub cut_bytes: u64,
    /// The segments that were removed because they lay behind such a place.
    pub removed_segments: usize,
    /// What was wrong at the place of the cut, in words.
    pub cause: Option<String>,
}

struct Opening<'a, F: FileSystem> {
    context: &'a LogContext<F>,
    directory: PathBuf,
    interval: u64,
    how: OpenHow,
    report: RecoveryReport,
}

impl<F: FileSystem> Log<F> {
    /// Opens the log in `directory`, which is made if it does not exist; a new log begins at 0.
    ///
    /// Recovery cuts the log at the first batch that is not intact, or that does not follow the
    /// one before it by offset and epoch; what lies behind is removed. Whether that loses what was
    /// acknowledged is for the caller to judge, by the end in the report.
    ///
    /// # Errors
    /// When the file system fails.
    pub fn open(
        context: &LogContext<F>,
        directory: &Path,
        config: LogConfig,
        how: OpenHow,
    ) -> Result<(Self, RecoveryReport), LogError> {
        match Self::open_once(context, directory, config.clone(), how) {
            // Corruption where none was to be expected: everything is verified then.
            Err(LogError::Segment(error)) if error.is_content() => {
                let from = Offset::ZERO;
                Self::open_once(context, directory, config, OpenHow::Recover { from })
            }
            other => other,
        }
    }

    fn open_once(
        context: &LogContext<F>,
        directory: &Path,
        config: LogConfig,
        how: OpenHow,
    ) -> Result<(Self, RecoveryReport), LogError> {
        let fs = context.fs();
        let is_new = !fs.exists(directory)?;
        fs.create_dir_all(directory)?;
        let mut opening = Opening {
            context,
            directory: directory.to_owned(),
            interval: config.index_interval_bytes,
            how,
            report: RecoveryReport::default(),
        };
        let bases = opening.list()?;
        let mut segments = opening.open_segments(&bases)?;
        let changed = is_new || segments.is_empty() || opening.report.removed_segments > 0;
        if segments.is_empty() {
            // Where a cut removed the first segment, its base offset is still the right start.
            let base = bases.first().copied().unwrap_or(Offset::ZERO);
            let descriptors = &context.descriptors;
            let created = Segment::create(descriptors, directory, base, opening.interval)?;
            segments.insert(base, created);
        }
        let mut epochs = EpochCache::default();
        for segment in segments.values() {
            for (epoch, start) in segment.epochs()? {
                epochs.assign(epoch, start);
            }
        }
        let log = Self::assemble(
            context,
            opening.directory,
            config,
            segments,
            epochs,
            changed,
        );
        let mut report = opening.report;
        report.log_end = log.log_end();
        let mut log = log.with_recovery_point(how, report.cut_bytes);
        if report.cut_bytes > 0 || report.removed_segments > 0 {
            log.sync()?;
        }
        log.load_producers(match how {
            OpenHow::Clean => report.log_end,
            OpenHow::Recover { from } => from,
        })?;
        Ok((log, report))
    }

    fn assemble(
        context: &LogContext<F>,
        directory: PathBuf,
        config: LogConfig,
        segments: BTreeMap<Offset, Segment<F>>,
        epochs: EpochCache,
        directory_is_dirty: bool,
    ) -> Self {
        let log_start = segments.keys().next().copied().unwrap_or_default();
        let budget = std::sync::Arc::clone(&context.tail_budget);
        let tail = TailCache::new(budget, config.tail_cache_bytes, log_start);
        let producers = Producers::new(config.producers_max);
        let mut log = Self {
            context: context.clone(),
            directory,
            config,
            dirty: BTreeSet::new(),
            segments,
            active_since: None,
            log_start,
            recovery_point: log_start,
            epochs,
            producers,
            snapshots: BTreeSet::new(),
            tail,
            directory_is_dirty,
            truncations: 0,
            poisoned: None,
        };
        let active = log.active();
        log.active_since = active.content.max_timestamp.map(|max| max.timestamp);
        let end = log.log_end();
        log.tail.clear(end);
        log
    }

    fn with_recovery_point(mut self, how: OpenHow, cut_bytes: u64) -> Self {
        let end = self.log_end();
        self.recovery_point = match how {
            OpenHow::Clean if cut_bytes == 0 => end,
            OpenHow::Clean => self.log_start,
            OpenHow::Recover { from } => from.clamp(self.log_start, end),
        };
        // A segment that ends right there may owe its end to a cut that was not synced.
        let may_be_unsynced = |segment: &&Segment<F>| match how {
            OpenHow::Clean => segment.content.next_offset > self.recovery_point,
            OpenHow::Recover { .. } => segment.content.next_offset >= self.recovery_point,
        };
        let unsynced = self.segments.values().filter(may_be_unsynced);
        self.dirty = unsynced.map(|segment| segment.base).collect();
        if cut_bytes > 0 {
            self.dirty.insert(self.active().base);
        }
        self.directory_is_dirty |= matches!(how, OpenHow::Recover { .. });
        self
    }
}

impl<F: FileSystem> Opening<'_, F> {
    /// The base offsets of the segments. Indexes without a log are removed.
    fn list(&self) -> Result<Vec<Offset>, FsError> {
        let fs = self.context.fs();
        let names = fs.read_dir(&self.directory)?;
        let bases: BTreeSet<Offset> = names.iter().filter_map(|n| base_offset_of(n)).collect();
        for name in &names {
            if is_index_name(name).is_some_and(|base| !bases.contains(&base)) {
                fs.remove_file(&self.directory.join(name))?;
            }
        }
        Ok(bases.into_iter().collect())
    }

    fn open_segments(
        &mut self,
        bases: &[Offset],
    ) -> Result<BTreeMap<Offset, Segment<F>>, LogError> {
        let mut segments: BTreeMap<Offset, Segment<F>> = BTreeMap::new();
        let mut epoch = None;
        for (number, base) in bases.iter().enumerate() {
            let expected = segments.values().next_back().map(|s| s.content.next_offset);
            let next_base = bases.get(number + 1).copied();
            let is_gap = expected.is_some_and(|expected| expected != *base);
            let cut_before = self.report.cut_bytes;
            let segment = if is_gap {
                None
            } else {
                Some(self.open_segment(*base, next_base, epoch)?)
            };
            match segment {
                Some(segment) if self.follows(&segment, epoch)? => {
                    epoch = segment.content.last_epoch.or(epoch);
                    segments.insert(*base, segment);
                }
                _ => {
                    let text = format!("segment {} does not follow the one before it", base.0);
                    self.report.cause.get_or_insert(text);
                    self.remove_from(&bases[number..])?;
                    break;
                }
            }
            if self.report.cut_bytes > cut_before {
                self.remove_from(&bases[number + 1..])?;
                break;
            }
        }
        Ok(segments)
    }

    fn open_segment(
        &mut self,
        base: Offset,
        next_base: Option<Offset>,
        epoch: Option<LeaderEpoch>,
    ) -> Result<Segment<F>, LogError> {
        let descriptors = &self.context.descriptors;
        let is_to_verify = match self.how {
            OpenHow::Clean => false,
            OpenHow::Recover { from } => next_base.is_none_or(|next| next > from),
        };
        if !is_to_verify {
            match Segment::open(descriptors, &self.directory, base, self.interval) {
                Err(error) if error.is_content() => {}
                other => return Ok(other?),
            }
        }
        let (segment, recovery) =
            Segment::recover(descriptors, &self.directory, base, self.interval, epoch)?;
        self.report.verified_bytes += recovery.verified_bytes;
        self.report.cut_bytes += recovery.cut_bytes;
        if let Some(cause) = recovery.cause {
            self.report.cause.get_or_insert(cause.to_string());
        }
        Ok(segment)
    }

    /// Whether a segment's first epoch is not below the last one before it.
    fn follows(&self, segment: &Segment<F>, epoch: Option<LeaderEpoch>) -> Result<bool, LogError> {
        let first = segment.first_epoch()?;
        Ok(first.is_none_or(|first| epoch.is_none_or(|epoch| first >= epoch)))
    }

    fn remove_from(&mut self, bases: &[Offset]) -> Result<(), LogError> {
        let fs = self.context.fs();
        // The newest first, so that a crash between leaves no gap.
        for base in bases.iter().rev() {
            let path = self.directory.join(log_name(*base));
            let file = fs.open(&path, crate::fs::OpenMode::Read)?;
            self.report.cut_bytes += crate::fs::File::size_bytes(&file)?;
            self.report.removed_segments += 1;
            fs.remove_file(&path)?;
        }
        for name in fs.read_dir(&self.directory)? {
            if is_index_name(&name).is_some_and(|base| bases.contains(&base)) {
                fs.remove_file(&self.directory.join(name))?;
            }
        }
        Ok(())
    }
}
