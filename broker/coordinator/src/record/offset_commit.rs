//! The value of a committed offset.

use bytes::{BufMut, Bytes, BytesMut};
use kintsugi_types::{LeaderEpoch, Offset, TimestampMs};
use kintsugi_wire::primitive::{Decoding, Encoding, Reader};

use super::{RecordError, VALUE_VERSION};

/// A committed offset.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct OffsetCommit {
    pub(crate) offset: Offset,
    pub(crate) leader_epoch: LeaderEpoch,
    pub(crate) metadata: String,
    pub(crate) committed_at: TimestampMs,
}

impl OffsetCommit {
    pub(crate) fn encode(&self) -> Bytes {
        let mut out = BytesMut::new();
        out.put_i16(VALUE_VERSION);
        out.put_i64(self.offset.0);
        out.put_i32(self.leader_epoch.0);
        let mut encoding = Encoding {
            out: &mut out,
            is_flexible: false,
        };
        encoding.string(Some(&self.metadata));
        out.put_i64(self.committed_at.0);
        out.freeze()
    }

    pub(crate) fn decode(value: &Bytes) -> Result<Self, RecordError> {
        let mut decoding = Decoding {
            reader: Reader::new(value),
            is_flexible: false,
        };
        let version = decoding.reader.i16()?;
        if version != VALUE_VERSION {
            return Err(RecordError::ValueVersion(version));
        }
        let commit = Self {
            offset: Offset(decoding.reader.i64()?),
            leader_epoch: LeaderEpoch(decoding.reader.i32()?),
            metadata: decoding.string()?.as_str().to_owned(),
            committed_at: TimestampMs(decoding.reader.i64()?),
        };
        decoding.reader.finish()?;
        Ok(commit)
    }
}
