//! The header of a request.

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::protocol::StrBytes;

use super::{FrameError, LENGTH_BYTES};
use crate::api::{Api, ApiKey};
use crate::primitive::{CodecError, LengthKind, Reader};
use crate::schema::TAGGED_FIELDS_MAX;

/// The header of a request (versions 1 and 2), and the body that follows it.
#[derive(Clone, Debug)]
pub struct RequestHeader {
    /// Which API: a row that is served.
    pub api: &'static Api,
    /// Which version: one that the row has.
    pub version: i16,
    /// What the response has to repeat.
    pub correlation_id: i32,
    /// `client.id`; shares the frame's memory.
    pub client_id: Option<StrBytes>,
    /// The rest of the frame.
    pub body: Bytes,
}

/// Why a request's header is not acceptable. All but [`HeaderError::UnsupportedApiVersions`] end
/// the connection, as in Kafka.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// The bytes are no header.
    #[error("failed to parse request header")]
    Malformed(#[from] CodecError),
    /// No such API here.
    #[error("failed to accept request: API key {0} is not served")]
    UnknownApi(i16),
    /// The API has no such version here.
    #[error("failed to accept request: {} version {version} is not supported", api.name)]
    UnsupportedVersion {
        /// The API.
        api: &'static Api,
        /// The version asked for.
        version: i16,
    },
    /// A newer ApiVersions: answered with a version 0 body, UNSUPPORTED_VERSION and the ranges,
    /// so that the client can ask again (KIP-511).
    #[error("failed to accept request: ApiVersions version {version} is not supported")]
    UnsupportedApiVersions {
        /// The version asked for.
        version: i16,
        /// What the answer has to repeat.
        correlation_id: i32,
    },
}

impl RequestHeader {
    /// Parses the header at the start of a frame (without its length field).
    ///
    /// # Errors
    /// [`HeaderError`].
    pub fn parse(frame: &Bytes) -> Result<Self, HeaderError> {
        let mut reader = Reader::new(frame);
        let key = reader.i16()?;
        let version = reader.i16()?;
        let correlation_id = reader.i32()?;
        let api = Api::find(key).ok_or(HeaderError::UnknownApi(key))?;
        if !api.has_version(version) {
            return Err(match api.key {
                ApiKey::ApiVersions => HeaderError::UnsupportedApiVersions {
                    version,
                    correlation_id,
                },
                _ => HeaderError::UnsupportedVersion { api, version },
            });
        }
        let client_id = match reader.length(LengthKind::Int16)? {
            None => None,
            Some(length) => {
                let at = reader.position();
                let text = StrBytes::from_utf8(reader.slice(length)?);
                Some(text.map_err(|_| CodecError::NotUtf8 { at })?)
            }
        };
        if api.has_flexible_request_header(version) {
            reader.skip_tagged_fields(TAGGED_FIELDS_MAX)?;
        }
        let body = frame.slice(reader.position()..);
        Ok(Self {
            api,
            version,
            correlation_id,
            client_id,
            body,
        })
    }
}

/// Begins a request frame: room for the length, then the header.
pub(crate) fn encode_request_header(
    api: &Api,
    version: i16,
    correlation_id: i32,
    client_id: &str,
) -> BytesMut {
    let mut out = BytesMut::with_capacity(256);
    out.put_i32(0);
    out.put_i16(api.key as i16);
    out.put_i16(version);
    out.put_i32(correlation_id);
    // A client id is a setting of our own; one that does not fit is sent as none.
    match i16::try_from(client_id.len()) {
        Ok(length) => {
            out.put_i16(length);
            out.put_slice(client_id.as_bytes());
        }
        Err(_) => out.put_i16(-1),
    }
    if api.has_flexible_request_header(version) {
        out.put_u8(0);
    }
    out
}

/// Writes the length of a finished frame, of which `beyond_bytes` follow outside the buffer.
pub(crate) fn finish_frame(out: &mut [u8], beyond_bytes: usize) -> Result<(), FrameError> {
    let size_bytes = (out.len() + beyond_bytes).saturating_sub(LENGTH_BYTES);
    let length = i32::try_from(size_bytes).map_err(|_| FrameError::Overflow(size_bytes))?;
    if let Some(field) = out.first_chunk_mut::<LENGTH_BYTES>() {
        *field = length.to_be_bytes();
    }
    Ok(())
}
