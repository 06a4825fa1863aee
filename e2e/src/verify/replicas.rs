//! Compares every replica's log with its peers', byte for byte up to the high watermark.
//!
//! Reads the brokers' own files (Kafka's layout: `<topic>-<partition>/<20 digits>.log`), not what
//! a broker says of them.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use kintsugi_types::Offset;
use kintsugi_wire::batch::{BatchError, BatchHeader};

/// Failed to read a replica's log.
#[derive(Debug, thiserror::Error)]
pub enum ReplicaError {
    /// A file or folder could not be read.
    #[error("failed to read {path}: {source}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Its bytes are no batches.
    #[error("failed to read batches of {path} at byte {position}: {source}")]
    Batch {
        /// In which folder.
        path: PathBuf,
        /// Where in the log.
        position: usize,
        /// Why.
        source: BatchError,
    },
}

/// What the comparison found.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ReplicaVerdict {
    /// Replicas compared.
    pub replicas: usize,
    /// Bytes compared, of one replica each partition.
    pub bytes: u64,
    /// What differs, in words.
    pub differences: Vec<String>,
}

impl fmt::Display for ReplicaVerdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (replicas, kib) = (self.replicas, self.bytes >> 10);
        write!(f, "{replicas} replicas compared, {kib} KiB each set, ")?;
        write!(f, "{} differ", self.differences.len())?;
        self.differences
            .iter()
            .try_for_each(|difference| write!(f, "\n  {difference}"))
    }
}

/// Compares the replicas of a topic. `folders` are the brokers' log directories; the high
/// watermark of each partition is where its comparison ends.
///
/// # Errors
/// If a log cannot be read, or is not made of batches.
pub fn compare(
    topic: &str,
    folders: &BTreeMap<i32, PathBuf>,
    replicas: &BTreeMap<i32, Vec<i32>>,
    high_watermarks: &BTreeMap<i32, Offset>,
) -> Result<ReplicaVerdict, ReplicaError> {
    let mut verdict = ReplicaVerdict::default();
    for (partition, high_watermark) in high_watermarks {
        let mut first: Option<(i32, Vec<u8>)> = None;
        for broker in replicas.get(partition).into_iter().flatten() {
            let Some(folder) = folders.get(broker) else {
                let difference =
                    format!("{topic}-{partition}: no log directory of broker {broker}");
                verdict.differences.push(difference);
                continue;
            };
            let folder = folder.join(format!("{topic}-{partition}"));
            let (log, end) = committed(&folder, *high_watermark)?;
            verdict.replicas += 1;
            if end < *high_watermark {
                verdict.differences.push(format!(
                    "{topic}-{partition}: broker {broker} ends at {end}, the high watermark is {high_watermark}"
                ));
            }
            match &first {
                None => {
                    verdict.bytes += log.len() as u64;
                    first = Some((*broker, log));
                }
                Some((other, expected)) => {
                    if let Some(at) = first_difference(expected, &log) {
                        verdict.differences.push(format!(
                            "{topic}-{partition}: brokers {other} and {broker} differ at byte {at}"
                        ));
                    }
                }
            }
        }
    }
    Ok(verdict)
}

fn first_difference(left: &[u8], right: &[u8]) -> Option<usize> {
    if left == right {
        return None;
    }
    let shared = left
        .iter()
        .zip(right)
        .take_while(|(left, right)| left == right)
        .count();
    Some(shared)
}

/// The bytes of a log below the high watermark, and the offset at which they end.
fn committed(folder: &Path, high_watermark: Offset) -> Result<(Vec<u8>, Offset), ReplicaError> {
    let mut log = read_segments(folder)?;
    let (mut position, mut end) = (0, Offset::ZERO);
    while position < log.len() {
        let parse = |source| ReplicaError::Batch {
            path: folder.to_owned(),
            position,
            source,
        };
        let header = BatchHeader::parse(&log[position..]).map_err(parse)?;
        if header.base_offset >= high_watermark {
            break;
        }
        end = header.next_offset();
        position += header.size_bytes();
    }
    log.truncate(position);
    Ok((log, end))
}

fn read_segments(folder: &Path) -> Result<Vec<u8>, ReplicaError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| ReplicaError::Read { path, source }
    };
    let mut segments = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed(folder))? {
        let path = entry.map_err(failed(folder))?.path();
        if path.extension().is_some_and(|extension| extension == "log") {
            segments.push(path);
        }
    }
    // Names are offsets of twenty digits, so their order is the log's.
    segments.sort();
    let mut log = Vec::new();
    for path in segments {
        log.extend(std::fs::read(&path).map_err(failed(&path))?);
    }
    Ok(log)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use kintsugi_types::LeaderEpoch;
    use kintsugi_wire::batch::stamp;
    use kintsugi_wire::records::{Record, build};

    fn log_of(values: &[&str]) -> Vec<u8> {
        let mut log = Vec::new();
        for (offset, value) in (0..).zip(values) {
            let value = Some(Bytes::copy_from_slice(value.as_bytes()));
            let batch = build(&[Record {
                value,
                ..Record::default()
            }])
            .unwrap();
            let mut batch = batch.to_vec();
            stamp(&mut batch, Offset(offset), LeaderEpoch(1)).unwrap();
            log.extend(batch);
        }
        log
    }

    fn compare_logs(left: &[&str], right: &[&str], high_watermark: i64) -> ReplicaVerdict {
        let folder = tempfile::tempdir().unwrap();
        let mut folders = BTreeMap::new();
        for (broker, values) in [(0, left), (1, right)] {
            let data = folder.path().join(broker.to_string());
            let partition = data.join("t-0");
            std::fs::create_dir_all(&partition).unwrap();
            std::fs::write(partition.join("00000000000000000000.log"), log_of(values)).unwrap();
            folders.insert(broker, data);
        }
        let high_watermarks = BTreeMap::from([(0, Offset(high_watermark))]);
        compare(
            "t",
            &folders,
            &BTreeMap::from([(0, vec![0, 1])]),
            &high_watermarks,
        )
        .unwrap()
    }

    #[test]
    fn equal_logs_are_equal_and_what_lies_above_the_high_watermark_does_not_count() {
        let verdict = compare_logs(&["a", "b", "c"], &["a", "b", "x"], 2);
        assert_eq!((verdict.replicas, verdict.differences.len()), (2, 0));
        assert!(verdict.bytes > 122);
    }

    #[test]
    fn a_record_that_differs_or_is_missing_below_the_high_watermark_is_found() {
        assert_eq!(
            compare_logs(&["a", "b", "c"], &["a", "x", "c"], 3)
                .differences
                .len(),
            1
        );
        assert_eq!(
            compare_logs(&["a", "c", "b"], &["a", "b", "c"], 3)
                .differences
                .len(),
            1
        );
        let cut = compare_logs(&["a", "b", "c"], &["a", "b"], 3);
        assert_eq!(cut.differences.len(), 2, "{cut}");
    }
}
