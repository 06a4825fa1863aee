//! The checkpoints of a directory's offsets, gathered from all its shards.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use kintsugi_storage::FileSystem;
use kintsugi_storage::checkpoint::{CheckpointError, OffsetCheckpoints};

/// The newest offsets of each shard, and the files that they are written to. Used by a thread other
/// than the shards', so that no leader change waits for a file.
#[derive(Debug)]
pub struct Checkpoints<F: FileSystem> {
    fs: F,
    directory: PathBuf,
    shards: u16,
    newest: BTreeMap<u16, OffsetCheckpoints>,
    /// What the files hold, if that is known.
    written: Option<OffsetCheckpoints>,
}

impl<F: FileSystem> Checkpoints<F> {
    /// For a directory that this many shards use.
    #[must_use]
    pub fn new(fs: F, directory: &Path, shards: u16) -> Self {
        Self {
            fs,
            directory: directory.to_owned(),
            shards,
            newest: BTreeMap::new(),
            written: None,
        }
    }

    /// Takes a shard's newest, and writes what changed once every shard has given its own: a file
    /// without some shard's partitions would forget them. Blocks.
    ///
    /// # Errors
    /// When a file cannot be written; the one before still stands.
    pub fn write(&mut self, shard: u16, offsets: OffsetCheckpoints) -> Result<(), CheckpointError> {
        self.newest.insert(shard, offsets);
        self.write_newest()
    }

    /// Writes what the shards gave last, as far as the files do not hold it: to be called again
    /// after a failure, since a shard to which nothing happens gives nothing. Blocks.
    ///
    /// # Errors
    /// As [`Self::write`].
    pub fn write_newest(&mut self) -> Result<(), CheckpointError> {
        if self.newest.len() < usize::from(self.shards) {
            return Ok(());
        }
        let mut all = OffsetCheckpoints::default();
        for of_shard in self.newest.values() {
            all.extend(of_shard.clone());
        }
        let before = self.written.take();
        for (number, (file, offsets)) in all.files().into_iter().enumerate() {
            let before = before.as_ref().map(|before| before.files()[number].1);
            if before != Some(offsets) {
                file.write(&self.fs, &self.directory, offsets)?;
            }
        }
        self.written = Some(all);
        Ok(())
    }
}
