//! What can go wrong between two processes.

use std::io;

use kintsugi_secret::handshake::Refusal;
use kintsugi_types::Endpoint;

/// Why bytes could not be exchanged.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// The listener could not be opened.
    #[error("failed to listen on {endpoint}: is the port free, and the address one of this host?")]
    Listen {
        /// Where.
        endpoint: Endpoint,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The name has no address.
    #[error("failed to resolve {endpoint}")]
    Resolve {
        /// Whom.
        endpoint: Endpoint,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The connection could not be made.
    #[error("failed to connect to {endpoint}")]
    Connect {
        /// Whom.
        endpoint: Endpoint,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The time of a dial or an exchange ran out.
    #[error("failed to exchange bytes: no answer in {millis} ms")]
    TimedOut {
        /// How long it was waited.
        millis: u128,
    },
    /// The connection broke.
    #[error("failed to exchange bytes: the connection broke")]
    Io(#[from] io::Error),
    /// A frame is longer than its kind may be.
    #[error("failed to read frame: it claims {length} bytes, at most {max} are taken")]
    TooLong {
        /// What its length says.
        length: usize,
        /// The limit.
        max: usize,
    },
    /// A frame is not what was expected.
    #[error("failed to read frame")]
    Malformed(#[from] postcard::Error),
    /// The other side did not prove that it knows the cluster's secret.
    #[error("the other side is not trusted")]
    Untrusted(#[from] Refusal),
}

impl TransportError {
    /// The limit of clients' connections that ended this one, if one did.
    pub fn limit(&self) -> Option<&'static str> {
        match self {
            Self::TooLong { .. } => Some("socket.request.max.bytes"),
            // The kernel's own time-outs carry its number.
            Self::Io(cause)
                if cause.kind() == io::ErrorKind::TimedOut && cause.raw_os_error().is_none() =>
            {
                Some("kintsugi.write.stall.ms")
            }
            _ => None,
        }
    }

    /// Whether nothing listens where it was dialled.
    pub fn is_refused(&self) -> bool {
        matches!(self, Self::Connect { source, .. } if source.kind() == io::ErrorKind::ConnectionRefused)
    }
}
