//! One request and what it is served with.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use kafka_protocol::protocol::Request;
use kintsugi_wire::frame::RequestHeader;
use kintsugi_wire::message::{MessageError, decode_request, encode_response};

use super::answer::{Answer, ApiError};
use crate::broker::BrokerHandle;
use crate::client::AnswerMemory;

/// What every request of a connection is served with.
#[derive(Debug)]
pub struct Context {
    /// The broker.
    pub broker: Arc<BrokerHandle>,
    /// The memory of answers with records.
    pub answers: AnswerMemory,
    /// The memory of all other answers.
    pub listings: AnswerMemory,
    /// The client's address.
    pub peer: Option<SocketAddr>,
}

impl Context {
    /// Whether answers wait for others to leave.
    pub fn has_short_memory(&self) -> bool {
        self.answers.is_short() || self.listings.is_short()
    }
}

/// One request.
#[derive(Clone, Debug)]
pub struct Call {
    /// What it is served with.
    pub context: Arc<Context>,
    /// Its header and its body.
    pub header: RequestHeader,
}

impl Call {
    /// The broker.
    pub fn broker(&self) -> &Arc<BrokerHandle> {
        &self.context.broker
    }

    /// The request's version.
    pub fn version(&self) -> i16 {
        self.header.version
    }

    /// Decodes the body.
    ///
    /// # Errors
    /// [`ApiError::Message`].
    pub fn decode<R: Request>(&self) -> Result<R, ApiError> {
        Ok(decode_request(self.header.version, &self.header.body)?)
    }

    /// Decodes the body with a decoder that knows versions which the protocol crate does not.
    ///
    /// # Errors
    /// [`ApiError::Message`].
    pub fn decode_with<R>(
        &self,
        decode: impl FnOnce(i16, &Bytes) -> Result<R, MessageError>,
    ) -> Result<R, ApiError> {
        Ok(decode(self.header.version, &self.header.body)?)
    }

    /// Encodes the answer.
    ///
    /// # Errors
    /// [`ApiError::Message`].
    pub fn encode<R: Request>(&self, response: &R::Response) -> Result<Answer, ApiError> {
        let (version, correlation) = (self.header.version, self.header.correlation_id);
        Ok(encode_response::<R>(version, correlation, response)?.into())
    }
}
