//! Opening a log.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use kintsugi_types::{LeaderEpoch, Offset};

use super::epochs::EpochCache;
use super::recovery_point::{BOUND_FILE, read_bound};
use super::sync::{SYNC_FAILED_FILE, SyncGate, Unsynced};
use super::tail_cache::TailCache;
use super::{Log, LogConfig, LogContext, LogError};
use crate::fs::{FileSystem, FsError};
use crate::producer_state::{Producers, snapshot_offset_of};
use crate::segment::{Follows, Segment, base_offset_of, damage, is_index_name, log_name};

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
    /// Whether something that had been synced once is not intact: the disk is at fault, not a crash.
    /// Where it was cut off, the bytes are kept in files that end in `.damaged`.
    pub is_damaged: bool,
    /// The first batch that had been synced once and is damaged, where it could be left in its place:
    /// it is to be mended from another replica ([`Log::mend`]).
    pub to_mend: Option<Offset>,
    /// What was wrong at the place of the cut, in words.
    pub cause: Option<String>,
}

struct Opening<'a, F: FileSystem> {
    context: &'a LogContext<F>,
    directory: PathBuf,
    interval: u64,
    /// Segments that reach past it are verified, and the last one; `None`: none is.
    verify_from: Option<Offset>,
    /// What lies before was synced: where that is not intact, it is damaged, not torn.
    trusted: Offset,
    found: Found,
    report: RecoveryReport,
}

/// What is in a log's directory.
#[derive(Default)]
struct Found {
    bases: BTreeSet<Offset>,
    snapshots: BTreeSet<Offset>,
    has_bound: bool,
    has_failed_sync: bool,
}

impl<F: FileSystem> Log<F> {
    /// Opens the log in `directory`, which is made if it does not exist; a new log begins at 0.
    ///
    /// Recovery cuts the log at the first batch that is not intact, or that does not follow the
    /// one before it by offset and epoch; what lies behind is removed. Only a batch that was synced
    /// once and lies between others stays: what follows it may be intact nowhere else. Whether that loses what was
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
        let (verify_from, trusted) = match how {
            OpenHow::Clean => (None, Offset(i64::MAX)),
            OpenHow::Recover { from } => (Some(from), from),
        };
        match Self::open_once(context, directory, config.clone(), verify_from, trusted) {
            // Corruption where none was to be expected: everything is verified then.
            Err(LogError::Segment(error)) if error.is_content() => {
                let from = Some(Offset::ZERO);
                Self::open_once(context, directory, config, from, trusted)
            }
            other => other,
        }
    }

    fn open_once(
        context: &LogContext<F>,
        directory: &Path,
        config: LogConfig,
        verify_from: Option<Offset>,
        trusted: Offset,
    ) -> Result<(Self, RecoveryReport), LogError> {
        let mut opening = Opening {
            context,
            directory: directory.to_owned(),
            interval: config.index_interval_bytes,
            verify_from,
            trusted,
            found: Found::default(),
            report: RecoveryReport::default(),
        };
        let is_new = opening.list()?;
        let bound = opening.bound_trust()?;
        let bases: Vec<Offset> = opening.found.bases.iter().copied().collect();
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
        let (verify_from, trusted_now) = (opening.verify_from, opening.trusted);
        let mut report = opening.report;
        let has_failed_sync = opening.found.has_failed_sync;
        let directory = opening.directory;
        let mut log = Self::assemble(context, directory, config, segments, epochs);
        log.unsynced.directory = changed;
        report.log_end = log.log_end();
        log.take_recovery_point(verify_from, report.cut_bytes);
        log.checkpointed = if verify_from.is_some() {
            trusted
        } else {
            report.log_end
        };
        log.bound = bound;
        if has_failed_sync {
            log.write_unsynced_again()?;
        }
        if report.cut_bytes > 0 || report.removed_segments > 0 {
            log.sync()?;
        }
        log.snapshots = opening.found.snapshots;
        log.load_producers(verify_from.map_or(report.log_end, |from| from.min(trusted_now)))?;
        log.settle_recovery_point();
        Ok((log, report))
    }

    pub(super) fn assemble(
        context: &LogContext<F>,
        directory: PathBuf,
        config: LogConfig,
        segments: BTreeMap<Offset, Segment<F>>,
        epochs: EpochCache,
    ) -> Self {
        let log_start = segments.keys().next().copied().unwrap_or_default();
        let budget = std::sync::Arc::clone(&context.tail_budget);
        let tail = TailCache::new(budget, config.tail_cache_bytes, log_start);
        let producers = Producers::new(config.producers_max);
        let mut log = Self {
            context: context.clone(),
            directory,
            config,
            segments,
            active_since: None,
            log_start,
            recovery_point: log_start,
            unflushed_since: None,
            epochs,
            epochs_written: None,
            producers,
            snapshots: BTreeSet::new(),
            tail,
            unsynced: Unsynced::default(),
            syncing: None,
            syncs: 0,
            sync_gate: SyncGate::default(),
            checkpointed: Offset::ZERO,
            bound: None,
            truncations: 0,
            poisoned: None,
        };
        let active = log.active();
        log.active_since = active.content.max_timestamp.map(|max| max.timestamp);
        let end = log.log_end();
        log.tail.clear(end);
        log
    }

    fn take_recovery_point(&mut self, verify_from: Option<Offset>, cut_bytes: u64) {
        let end = self.log_end();
        self.recovery_point = match verify_from {
            None if cut_bytes == 0 => end,
            None => self.log_start,
            Some(from) => from.clamp(self.log_start, end),
        };
        let point = self.recovery_point;
        // After a crash a segment that ends right there may owe its end to a cut not synced.
        let may_be_unsynced = |segment: &&Segment<F>| {
            let next = segment.content.next_offset;
            next > point || (verify_from.is_some() && next == point)
        };
        let unsynced = self.segments.values().filter(may_be_unsynced);
        let mut unsynced: Vec<Offset> = unsynced.map(|segment| segment.base).collect();
        if cut_bytes > 0 {
            unsynced.push(self.active().base);
        }
        for base in unsynced {
            self.unsynced.insert(base);
        }
        self.unsynced.directory |= verify_from.is_some();
    }

    /// A sync failed, and the process ended after it: no later sync would write what that one was
    /// to make durable, unless it is written again.
    fn write_unsynced_again(&mut self) -> Result<(), LogError> {
        for base in &self.unsynced.batches {
            if let Some(segment) = self.segments.get(base) {
                segment.rewrite()?;
            }
        }
        self.sync()?;
        let mark = self.directory.join(SYNC_FAILED_FILE);
        Ok(self.context.fs().remove_file(&mark)?)
    }
}

impl<F: FileSystem> Opening<'_, F> {
    /// Finds what is there; makes the directory and gives true if it is new. Indexes without a log
    /// are removed.
    fn list(&mut self) -> Result<bool, FsError> {
        let fs = self.context.fs();
        let names = match fs.read_dir(&self.directory) {
            Err(error) if error.is_not_found() => {
                fs.create_dir_all(&self.directory)?;
                return Ok(true);
            }
            names => names?,
        };
        let found = &mut self.found;
        found.bases = names.iter().filter_map(|n| base_offset_of(n)).collect();
        found.snapshots = names.iter().filter_map(|n| snapshot_offset_of(n)).collect();
        for name in &names {
            found.has_bound |= name == BOUND_FILE;
            found.has_failed_sync |= name == SYNC_FAILED_FILE;
            if is_index_name(name).is_some_and(|base| !found.bases.contains(&base)) {
                fs.remove_file(&self.directory.join(name))?;
            }
        }
        Ok(false)
    }

    /// Lowers what is trusted to the bound that a cut has left, if there is one.
    fn bound_trust(&mut self) -> Result<Option<Offset>, FsError> {
        if !self.found.has_bound {
            return Ok(None);
        }
        let bound = read_bound(self.context.fs(), &self.directory)?;
        if let Some(from) = &mut self.verify_from {
            *from = bound.min(*from);
            self.trusted = bound.min(self.trusted);
        }
        Ok(Some(bound))
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
        let is_to_verify = self
            .verify_from
            .is_some_and(|from| next_base.is_none_or(|next| next > from));
        if !is_to_verify {
            match Segment::open(descriptors, &self.directory, base, self.interval) {
                Err(error) if error.is_content() => {}
                other => return Ok(other?),
            }
        }
        let follows = Follows {
            epoch,
            trusted: self.trusted,
            is_last: next_base.is_none(),
        };
        let (segment, recovery) =
            Segment::recover(descriptors, &self.directory, base, self.interval, follows)?;
        self.report.is_damaged |= recovery.is_damaged;
        if self.report.to_mend.is_none() {
            self.report.to_mend = recovery.to_mend;
        }
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
            if *base < self.trusted {
                self.report.is_damaged = true;
                damage::set_aside(fs, &path)?;
            } else {
                fs.remove_file(&path)?;
            }
        }
        for name in fs.read_dir(&self.directory)? {
            if is_index_name(&name).is_some_and(|base| bases.contains(&base)) {
                fs.remove_file(&self.directory.join(name))?;
            }
        }
        Ok(())
    }
}
