//! The value of a committed offset.

use bytes::{BufMut, Bytes, BytesMut};
use kintsugi_types::{LeaderEpoch, Offset, TimestampMs};
use kintsugi_wire::primitive::{Decoding, Encoding, Reader};

use super::{RecordError, VALUE_VERSION};

/// The only version that has a time of its own to expire at, and no leader epoch.
const EXPIRING_VERSION: i16 = 1;

/// A committed offset.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct OffsetCommit {
    pub(crate) offset: Offset,
    pub(crate) leader_epoch: LeaderEpoch,
    pub(crate) metadata: String,
    pub(crate) committed_at: TimestampMs,
    /// When it expires, where its client said so (OffsetCommit versions 2 to 4).
    pub(crate) expires_at: Option<TimestampMs>,
}

impl OffsetCommit {
    pub(crate) fn encode(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(32 + self.metadata.len());
        let version = match self.expires_at {
            Some(_) => EXPIRING_VERSION,
            None => VALUE_VERSION,
        };
        out.put_i16(version);
        out.put_i64(self.offset.0);
        if version != EXPIRING_VERSION {
            out.put_i32(self.leader_epoch.0);
        }
        let mut encoding = Encoding {
            out: &mut out,
            is_flexible: false,
        };
        encoding.string(Some(&self.metadata));
        out.put_i64(self.committed_at.0);
        if let Some(expires_at) = self.expires_at {
            out.put_i64(expires_at.0);
        }
        out.freeze()
    }

    pub(crate) fn decode(value: &Bytes) -> Result<Self, RecordError> {
        let mut decoding = Decoding {
            reader: Reader::new(value),
            is_flexible: false,
        };
        let version = decoding.reader.i16()?;
        if !matches!(version, EXPIRING_VERSION | VALUE_VERSION) {
            return Err(RecordError::ValueVersion(version));
        }
        let is_expiring = version == EXPIRING_VERSION;
        let commit = Self {
            offset: Offset(decoding.reader.i64()?),
            leader_epoch: match is_expiring {
                true => LeaderEpoch::UNKNOWN,
                false => LeaderEpoch(decoding.reader.i32()?),
            },
            metadata: decoding.string()?.as_str().to_owned(),
            committed_at: TimestampMs(decoding.reader.i64()?),
            expires_at: match is_expiring {
                true => Some(TimestampMs(decoding.reader.i64()?)).filter(|at| at.0 >= 0),
                false => None,
            },
        };
        decoding.reader.finish()?;
        Ok(commit)
    }
}
