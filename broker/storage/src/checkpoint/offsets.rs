//! The checkpoint files of offsets: a version, a count, then `topic partition offset` a line.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use kintsugi_types::{Offset, PartitionIndex, TopicName};

use super::{CheckpointError, FILE_BYTES_MAX};
use crate::fs::FileSystem;

/// Which offsets a file holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OffsetCheckpointFile {
    /// High watermarks.
    Replication,
    /// Recovery points.
    RecoveryPoint,
    /// Log starts that lie after the first segment's base offset.
    LogStart,
}

impl OffsetCheckpointFile {
    /// The file's name, as Apache Kafka has it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Replication => "replication-offset-checkpoint",
            Self::RecoveryPoint => "recovery-point-offset-checkpoint",
            Self::LogStart => "log-start-offset-checkpoint",
        }
    }
}

/// Offsets by partition.
pub type OffsetCheckpoint = BTreeMap<(TopicName, PartitionIndex), Offset>;

/// The offsets that are checkpointed of a log directory's partitions.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct OffsetCheckpoints {
    /// High watermarks.
    pub high_watermarks: OffsetCheckpoint,
    /// Recovery points: what lies before was synced.
    pub recovery_points: OffsetCheckpoint,
    /// Log starts that lie after the first segment's base offset.
    pub log_starts: OffsetCheckpoint,
}

impl OffsetCheckpoints {
    /// Adds those of other partitions.
    pub fn extend(&mut self, other: Self) {
        self.high_watermarks.extend(other.high_watermarks);
        self.recovery_points.extend(other.recovery_points);
        self.log_starts.extend(other.log_starts);
    }

    /// Each kind and the file that it is in.
    #[must_use]
    pub fn files(&self) -> [(OffsetCheckpointFile, &OffsetCheckpoint); 3] {
        [
            (OffsetCheckpointFile::Replication, &self.high_watermarks),
            (OffsetCheckpointFile::RecoveryPoint, &self.recovery_points),
            (OffsetCheckpointFile::LogStart, &self.log_starts),
        ]
    }
}

impl OffsetCheckpointFile {
    fn path(self, directory: &Path) -> PathBuf {
        directory.join(self.name())
    }

    /// Reads the file in a log directory; a missing one holds nothing.
    ///
    /// # Errors
    /// When it cannot be read or parsed.
    pub fn read<F: FileSystem>(
        self,
        fs: &F,
        directory: &Path,
    ) -> Result<OffsetCheckpoint, CheckpointError> {
        let path = self.path(directory);
        if !fs.exists(&path)? {
            return Ok(OffsetCheckpoint::new());
        }
        let content = fs.read_to_vec(&path, FILE_BYTES_MAX)?;
        let entries = parse_lines(&String::from_utf8_lossy(&content), |fields| {
            let [topic, partition, offset] = fields else {
                return None;
            };
            let topic: TopicName = topic.parse().ok()?;
            let partition = PartitionIndex(partition.parse().ok()?);
            Some(((topic, partition), Offset(offset.parse().ok()?)))
        });
        match entries {
            Ok(entries) => Ok(entries.into_iter().collect()),
            Err(what) => Err(CheckpointError::Malformed { path, what }),
        }
    }

    /// Replaces the file in a log directory, durably.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write<F: FileSystem>(
        self,
        fs: &F,
        directory: &Path,
        offsets: &OffsetCheckpoint,
    ) -> Result<(), CheckpointError> {
        let mut text = format!("0\n{}\n", offsets.len());
        for ((topic, partition), offset) in offsets {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{} {partition} {offset}", topic.as_str());
        }
        Ok(fs.write_atomically(&self.path(directory), text.as_bytes())?)
    }
}

/// Parses a version line, a count line, and as many lines of fields.
pub(super) fn parse_lines<T>(
    text: &str,
    parse: impl Fn(&[&str]) -> Option<T>,
) -> Result<Vec<T>, String> {
    let mut lines = text.lines();
    match lines.next() {
        Some("0") => {}
        version => return Err(format!("line 1: version {version:?}, only 0 is supported")),
    }
    let count: Option<usize> = lines.next().and_then(|line| line.parse().ok());
    let count = count.ok_or("line 2: it must be a number of entries")?;
    let mut entries = Vec::new();
    for (number, line) in lines.enumerate() {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let entry = parse(&fields);
        entries.push(entry.ok_or_else(|| format!("line {}: {line:?}", number + 3))?);
    }
    if entries.len() != count {
        return Err(format!(
            "line 2 says {count} entries, {} follow",
            entries.len()
        ));
    }
    Ok(entries)
}
