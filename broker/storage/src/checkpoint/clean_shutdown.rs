//! `.kafka_cleanshutdown`: made when all logs were closed in order.

use std::path::Path;

use super::CheckpointError;
use crate::fs::FileSystem;

const CLEAN_SHUTDOWN_FILE: &str = ".kafka_cleanshutdown";

const FILE_BYTES_MAX: u64 = 4096;

/// Marks a log directory as closed in order, by a broker of this epoch (KIP-966), durably.
///
/// # Errors
/// When the file cannot be written.
pub fn mark_clean_shutdown<F: FileSystem>(
    fs: &F,
    directory: &Path,
    broker_epoch: i64,
) -> Result<(), CheckpointError> {
    let text = format!("{{\"version\":0,\"brokerEpoch\":{broker_epoch}}}");
    let path = directory.join(CLEAN_SHUTDOWN_FILE);
    Ok(fs.write_atomically(&path, text.as_bytes())?)
}

/// Removes the mark durably, and gives the broker epoch in it: `None` if there was no mark, -1 if
/// the mark has no epoch that can be read. Must be called before the first log is written to.
///
/// # Errors
/// When the mark cannot be read or removed.
pub fn take_clean_shutdown<F: FileSystem>(
    fs: &F,
    directory: &Path,
) -> Result<Option<i64>, CheckpointError> {
    let path = directory.join(CLEAN_SHUTDOWN_FILE);
    if !fs.exists(&path)? {
        return Ok(None);
    }
    let content = fs.read_to_vec(&path, FILE_BYTES_MAX)?;
    let text = String::from_utf8_lossy(&content);
    let digits = text
        .split_once("\"brokerEpoch\":")
        .map(|(_, rest)| rest.trim_matches(|c: char| !c.is_ascii_digit() && c != '-'));
    let epoch = digits.and_then(|digits| digits.parse().ok());
    fs.remove_file(&path)?;
    fs.sync_dir(directory)?;
    Ok(Some(epoch.unwrap_or(-1)))
}
