//! Keeping what the disk has changed before it is cut off or written over: a person may want to
//! look. Names end in `.damaged`, which nothing here reads.

use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::fs::{File, FileSystem, FsError, OpenMode};

/// The end of such a name.
const DAMAGED: &str = ".damaged";

/// How many such files of one segment are kept; the last one is replaced beyond that.
const KEPT_MAX: u32 = 4;

/// The bytes copied at once.
const COPY_BYTES: usize = 256 * 1024;

/// Renames a log file so that it is kept but not used.
pub(crate) fn set_aside<F: FileSystem>(fs: &F, path: &Path) -> Result<(), FsError> {
    fs.rename(path, &free_name(fs, path)?)
}

/// Copies a part of a log file, or what there is of it. Synced on return, but for the file's name.
pub(super) fn keep<F: FileSystem>(
    fs: &F,
    path: &Path,
    log: &F::File,
    part: Range<u64>,
) -> Result<(), FsError> {
    let copy = fs.open(&free_name(fs, path)?, OpenMode::Create)?;
    copy.set_len(0)?;
    let mut buffer = vec![0; COPY_BYTES];
    let mut position = part.start;
    while position < part.end {
        let left = usize::try_from(part.end - position).unwrap_or(usize::MAX);
        let wanted = left.min(COPY_BYTES);
        let read = log.read_full_at(&mut buffer[..wanted], position)?;
        if read == 0 {
            break;
        }
        copy.write_at(&buffer[..read], position - part.start)?;
        position += read as u64;
    }
    copy.sync_data()
}

fn free_name<F: FileSystem>(fs: &F, path: &Path) -> Result<PathBuf, FsError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let mut free = path.to_owned();
    for number in 0..KEPT_MAX {
        free = path.with_file_name(format!("{name}.{number}{DAMAGED}"));
        if !fs.exists(&free)? {
            break;
        }
    }
    Ok(free)
}
