//! The directories of partitions: `<topic>-<partition>` in the log directory.

use std::fmt;
use std::path::{Path, PathBuf};

use kintsugi_storage::checkpoint::{CheckpointError, ClosedLogs, PartitionMetadata};
use kintsugi_storage::{FileSystem, FsError};
use kintsugi_types::{PartitionId, PartitionIndex, TopicName};

/// The end of the name of a deleted partition's directory, until it is removed.
const DELETED: &str = "-delete";
/// The end of the name of a directory that is being made.
const NEW: &str = ".new";
/// The end of the name of a directory that was set aside.
const STRAY: &str = "-stray";

/// The name of a partition's directory.
pub(crate) fn directory_name(topic: &TopicName, index: PartitionIndex) -> String {
    format!("{topic}-{index}")
}

/// The topic's name and the partition's number in a directory's name.
fn parse_name(name: &str) -> Option<(TopicName, PartitionIndex)> {
    let (topic, index) = name.rsplit_once('-')?;
    let number: i32 = index.parse().ok()?;
    let is_canonical = number >= 0 && number.to_string() == index;
    Some((topic.parse().ok()?, PartitionIndex(number))).filter(|_| is_canonical)
}

/// A partition's directory that was found.
pub(super) struct Found {
    pub partition: PartitionId,
    pub topic: TopicName,
    pub path: PathBuf,
}

/// Removes what is left of partitions that were being deleted or made before a crash.
pub(crate) fn remove_leftovers<F: FileSystem>(fs: &F, root: &Path) -> Result<(), FsError> {
    for name in fs.read_dir(root)? {
        let is_deleted = name.ends_with(DELETED) && name.contains('.');
        if is_deleted || name.ends_with(NEW) {
            fs.remove_dir_all(&root.join(&name))?;
        }
    }
    Ok(())
}

/// The partitions' directories in a log directory.
///
/// A directory without `partition.metadata` is left alone: what batches it may hold are nobody's
/// that is known, and it is set aside when its name is needed. Of logs that were closed in order
/// the topic is known without that file.
pub(super) fn scan<F: FileSystem>(
    fs: &F,
    root: &Path,
    closed: &ClosedLogs,
) -> Result<Vec<Found>, CheckpointError> {
    let mut found = Vec::new();
    for name in fs.read_dir(root)? {
        let path = root.join(&name);
        let Some((topic, index)) = parse_name(&name) else {
            continue;
        };
        let known = closed.get(&(topic.clone(), index)).map(|log| log.topic);
        let id = match known {
            Some(id) => Some(id),
            None => PartitionMetadata::read(fs, &path)?.map(|metadata| metadata.topic_id),
        };
        if let Some(id) = id {
            let partition = PartitionId { topic: id, index };
            found.push(Found {
                partition,
                topic,
                path,
            });
        }
    }
    Ok(found)
}

/// Makes a partition's directory with its `partition.metadata`. `None`: a directory of another
/// topic, which was deleted, has the name. The shard that owns its log moves it away as soon as it
/// hears of that; nobody else may, since a log opens its files by their names.
///
/// The directory gets its name when it is whole, by a rename, which only one of several topics can
/// win that come to have the same name one after the other.
pub(super) fn create<F: FileSystem>(
    fs: &F,
    root: &Path,
    topic: &TopicName,
    partition: PartitionId,
) -> Result<Option<PathBuf>, CheckpointError> {
    let path = root.join(directory_name(topic, partition.index));
    let metadata = PartitionMetadata {
        topic_id: partition.topic,
    };
    if fs.exists(&path)? {
        match PartitionMetadata::read(fs, &path)? {
            Some(found) if found == metadata => return Ok(Some(path)),
            Some(_) => return Ok(None),
            None => match set_aside(fs, root, &path) {
                // Its owner has just removed it.
                Err(error) if error.is_not_found() => {}
                result => result?,
            },
        }
    }
    let new = root.join(format!("{}-{}{NEW}", partition.topic.0, partition.index));
    fs.create_dir_all(&new)?;
    metadata.write(fs, &new)?;
    match fs.rename(&new, &path) {
        Err(error) if error.is_taken() => {
            fs.remove_dir_all(&new)?;
            Ok(None)
        }
        result => Ok(result.map(|()| Some(path))?),
    }
}

/// Renames a directory so that it is used no more but kept.
pub(super) fn set_aside<F: FileSystem>(fs: &F, root: &Path, path: &Path) -> Result<(), FsError> {
    rename_freely(fs, path, STRAY)?;
    fs.sync_dir(root)
}

/// Renames a partition's directory that is to be removed; gives its new name. What a crash leaves of
/// it under that name is not taken for a log.
pub(super) fn give_up_name<F: FileSystem>(fs: &F, path: &Path) -> Result<PathBuf, FsError> {
    rename_freely(fs, path, DELETED)
}

/// A directory without a name that is to be removed, on another thread: that waits for the disk.
pub struct RemovingJob<F> {
    pub(super) fs: F,
    pub(super) root: PathBuf,
    pub(super) path: PathBuf,
}

impl<F> fmt::Debug for RemovingJob<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "removing {}", self.path.display())
    }
}

impl<F: FileSystem> RemovingJob<F> {
    /// Removes it. That it has no name any more is durable before: after a loss of power nobody
    /// finds a part of a log under it.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn run(self) -> Result<(), FsError> {
        self.fs.sync_dir(&self.root)?;
        self.fs.remove_dir_all(&self.path)
    }
}

/// The longest name that file systems take.
const NAME_BYTES_MAX: usize = 255;

/// The most directories of one partition that are set aside.
const ASIDE_MAX: u32 = 10_000;

/// Gives a directory its own name with a number and this end; the first number that is free, also
/// where another shard gives such a name at the same time.
fn rename_freely<F: FileSystem>(fs: &F, path: &Path, end: &str) -> Result<PathBuf, FsError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    for number in 0..ASIDE_MAX {
        let end = format!(".{number}{end}");
        let kept: String = name.chars().take(NAME_BYTES_MAX - end.len()).collect();
        let to = path.with_file_name(kept + &end);
        if fs.exists(&to)? {
            continue;
        }
        match fs.rename(path, &to) {
            Err(error) if error.is_taken() => {}
            result => return result.map(|()| to),
        }
    }
    let text = "10000 directories of this partition were set aside; remove some";
    let source = std::io::Error::other(text);
    Err(FsError::new("set aside", path, source))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_partitions_are_taken_for_partitions() {
        let parsed = parse_name("a-b-12").unwrap();
        assert_eq!(directory_name(&parsed.0, parsed.1), "a-b-12");
        for other in [
            "meta.properties",
            "a",
            "a-",
            "a-01",
            "a-0.0-delete",
            "a-1.3-stray",
        ] {
            assert!(parse_name(other).is_none(), "{other}");
        }
    }
}
