//! Messages of the protocol crate, behind the checks that its decoder lacks.
//!
//! For the APIs that are rarely called. What is decoded shares the frame's memory: copy what
//! outlives the request.

use bytes::{Bytes, BytesMut};
use kafka_protocol::protocol::{Decodable, Encodable, Request};

use crate::api::Api;
use crate::frame::{FrameError, ResponseFrame, encode_request_header, finish_frame};
use crate::primitive::CodecError;
use crate::schema::{Schema, SchemaError, validate};

/// Why a message could not be decoded or encoded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// The table has no such API or version.
    #[error("failed to handle message: API key {key} version {version} is not in the table")]
    NotInTable {
        /// The API key.
        key: i16,
        /// The version.
        version: i16,
    },
    /// The response header is malformed.
    #[error("failed to parse response header")]
    Header(#[source] CodecError),
    /// The message was refused before decoding.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// The protocol crate refused it.
    #[error("failed to decode message: {0}")]
    Decode(String),
    /// The protocol crate could not write it, because a field is set that the version lacks.
    #[error("failed to encode message: {0}")]
    Encode(String),
    /// It does not fit into a frame.
    #[error(transparent)]
    Frame(#[from] FrameError),
}

/// Decodes the body of a request.
///
/// # Errors
/// [`MessageError::NotInTable`], [`MessageError::Schema`] or [`MessageError::Decode`].
pub fn decode_request<R: Request>(version: i16, body: &Bytes) -> Result<R, MessageError> {
    decode(&api_of(R::KEY, version)?.request, version, body)
}

/// Decodes the body of a response to a request of type `R`.
///
/// # Errors
/// [`MessageError::NotInTable`], [`MessageError::Schema`] or [`MessageError::Decode`].
pub fn decode_response<R: Request>(
    version: i16,
    body: &Bytes,
) -> Result<R::Response, MessageError> {
    decode(&api_of(R::KEY, version)?.response, version, body)
}

/// Encodes a whole request frame, length field included.
///
/// # Errors
/// [`MessageError::NotInTable`], [`MessageError::Encode`] or [`MessageError::Frame`].
pub fn encode_request<R: Request>(
    version: i16,
    correlation_id: i32,
    client_id: &str,
    request: &R,
) -> Result<Bytes, MessageError> {
    let api = api_of(R::KEY, version)?;
    let mut out = encode_request_header(api, version, correlation_id, client_id);
    encode(request, &mut out, version)?;
    finish_frame(&mut out, 0)?;
    Ok(out.freeze())
}

/// Encodes a whole response frame to a request of type `R`, length field included.
///
/// # Errors
/// [`MessageError::NotInTable`], [`MessageError::Encode`] or [`MessageError::Frame`].
pub fn encode_response<R: Request>(
    version: i16,
    correlation_id: i32,
    response: &R::Response,
) -> Result<Bytes, MessageError> {
    let api = api_of(R::KEY, version)?;
    let mut out = ResponseFrame::begin(api, version, correlation_id);
    encode(response, &mut out, version)?;
    Ok(ResponseFrame::finish(out)?)
}

/// The row of an API that has this version.
pub(crate) fn api_of(key: i16, version: i16) -> Result<&'static Api, MessageError> {
    Api::find(key)
        .filter(|api| api.has_version(version))
        .ok_or(MessageError::NotInTable { key, version })
}

fn decode<M: Decodable>(schema: &Schema, version: i16, body: &Bytes) -> Result<M, MessageError> {
    validate(schema, version, body)?;
    let mut rest = body.clone();
    M::decode(&mut rest, version).map_err(|error| MessageError::Decode(error.to_string()))
}

fn encode<M: Encodable>(message: &M, out: &mut BytesMut, version: i16) -> Result<(), MessageError> {
    let result = message.encode(out, version);
    result.map_err(|error| MessageError::Encode(error.to_string()))
}

#[cfg(test)]
mod tests {
    use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
    use kafka_protocol::messages::{MetadataRequest, MetadataResponse, TopicName};
    use kafka_protocol::protocol::StrBytes;

    use super::*;
    use crate::frame::{LENGTH_BYTES, RequestHeader};

    #[test]
    fn a_request_and_its_response_survive_a_round_trip() {
        let name = TopicName(StrBytes::from_static_str("topic"));
        let topic = MetadataRequestTopic::default().with_name(Some(name));
        let request = MetadataRequest::default().with_topics(Some(vec![topic]));
        let frame = encode_request(9, 3, "me", &request).unwrap();
        let header = RequestHeader::parse(&frame.slice(LENGTH_BYTES..)).unwrap();
        let found: MetadataRequest = decode_request(header.version, &header.body).unwrap();
        assert_eq!(found, request);

        let response = MetadataResponse::default().with_throttle_time_ms(7);
        let frame = encode_response::<MetadataRequest>(9, 3, &response).unwrap();
        let frame = frame.slice(LENGTH_BYTES..);
        assert_eq!(ResponseFrame::correlation_id(&frame), Ok(3));
        let parsed = ResponseFrame::parse(header.api, 9, &frame).unwrap();
        let found = decode_response::<MetadataRequest>(9, &parsed.body).unwrap();
        assert_eq!(found, response);
    }

    #[test]
    fn a_version_outside_the_table_is_refused() {
        let refused = encode_request(99, 0, "", &MetadataRequest::default());
        assert_eq!(
            refused,
            Err(MessageError::NotInTable {
                key: 3,
                version: 99
            })
        );
    }
}
