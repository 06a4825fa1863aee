//! Removing the directories of partitions that are needed here no more, on other threads.
//!
//! A directory loses its name at once, so that another may have it; that waits for nothing. What is
//! left of it is removed a little later: a topic of thousands of partitions that is deleted, or a
//! broker that is emptied, holds nobody up. What a stop leaves is removed at the next start.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use kintsugi_storage::{FileSystem, FsError};

use super::directories::{self, RemovingJob};
use super::{Shard, ShardError};
use crate::message::shard::Command;

/// The most directories of one shard that are being removed at a time: nobody waits for it, and
/// the disk's threads have other things to do.
pub(super) const UNDER_WAY_MAX: usize = 2;

/// Directories without a name that are to be removed: at most as many as there were partitions.
#[derive(Debug, Default)]
pub(super) struct Removing {
    waiting: VecDeque<PathBuf>,
    under_way: usize,
}

impl<F: FileSystem> Shard<F> {
    /// Takes a directory's name away, and has it removed.
    pub(super) fn remove_directory(&mut self, path: &Path) -> Result<(), ShardError> {
        let nameless = directories::give_up_name(self.context.fs(), path)?;
        self.removing.waiting.push_back(nameless);
        Ok(())
    }

    /// What [`Command::Remove`] wants done, to be run on another thread and answered by
    /// `Event::Removed`.
    #[must_use]
    pub fn begin_removing(&self, path: PathBuf) -> RemovingJob<F> {
        RemovingJob {
            fs: self.context.fs().clone(),
            root: self.root.clone(),
            path,
        }
    }

    /// Asks for the next removals.
    pub(super) fn push_removals(&mut self, out: &mut Vec<Command>) {
        while self.removing.under_way < UNDER_WAY_MAX
            && let Some(path) = self.removing.waiting.pop_front()
        {
            self.removing.under_way += 1;
            out.push(Command::Remove { path });
        }
    }

    pub(super) fn removed(&mut self, result: Result<(), FsError>) {
        self.removing.under_way = self.removing.under_way.saturating_sub(1);
        self.note_failure(result.map_err(ShardError::from));
    }
}
