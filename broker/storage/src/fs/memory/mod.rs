//! A file system in memory with a disk's failures, for tests and the simulator.
//!
//! Guarantees: the same seed, plan and calls give the same bytes and errors. A process's crash
//! ([`MemoryFileSystem::crash_process`]) keeps the page cache; a loss of power
//! ([`MemoryFileSystem::lose_power`]) leaves of what was not synced only what is drawn.
//! Assumes: metadata reaches the disk in order within a directory, as with a journal.
//! Never touches the operating system's files.

mod content;
mod directory;
mod faults;
mod state;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{File, FileSystem, FsError, OpenMode, check_same_directory};
use directory::Inode;
pub use faults::FaultPlan;
use faults::{Act, input_output_error};
use state::State;

/// A handle of a file system in memory. Clones share the files.
#[derive(Clone)]
pub struct MemoryFileSystem {
    state: Arc<Mutex<State>>,
}

/// What a loss of power leaves of what was not synced.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kept {
    /// Nothing.
    Nothing,
    /// All of it.
    All,
    /// The older half of the changes.
    OlderHalf,
}

impl Kept {
    fn of(self, changes: usize) -> usize {
        match self {
            Self::Nothing => 0,
            Self::All => changes,
            Self::OlderHalf => changes / 2,
        }
    }
}

/// An open file in memory. Of no use any more after a crash or loss of power.
pub struct MemoryFile {
    state: Arc<Mutex<State>>,
    inode: Inode,
    process: u64,
    path: PathBuf,
    writable: bool,
}

impl MemoryFileSystem {
    /// An empty file system. The seed decides how much of a failing write is done and how short
    /// short reads are.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            state: Arc::new(Mutex::new(State::new(seed))),
        }
    }

    /// Replaces the faults to come.
    pub fn set_faults(&self, plan: FaultPlan) {
        self.lock().faults = plan;
    }

    /// Changes made so far, for [`FaultPlan::stop_after_mutations`].
    #[must_use]
    pub fn mutations(&self) -> u64 {
        self.lock().mutations
    }

    /// Whether [`FaultPlan::stop_after_mutations`] has struck, and no crash came since.
    #[must_use]
    pub fn has_stopped(&self) -> bool {
        self.lock().has_stopped()
    }

    /// Files open at this moment.
    #[must_use]
    pub fn open_files(&self) -> usize {
        self.lock().open_files()
    }

    /// Ends the process: open files are of no use any more, all that was written stays. Faults
    /// are cleared.
    pub fn crash_process(&self) {
        self.lock().crash_process();
    }

    /// Takes the power away: as a crash of the process, and of what was not synced only what is
    /// drawn from `rng` stays.
    pub fn lose_power(&self, rng: &mut fastrand::Rng) {
        self.lock().lose_power(rng);
    }

    /// The same, but what stays of the unsynced bytes of files, and of the unsynced names in
    /// directories, is said, not drawn.
    pub fn lose_power_keeping(&self, bytes: Kept, names: Kept) {
        self.lock().lose_power_keeping(bytes, names);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn act<T>(
        &self,
        act: &'static str,
        path: &Path,
        body: impl FnOnce(&mut State) -> io::Result<T>,
    ) -> Result<T, FsError> {
        body(&mut self.lock()).map_err(|source| FsError::new(act, path, source))
    }
}

impl MemoryFile {
    fn act<T>(
        &self,
        act: &'static str,
        body: impl FnOnce(&mut State) -> io::Result<T>,
    ) -> Result<T, FsError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state
            .check_process(self.process)
            .and_then(|()| body(&mut state))
            .map_err(|source| FsError::new(act, &self.path, source))
    }

    fn check_writable(&self) -> io::Result<()> {
        if self.writable {
            return Ok(());
        }
        Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            "it was opened to read",
        ))
    }
}

impl Drop for MemoryFile {
    fn drop(&mut self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.close(self.process, self.inode);
    }
}

fn to_usize(bytes: u64) -> io::Result<usize> {
    usize::try_from(bytes).map_err(|_| io::ErrorKind::FileTooLarge.into())
}

impl MemoryFileSystem {
    /// Makes everything durable, as syncfs does.
    ///
    /// # Errors
    /// If a fault of syncs is planned for this directory; nothing is durable then.
    pub fn sync_all(&self, directory: &Path) -> Result<(), FsError> {
        self.act("sync the file system of", directory, |state| {
            state.mutate()?;
            let fails = state.faults.strikes(&Act::Sync, directory);
            state.sync_all(fails)
        })
    }
}

impl File for MemoryFile {
    fn read_at(&self, buffer: &mut [u8], position: u64) -> Result<usize, FsError> {
        self.act("read from", |state| {
            if state.faults.strikes(&Act::Read, &self.path) {
                return Err(input_output_error());
            }
            state.read(self.inode, buffer, to_usize(position)?)
        })
    }

    fn write_at(&self, bytes: &[u8], position: u64) -> Result<(), FsError> {
        self.act("write to", |state| {
            self.check_writable()?;
            state.mutate()?;
            let fails = state.faults.strikes(&Act::Write, &self.path);
            state.write(self.inode, bytes, to_usize(position)?, fails)
        })
    }

    fn size_bytes(&self) -> Result<u64, FsError> {
        self.act(
            "ask the size of",
            |state| Ok(state.size(self.inode)? as u64),
        )
    }

    fn set_len(&self, size_bytes: u64) -> Result<(), FsError> {
        self.act("set the length of", |state| {
            self.check_writable()?;
            state.mutate()?;
            if state.faults.strikes(&Act::Write, &self.path) {
                return Err(input_output_error());
            }
            state.set_len(self.inode, to_usize(size_bytes)?)
        })
    }

    fn sync_data(&self) -> Result<(), FsError> {
        self.act("sync", |state| {
            state.mutate()?;
            let fails = state.faults.strikes(&Act::Sync, &self.path);
            state.sync_file(self.inode, fails)
        })
    }

    fn allocate_zeroed(&self, size_bytes: u64) -> Result<(), FsError> {
        if self.size_bytes()? >= size_bytes {
            return Ok(());
        }
        self.set_len(size_bytes)
    }
}

impl FileSystem for MemoryFileSystem {
    type File = MemoryFile;

    fn open(&self, path: &Path, mode: OpenMode) -> Result<MemoryFile, FsError> {
        let (inode, process) = self.act("open", path, |state| state.open(path, mode))?;
        Ok(MemoryFile {
            state: Arc::clone(&self.state),
            inode,
            process,
            path: path.to_owned(),
            writable: mode != OpenMode::Read,
        })
    }

    fn create_dir_all(&self, path: &Path) -> Result<(), FsError> {
        self.act("create directory", path, |state| state.create_dir_all(path))
    }

    fn read_dir(&self, path: &Path) -> Result<Vec<String>, FsError> {
        self.act("list directory", path, |state| state.read_dir(path))
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<(), FsError> {
        check_same_directory(from, to)?;
        self.act("rename", from, |state| state.rename(from, to))
    }

    fn remove_file(&self, path: &Path) -> Result<(), FsError> {
        self.act("remove", path, |state| state.remove(path, false))
    }

    fn remove_dir_all(&self, path: &Path) -> Result<(), FsError> {
        self.act("remove directory", path, |state| state.remove(path, true))
    }

    fn sync_dir(&self, path: &Path) -> Result<(), FsError> {
        self.act("sync directory", path, |state| {
            state.mutate()?;
            let fails = state.faults.strikes(&Act::Sync, path);
            state.sync_dir(path, fails)
        })
    }

    fn exists(&self, path: &Path) -> Result<bool, FsError> {
        self.act("look for", path, |state| state.exists(path))
    }
}

#[cfg(test)]
mod tests;
