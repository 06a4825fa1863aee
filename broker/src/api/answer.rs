//! What comes of a request.

use bytes::Bytes;
use futures::future::BoxFuture;
use kintsugi_wire::message::MessageError;
use kintsugi_wire::schema::SchemaError;

use crate::client::AnswerBytes;

/// What a connection does with a finished request.
#[derive(Debug)]
pub enum Answer {
    /// Write this frame, in pieces.
    Frame {
        /// The pieces, length field included.
        pieces: Vec<Bytes>,
        /// The memory that its records take.
        memory: Option<AnswerBytes>,
    },
    /// Write nothing (`acks=0`).
    Nothing,
    /// Close the connection.
    Close,
}

/// An answer in the making.
pub type Answering = BoxFuture<'static, Answer>;

/// Why a request has no answer; its connection is closed.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// It could not be decoded, or its answer not encoded.
    #[error("failed to serve request")]
    Message(#[from] MessageError),
    /// It could not be decoded.
    #[error("failed to serve request")]
    Schema(#[from] SchemaError),
    /// An actor gave no answer: it is overloaded, or the process ends.
    #[error("failed to serve request: the broker gave no answer")]
    NoAnswer,
}

impl From<Bytes> for Answer {
    fn from(frame: Bytes) -> Self {
        Self::Frame {
            pieces: vec![frame],
            memory: None,
        }
    }
}
