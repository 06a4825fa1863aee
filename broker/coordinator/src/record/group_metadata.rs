//! The value of a group.

use bytes::{BufMut, Bytes, BytesMut};
use kintsugi_types::TimestampMs;
use kintsugi_wire::primitive::{CodecError, Decoding, Encoding, Reader};

use super::{RecordError, VALUE_VERSION};
use crate::id::{InstanceId, MemberId};

/// The fewest bytes of a member: three strings, a null, two integers, two byte fields.
const MEMBER_BYTES_MIN: usize = 24;

/// A group as of one generation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct GroupMetadata {
    pub(crate) protocol_type: String,
    pub(crate) generation: i32,
    pub(crate) protocol: Option<String>,
    pub(crate) leader: Option<MemberId>,
    pub(crate) state_since: TimestampMs,
    pub(crate) members: Vec<MemberMetadata>,
}

/// One member and what it was assigned.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct MemberMetadata {
    pub(crate) member: MemberId,
    pub(crate) instance: Option<InstanceId>,
    pub(crate) client_id: String,
    pub(crate) client_host: String,
    pub(crate) rebalance_timeout_ms: i32,
    pub(crate) session_timeout_ms: i32,
    pub(crate) subscription: Bytes,
    pub(crate) assignment: Bytes,
}

impl GroupMetadata {
    pub(crate) fn encode(&self) -> Bytes {
        let mut out = BytesMut::new();
        out.put_i16(VALUE_VERSION);
        let mut encoding = Encoding {
            out: &mut out,
            is_flexible: false,
        };
        encoding.string(Some(&self.protocol_type));
        encoding.out.put_i32(self.generation);
        encoding.string(self.protocol.as_deref());
        encoding.string(self.leader.as_ref().map(|leader| leader.0.as_str()));
        encoding.out.put_i64(self.state_since.0);
        encoding.array(self.members.len());
        for member in &self.members {
            member.put(&mut encoding);
        }
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
        let protocol_type = decoding.string()?.as_str().to_owned();
        let generation = decoding.reader.i32()?;
        let protocol = decoding
            .nullable_string()?
            .map(|text| text.as_str().to_owned());
        let leader = decoding.nullable_string()?.map(|text| MemberId::of(&text));
        let state_since = TimestampMs(decoding.reader.i64()?);
        let count = decoding.array(MEMBER_BYTES_MIN)?;
        let members = (0..count).map(|_| MemberMetadata::read(&mut decoding));
        let metadata = Self {
            protocol_type,
            generation,
            protocol,
            leader,
            state_since,
            members: members.collect::<Result<_, _>>()?,
        };
        decoding.reader.finish()?;
        Ok(metadata)
    }
}

impl MemberMetadata {
    fn put(&self, encoding: &mut Encoding<'_>) {
        encoding.string(Some(&self.member.0));
        encoding.string(self.instance.as_ref().map(|instance| instance.0.as_str()));
        encoding.string(Some(&self.client_id));
        encoding.string(Some(&self.client_host));
        encoding.out.put_i32(self.rebalance_timeout_ms);
        encoding.out.put_i32(self.session_timeout_ms);
        encoding.wide_length(Some(self.subscription.len()));
        encoding.out.put_slice(&self.subscription);
        encoding.wide_length(Some(self.assignment.len()));
        encoding.out.put_slice(&self.assignment);
    }

    fn read(decoding: &mut Decoding<'_>) -> Result<Self, CodecError> {
        let copied = |bytes: Option<Bytes>| Bytes::copy_from_slice(&bytes.unwrap_or_default());
        Ok(Self {
            member: MemberId::of(&decoding.string()?),
            instance: decoding
                .nullable_string()?
                .map(|text| InstanceId::of(&text)),
            client_id: decoding.string()?.as_str().to_owned(),
            client_host: decoding.string()?.as_str().to_owned(),
            rebalance_timeout_ms: decoding.reader.i32()?,
            session_timeout_ms: decoding.reader.i32()?,
            subscription: copied(decoding.bytes()?),
            assignment: copied(decoding.bytes()?),
        })
    }
}
