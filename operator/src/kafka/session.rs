//! One connection to one broker, with the versions that it serves.

use kafka_protocol::protocol::Request;
use kintsugi_client::{Connection, Limits, SupportedVersions};
use kintsugi_types::Endpoint;

use super::{KafkaError, TIMEOUT};
use crate::names::OPERATOR;

/// The largest answer, in bytes: Metadata of 100,000 partitions with three replicas takes 8 MB.
const RESPONSE_MAX_BYTES: usize = 32 * 1024 * 1024;
/// Requests that await their answer. Looks at topics of one cluster share its session.
const IN_FLIGHT_MAX: usize = 5;

/// A connection. Clones share it.
#[derive(Clone, Debug)]
pub struct Session {
    connection: Connection,
    versions: SupportedVersions,
}

impl Session {
    /// Connects, and asks what the broker serves.
    ///
    /// # Errors
    /// [`KafkaError::Client`].
    pub async fn open(endpoint: &Endpoint) -> Result<Self, KafkaError> {
        let limits = Limits {
            in_flight_max: IN_FLIGHT_MAX,
            response_max_bytes: RESPONSE_MAX_BYTES,
            timeout: TIMEOUT,
        };
        let connection = Connection::connect(endpoint, OPERATOR, limits).await?;
        let versions = SupportedVersions::ask(&connection).await?;
        Ok(Self {
            connection,
            versions,
        })
    }

    /// Whether it has ended, as far as is known.
    pub fn is_closed(&self) -> bool {
        self.connection.is_closed()
    }

    /// To whom.
    pub fn endpoint(&self) -> &Endpoint {
        self.connection.endpoint()
    }

    /// Sends a request in the highest version that both sides have.
    pub(super) async fn request<R: Request>(&self, request: &R) -> Result<R::Response, KafkaError> {
        let version = self.versions.highest::<R>()?;
        Ok(self.connection.request(version, request).await?)
    }
}
