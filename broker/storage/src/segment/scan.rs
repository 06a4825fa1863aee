//! Walking over the batches of a `.log` file.

use std::path::Path;
use std::sync::Arc;

use kintsugi_wire::batch::{self, BatchError, BatchHeader, HEADER_BYTES};

use super::{BATCH_BYTES_MAX, SegmentError};
use crate::fs::{File, FsError};

/// The bytes read at once where only headers are wanted.
pub(super) const HEADERS_WINDOW_BYTES: usize = 8 * 1024;
/// The bytes read at once where whole batches are wanted.
pub(super) const BATCHES_WINDOW_BYTES: usize = 256 * 1024;

/// Where what the CRC of a batch covers begins.
const CRC_START: u64 = 21;

/// A walk over the batches of a file.
pub(super) struct Scan<T: File> {
    file: Arc<T>,
    path: Arc<Path>,
    pub(super) position: u64,
    end: u64,
    window: Vec<u8>,
    window_start: u64,
    window_bytes: usize,
}

impl<T: File> Scan<T> {
    /// A walk from `position`, which must be a batch's, up to `end`.
    pub(super) fn new(
        file: Arc<T>,
        path: Arc<Path>,
        position: u64,
        end: u64,
        window_bytes: usize,
    ) -> Self {
        Self {
            file,
            path,
            position,
            end,
            window: Vec::new(),
            window_start: 0,
            window_bytes,
        }
    }

    /// The error of the batch at the current position.
    pub(super) fn corrupt(&self, source: BatchError) -> SegmentError {
        SegmentError::Corrupt {
            path: self.path.display().to_string(),
            position: self.position,
            source,
        }
    }

    /// The header at the current position, and the position of the batch; moves past it.
    pub(super) fn next_header(&mut self) -> Result<Option<(u64, BatchHeader)>, SegmentError> {
        let Some(header) = self.peek()? else {
            return Ok(None);
        };
        let at = self.position;
        self.position += header.size_bytes() as u64;
        Ok(Some((at, header)))
    }

    /// The same, with the CRC of the batch checked.
    pub(super) fn next_verified(&mut self) -> Result<Option<(u64, BatchHeader)>, SegmentError> {
        let Some(header) = self.peek()? else {
            return Ok(None);
        };
        let at = self.position;
        if header.size_bytes() <= self.window_bytes {
            let bytes = self.bytes(header.size_bytes())?;
            if let Err(source) = batch::verify(bytes) {
                return Err(self.corrupt(source));
            }
            self.position += header.size_bytes() as u64;
            return Ok(Some((at, header)));
        }
        // The length may be what is corrupt: not even then may it decide how much memory is used.
        let computed = self.crc_of_large(header.size_bytes())?;
        if computed != header.crc {
            self.position = at;
            let stored = header.crc;
            return Err(self.corrupt(BatchError::Crc { stored, computed }));
        }
        Ok(Some((at, header)))
    }

    /// The CRC of the batch of this size at the current position, window by window; moves past it.
    fn crc_of_large(&mut self, size_bytes: usize) -> Result<u32, SegmentError> {
        let end = self.position + size_bytes as u64;
        self.position += CRC_START;
        let mut crc = 0;
        while self.position < end {
            let left = usize::try_from(end - self.position).unwrap_or(usize::MAX);
            let bytes = self.bytes(left.min(self.window_bytes))?;
            if bytes.is_empty() {
                break;
            }
            crc = crc32c::crc32c_append(crc, bytes);
            let read = bytes.len() as u64;
            self.position += read;
        }
        self.position = end;
        Ok(crc)
    }

    fn peek(&mut self) -> Result<Option<BatchHeader>, SegmentError> {
        if self.position >= self.end {
            return Ok(None);
        }
        let left = self.end - self.position;
        let parsed = BatchHeader::parse(self.bytes(HEADER_BYTES)?);
        match parsed {
            Err(source) => Err(self.corrupt(source)),
            Ok(header) if header.size_bytes() > BATCH_BYTES_MAX => {
                Err(self.corrupt(BatchError::TooLarge {
                    size_bytes: header.size_bytes(),
                    max_bytes: BATCH_BYTES_MAX,
                }))
            }
            Ok(header) if header.size_bytes() as u64 > left => {
                Err(self.corrupt(BatchError::Truncated {
                    needed: header.size_bytes() as u64,
                    found: usize::try_from(left).unwrap_or(usize::MAX),
                }))
            }
            Ok(header) => Ok(Some(header)),
        }
    }

    /// Up to `size` bytes from the current position; fewer only at the end.
    fn bytes(&mut self, size: usize) -> Result<&[u8], FsError> {
        let left = usize::try_from(self.end - self.position).unwrap_or(usize::MAX);
        let size = size.min(left);
        let window_end = self.window_start + self.window.len() as u64;
        if self.position < self.window_start || self.position + size as u64 > window_end {
            self.window.resize(size.max(self.window_bytes).min(left), 0);
            let read = self.file.read_full_at(&mut self.window, self.position)?;
            self.window.truncate(read);
            self.window_start = self.position;
        }
        let start = usize::try_from(self.position - self.window_start).unwrap_or(usize::MAX);
        let end = (start + size).min(self.window.len());
        Ok(&self.window[start.min(end)..end])
    }
}
