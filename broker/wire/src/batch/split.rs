//! Cutting a run of batches into batches.

use bytes::Bytes;

use super::{BatchError, BatchHeader};

/// The batches of a run of bytes, one after the other. Headers are parsed, not verified: call
/// [`super::verify`] on each where the bytes came over the network.
///
/// An error is the last item. A run that was cut inside a batch, as a fetch answer may be, ends
/// with [`BatchError::Truncated`].
pub fn split(bytes: Bytes) -> Split {
    Split { rest: bytes }
}

/// The iterator of [`split`].
#[derive(Clone, Debug)]
pub struct Split {
    rest: Bytes,
}

impl Iterator for Split {
    type Item = Result<(BatchHeader, Bytes), BatchError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let found = self.rest.len();
        let result = BatchHeader::parse(&self.rest).and_then(|header| {
            let needed = header.size_bytes();
            if needed > found {
                return Err(BatchError::Truncated {
                    needed: needed as u64,
                    found,
                });
            }
            Ok((header, self.rest.split_to(needed)))
        });
        if result.is_err() {
            self.rest = Bytes::new();
        }
        Some(result)
    }
}
