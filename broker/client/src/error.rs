//! What can go wrong.

use std::io;
use std::time::Duration;

use kintsugi_types::{Endpoint, ErrorCode};
use kintsugi_wire::message::MessageError;

/// Why a request has no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No connection could be made.
    #[error("failed to connect to {endpoint}")]
    Connect {
        /// Whom it was to.
        endpoint: Endpoint,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// It took too long. Whether the broker acted on the request is not known.
    #[error("failed to get an answer from {endpoint} within {timeout:?}")]
    TimedOut {
        /// Who did not answer.
        endpoint: Endpoint,
        /// How long was waited.
        timeout: Duration,
    },
    /// The connection is closed. Whether the broker acted on the request is not known.
    #[error("failed to get an answer from {endpoint}: the connection is closed")]
    Closed {
        /// Whose connection.
        endpoint: Endpoint,
        /// Why it was closed.
        #[source]
        source: CloseReason,
    },
    /// The request could not be encoded, or the answer is malformed.
    #[error("failed to exchange a message with {endpoint}")]
    Message {
        /// With whom.
        endpoint: Endpoint,
        /// What is wrong with it.
        #[source]
        source: MessageError,
    },
    /// Both sides know the API, but no version of it in common; or the broker does not serve it.
    #[error("failed to find a version of {api} that {endpoint} serves too")]
    NoCommonVersion {
        /// The API's name.
        api: &'static str,
        /// Who does not serve it.
        endpoint: Endpoint,
    },
    /// The broker refused ApiVersions.
    #[error("failed to learn what {endpoint} serves: {error_code}")]
    Refused {
        /// Who refused.
        endpoint: Endpoint,
        /// The broker's error.
        error_code: ErrorCode,
    },
}

/// Why a connection ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CloseReason {
    /// The other side closed it.
    #[error("the broker closed the connection")]
    ByPeer,
    /// Reading or writing failed.
    #[error("reading or writing failed: {0}")]
    Io(String),
    /// The broker sent what no request of ours explains.
    #[error("the broker broke the protocol: {0}")]
    Protocol(String),
}
