//! Opening a journal.

use std::path::Path;

use bytes::Bytes;

use super::frame::{Frame, frame_at, was_synced};
use super::header::{HEADER_BYTES, Kind, kind_of, segment_name, sequence_of};
use super::{Journal, JournalError, JournalLimits, create_segment};
use crate::fs::{File, FileSystem, OpenMode};

/// The largest segment that is read: the largest record, and what it is rewritten with.
const SEGMENT_BYTES_MAX: u64 = 1 << 32;

/// A segment as it was read.
struct Loaded {
    sequence: u64,
    kind: Kind,
    content: Bytes,
}

impl<F: FileSystem> Journal<F> {
    /// Opens the journal in `directory`, which is made if it does not exist, and gives its
    /// records. A torn tail is cut off; what is given back is durable.
    ///
    /// # Errors
    /// When the file system fails, or a record that was synced is not intact.
    pub fn open(
        fs: F,
        directory: &Path,
        limits: JournalLimits,
    ) -> Result<(Self, Vec<Bytes>), JournalError> {
        if !fs.exists(directory)? {
            fs.create_dir_all(directory)?;
            if let Some(parent) = directory.parent() {
                fs.sync_dir(parent)?;
            }
        }
        let loaded = load(&fs, directory)?;
        let (mut records, mut end) = (Vec::new(), HEADER_BYTES);
        for (number, segment) in loaded.iter().enumerate() {
            let is_last = number + 1 == loaded.len();
            end = read_records(directory, segment, is_last, &mut records)?;
        }
        let journal = match loaded.last() {
            None => {
                let first = (1, Kind::Beginning);
                let created = create_segment(&fs, directory, limits, first, &[], 0)?;
                Self {
                    fs,
                    directory: directory.to_owned(),
                    limits,
                    segments: vec![1],
                    file: created.file,
                    file_bytes: created.file_bytes,
                    position: created.position,
                    synced: created.position,
                    marked: created.position,
                    poisoned: None,
                }
            }
            Some(last) => {
                let path = directory.join(segment_name(last.sequence));
                let file = fs.open(&path, OpenMode::Write)?;
                settle(&file, &last.content, end)?;
                fs.sync_dir(directory)?;
                Self {
                    file,
                    fs,
                    directory: directory.to_owned(),
                    limits,
                    segments: loaded.iter().map(|segment| segment.sequence).collect(),
                    file_bytes: last.content.len() as u64,
                    position: end,
                    synced: end,
                    marked: HEADER_BYTES,
                    poisoned: None,
                }
            }
        };
        Ok((journal, records))
    }
}

/// Puts zeros where a torn tail is, and makes the rest durable: it may have been read from the
/// page cache only. For that it is written again: after a sync that failed, a kernel takes pages
/// for clean which never reached the disk, and no later sync writes them (Rebello et al., "Can
/// Applications Recover from fsync Failures?", ATC 2020).
fn settle<T: File>(file: &T, content: &[u8], end: u64) -> Result<(), JournalError> {
    let start = usize::try_from(end)
        .unwrap_or(usize::MAX)
        .min(content.len());
    let torn = content[start..].iter().rposition(|byte| *byte != 0);
    if let Some(last) = torn {
        file.write_at(&vec![0; last + 1], end)?;
    }
    file.write_at(&content[..start], 0)?;
    Ok(file.sync_data()?)
}

/// Reads the segments that count, and removes the others.
fn load<F: FileSystem>(fs: &F, directory: &Path) -> Result<Vec<Loaded>, JournalError> {
    let mut loaded: Vec<Loaded> = Vec::new();
    let names = fs.read_dir(directory)?;
    for name in names.iter().filter(|name| name.ends_with(".tmp")) {
        fs.remove_file(&directory.join(name))?;
    }
    let mut sequences: Vec<u64> = names.iter().filter_map(|name| sequence_of(name)).collect();
    // From the newest back to the last beginning: what lies before it was rewritten.
    while let Some(sequence) = sequences.pop() {
        let path = directory.join(segment_name(sequence));
        if loaded
            .last()
            .is_some_and(|newer| newer.kind == Kind::Beginning)
        {
            fs.remove_file(&path)?;
            continue;
        }
        let corrupt = |what| JournalError::Corrupt {
            path: path.clone(),
            position: 0,
            what,
        };
        if loaded
            .last()
            .is_some_and(|newer| newer.sequence != sequence + 1)
        {
            return Err(corrupt("the segment after this one is missing"));
        }
        let content = Bytes::from(fs.read_to_vec(&path, SEGMENT_BYTES_MAX)?);
        let kind = kind_of(&content, sequence);
        let kind = kind.ok_or_else(|| corrupt("the segment's header is not intact"))?;
        loaded.push(Loaded {
            sequence,
            kind,
            content,
        });
    }
    if let Some(oldest) = loaded
        .last()
        .filter(|oldest| oldest.kind != Kind::Beginning)
    {
        return Err(JournalError::Corrupt {
            path: directory.join(segment_name(oldest.sequence)),
            position: 0,
            what: "the segment before this one is missing",
        });
    }
    loaded.reverse();
    Ok(loaded)
}

/// Adds a segment's records; gives the position after the last.
fn read_records(
    directory: &Path,
    segment: &Loaded,
    is_last: bool,
    records: &mut Vec<Bytes>,
) -> Result<u64, JournalError> {
    let content = &segment.content;
    let mut at = usize::try_from(HEADER_BYTES).unwrap_or(usize::MAX);
    let corrupt = |at: usize, what| JournalError::Corrupt {
        path: directory.join(segment_name(segment.sequence)),
        position: at as u64,
        what,
    };
    loop {
        match frame_at(content, segment.sequence, at) {
            Frame::Record(bytes, next) => {
                records.push(content.slice_ref(bytes));
                at = next;
            }
            Frame::Mark(_, next) => at = next,
            // A segment is synced whole before the next one begins.
            Frame::Broken if !is_last => return Err(corrupt(at, "a record is not intact")),
            Frame::End if !is_last && content[at..].iter().any(|byte| *byte != 0) => {
                return Err(corrupt(at, "zeros stand in place of a record"));
            }
            Frame::End | Frame::Broken => {
                if was_synced(content, segment.sequence, at) {
                    return Err(corrupt(at, "a record that was synced is not intact"));
                }
                return Ok(at as u64);
            }
        }
    }
}
