//! The bounded cache of open files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::fs::{File, FileSystem, FsError, OpenMode};

/// One file as the cache knows it: a number, so that its path need not be compared.
#[derive(Clone, Debug)]
pub(super) struct FileSlot {
    number: u64,
    pub(super) path: Arc<Path>,
}

struct Open<T> {
    file: Arc<T>,
    used: u64,
}

struct Cache<T> {
    open: BTreeMap<u64, Open<T>>,
    by_use: BTreeMap<u64, u64>,
    uses: u64,
}

/// Open files of many logs, at most so many at a time; the least recently used is closed first.
/// Cheap to clone: a handle.
pub struct Descriptors<F: FileSystem> {
    fs: F,
    cache: Arc<Mutex<Cache<F::File>>>,
    number_next: Arc<AtomicU64>,
    open_files_max: usize,
}

impl<F: FileSystem> Clone for Descriptors<F> {
    fn clone(&self) -> Self {
        Self {
            fs: self.fs.clone(),
            cache: Arc::clone(&self.cache),
            number_next: Arc::clone(&self.number_next),
            open_files_max: self.open_files_max,
        }
    }
}

impl<F: FileSystem> Descriptors<F> {
    /// A cache of at most `open_files_max` open files (at least one).
    #[must_use]
    pub fn new(fs: F, open_files_max: usize) -> Self {
        Self {
            fs,
            cache: Arc::new(Mutex::new(Cache {
                open: BTreeMap::new(),
                by_use: BTreeMap::new(),
                uses: 0,
            })),
            number_next: Arc::new(AtomicU64::new(0)),
            open_files_max: open_files_max.max(1),
        }
    }

    /// The file system that files are opened on.
    pub(crate) fn fs(&self) -> &F {
        &self.fs
    }

    pub(super) fn slot(&self, path: PathBuf) -> FileSlot {
        FileSlot {
            number: self.number_next.fetch_add(1, Ordering::Relaxed),
            path: path.into(),
        }
    }

    /// The open file; opens it if it is not, and makes it if `mode` says so.
    pub(super) fn get(&self, slot: &FileSlot, mode: OpenMode) -> Result<Arc<F::File>, FsError> {
        if let Some(file) = self.lock().touch(slot.number) {
            return Ok(file);
        }
        // Not under the lock: opening may take its time.
        let file = Arc::new(self.fs.open(&slot.path, mode)?);
        let mut cache = self.lock();
        let closed = cache.insert(slot.number, &file, self.open_files_max);
        drop(cache);
        drop(closed);
        Ok(file)
    }

    /// Closes a file that will not be used any more.
    pub(super) fn close(&self, slot: &FileSlot) {
        let closed = self.lock().remove(slot.number);
        drop(closed);
    }

    /// The most files that are kept open.
    pub(crate) fn open_files_max(&self) -> usize {
        self.open_files_max
    }

    /// How many files are open.
    pub(crate) fn open_files(&self) -> usize {
        self.lock().open.len()
    }

    fn lock(&self) -> MutexGuard<'_, Cache<F::File>> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: File> Cache<T> {
    fn touch(&mut self, number: u64) -> Option<Arc<T>> {
        self.uses += 1;
        let open = self.open.get_mut(&number)?;
        self.by_use.remove(&open.used);
        open.used = self.uses;
        self.by_use.insert(self.uses, number);
        Some(Arc::clone(&open.file))
    }

    fn insert(&mut self, number: u64, file: &Arc<T>, open_files_max: usize) -> Vec<Arc<T>> {
        self.uses += 1;
        let used = self.uses;
        let file = Arc::clone(file);
        let mut closed = Vec::from_iter(self.remove(number));
        self.open.insert(number, Open { file, used });
        self.by_use.insert(used, number);
        while self.open.len() > open_files_max
            && let Some((_, oldest)) = self.by_use.pop_first()
        {
            closed.extend(self.open.remove(&oldest).map(|open| open.file));
        }
        closed
    }

    fn remove(&mut self, number: u64) -> Option<Arc<T>> {
        let open = self.open.remove(&number)?;
        self.by_use.remove(&open.used);
        Some(open.file)
    }
}
