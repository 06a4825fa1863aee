//! Writing again what may be in the page cache only.

use super::{Segment, SegmentError};
use crate::fs::{File, FileSystem};

/// How much is read and written again at a time.
const CHUNK_BYTES: usize = 1 << 20;

impl<F: FileSystem> Segment<F> {
    /// Writes the files' bytes over themselves, so that the next sync makes them durable.
    ///
    /// After an fsync that failed the kernel takes the pages for clean: readers go on seeing them,
    /// and no later fsync writes them (Rebello et al., "Can Applications Recover from fsync
    /// Failures?", USENIX ATC 2020).
    pub(crate) fn rewrite(&self) -> Result<(), SegmentError> {
        let mut chunk = vec![0; CHUNK_BYTES];
        for file in self.files()? {
            let mut position = 0;
            loop {
                let read = file.read_full_at(&mut chunk, position)?;
                if read == 0 {
                    break;
                }
                file.write_at(&chunk[..read], position)?;
                position += read as u64;
            }
        }
        Ok(())
    }
}
