//! The checkpoint of high watermarks, gathered from all shards of a directory.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use kintsugi_storage::FileSystem;
use kintsugi_storage::checkpoint::{CheckpointError, OffsetCheckpoint, OffsetCheckpointFile};

/// The newest high watermarks of each shard, and the file that they are written to. Used by a
/// thread other than the shards', so that no leader change waits for the file.
#[derive(Debug)]
pub struct HighWatermarks<F: FileSystem> {
    fs: F,
    directory: PathBuf,
    shards: u16,
    newest: BTreeMap<u16, OffsetCheckpoint>,
}

impl<F: FileSystem> HighWatermarks<F> {
    /// For a directory that this many shards use.
    #[must_use]
    pub fn new(fs: F, directory: &Path, shards: u16) -> Self {
        Self {
            fs,
            directory: directory.to_owned(),
            shards,
            newest: BTreeMap::new(),
        }
    }

    /// Takes a shard's newest, and writes the file once every shard has given its own: a file
    /// without some shard's partitions would forget them. Blocks.
    ///
    /// # Errors
    /// When the file cannot be written; the one before still stands.
    pub fn write(
        &mut self,
        shard: u16,
        high_watermarks: OffsetCheckpoint,
    ) -> Result<(), CheckpointError> {
        self.newest.insert(shard, high_watermarks);
        if self.newest.len() < usize::from(self.shards) {
            return Ok(());
        }
        let all = self.newest.values().flatten();
        let all: OffsetCheckpoint = all.map(|(key, offset)| (key.clone(), *offset)).collect();
        OffsetCheckpointFile::Replication.write(&self.fs, &self.directory, &all)
    }
}
