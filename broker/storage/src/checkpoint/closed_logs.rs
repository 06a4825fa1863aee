//! `kintsugi.closed-logs`: what was known of every log at a clean stop. Ours: it only spares reading
//! the logs, so a file that is missing, damaged or of another stop is as good as none.

use std::collections::BTreeMap;
use std::path::Path;

use kintsugi_types::{PartitionIndex, TopicId, TopicName};
use serde::{Deserialize, Serialize};

use super::FILE_BYTES_MAX;
use crate::fs::{FileSystem, FsError};
use crate::log::LogSummary;

const CLOSED_LOGS_FILE: &str = "kintsugi.closed-logs";

/// The version of the content.
const VERSION: u8 = 1;

/// The bytes of the CRC-32C at the end.
const CRC_BYTES: usize = 4;

/// One log that was closed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ClosedLog {
    /// The topic's id.
    pub topic: TopicId,
    /// What was known of the log.
    pub summary: LogSummary,
}

/// Closed logs by partition.
pub type ClosedLogs = BTreeMap<(TopicName, PartitionIndex), ClosedLog>;

/// Writes the file for the clean stop of this broker epoch, before that is marked. When it would be
/// larger than is read, none is left.
///
/// # Errors
/// When it cannot be written.
pub fn write_closed_logs<F: FileSystem>(
    fs: &F,
    directory: &Path,
    broker_epoch: i64,
    logs: &ClosedLogs,
) -> Result<(), FsError> {
    let path = directory.join(CLOSED_LOGS_FILE);
    let content = postcard::to_stdvec(&(VERSION, broker_epoch, logs)).unwrap_or_default();
    if content.is_empty() || content.len() as u64 + CRC_BYTES as u64 > FILE_BYTES_MAX {
        return match fs.remove_file(&path) {
            Err(error) if !error.is_not_found() => Err(error),
            _ => Ok(()),
        };
    }
    let mut content = content;
    let crc = crc32c::crc32c(&content);
    content.extend_from_slice(&crc.to_be_bytes());
    fs.write_atomically(&path, &content)
}

/// The logs that were closed at the clean stop of this broker epoch; none if that is not known.
#[must_use]
pub fn read_closed_logs<F: FileSystem>(fs: &F, directory: &Path, broker_epoch: i64) -> ClosedLogs {
    let path = directory.join(CLOSED_LOGS_FILE);
    let content = fs.read_to_vec(&path, FILE_BYTES_MAX).unwrap_or_default();
    let Some((body, crc)) = content.split_last_chunk::<CRC_BYTES>() else {
        return ClosedLogs::new();
    };
    if crc32c::crc32c(body) != u32::from_be_bytes(*crc) {
        return ClosedLogs::new();
    }
    match postcard::from_bytes::<(u8, i64, ClosedLogs)>(body) {
        Ok((VERSION, epoch, logs)) if epoch == broker_epoch => logs,
        _ => ClosedLogs::new(),
    }
}
