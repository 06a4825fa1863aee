//! The header of a response.

use bytes::{BufMut, Bytes, BytesMut};

use super::request::finish_frame;
use super::{FrameError, LENGTH_BYTES};
use crate::api::Api;
use crate::primitive::{CodecError, Reader};
use crate::schema::TAGGED_FIELDS_MAX;

/// A response frame in the making, or one received.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ResponseFrame {
    /// The correlation id of the request that it answers.
    pub correlation_id: i32,
    /// What follows the header.
    pub body: Bytes,
}

impl ResponseFrame {
    /// The correlation id at the start of a frame: enough to find the request it belongs to, which
    /// tells how to parse the rest.
    ///
    /// # Errors
    /// [`CodecError::Short`].
    pub fn correlation_id(frame: &Bytes) -> Result<i32, CodecError> {
        Reader::new(frame).i32()
    }

    /// Parses a frame (without its length field) that answers a request of this API and version.
    ///
    /// # Errors
    /// [`CodecError`] when the header is malformed.
    pub fn parse(api: &Api, version: i16, frame: &Bytes) -> Result<Self, CodecError> {
        let mut reader = Reader::new(frame);
        let correlation_id = reader.i32()?;
        if api.has_flexible_response_header(version) {
            reader.skip_tagged_fields(TAGGED_FIELDS_MAX)?;
        }
        let body = frame.slice(reader.position()..);
        Ok(Self {
            correlation_id,
            body,
        })
    }

    /// Begins a frame: room for its length, then the header.
    pub(crate) fn begin(api: &Api, version: i16, correlation_id: i32) -> BytesMut {
        let mut out = BytesMut::with_capacity(256);
        out.put_bytes(0, LENGTH_BYTES);
        out.put_i32(correlation_id);
        if api.has_flexible_response_header(version) {
            out.put_u8(0);
        }
        out
    }

    /// Writes the length of a frame that is complete.
    pub(crate) fn finish(mut out: BytesMut) -> Result<Bytes, FrameError> {
        finish_frame(&mut out, 0)?;
        Ok(out.freeze())
    }
}
