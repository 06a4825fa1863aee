//! Kafka's admin protocol, as far as a reader needs it. One file an API.

mod describe_log_dirs;
mod metadata;

use std::collections::BTreeMap;
use std::time::Duration;

use kafka_protocol::protocol::Request;
use kintsugi_client::{ClientError, Connection, Limits, SupportedVersions};
use kintsugi_survey::MetadataError;
use kintsugi_types::{Endpoint, ErrorCode};

use crate::observation::{Cluster, LogDirectories};

pub use kintsugi_survey::Reached;

/// Time for a connection to be made, and for each request.
pub const TIMEOUT: Duration = Duration::from_secs(30);
/// The largest answer: Metadata of a million partitions with three replicas.
pub const ANSWER_MAX_BYTES: usize = 100 * 1024 * 1024;
const CLIENT_ID: &str = "kintsugi-plan";

/// Why a cluster could not be read.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// Nobody answered.
    #[error(
        "failed to reach any of the bootstrap addresses; check that they are Kafka listeners without TLS and SASL"
    )]
    Unreachable(#[source] Option<ClientError>),
    /// A broker broke off.
    #[error("failed to read {what} of broker {broker}")]
    Broker {
        /// What was asked for.
        what: &'static str,
        /// Whom.
        broker: i32,
        /// Why.
        #[source]
        source: ClientError,
    },
    /// A broker refused.
    #[error("failed to read {what}: broker {broker} answered {code}")]
    Refused {
        /// What was asked for.
        what: &'static str,
        /// Whom.
        broker: i32,
        /// Kafka's error.
        code: ErrorCode,
    },
    /// The metadata cannot be used.
    #[error(transparent)]
    Metadata(#[from] MetadataError),
}

/// A connection with the versions that its broker serves.
pub(crate) struct Session {
    connection: Connection,
    versions: SupportedVersions,
}

impl Session {
    async fn open(endpoint: &Endpoint) -> Result<Self, ClientError> {
        let limits = Limits {
            response_max_bytes: ANSWER_MAX_BYTES,
            timeout: TIMEOUT,
            ..Limits::default()
        };
        let connection = Connection::connect(endpoint, CLIENT_ID, limits).await?;
        let versions = SupportedVersions::ask(&connection).await?;
        Ok(Self {
            connection,
            versions,
        })
    }

    async fn request<R: Request>(&self, request: &R) -> Result<R::Response, ClientError> {
        let version = self.versions.highest::<R>()?;
        self.connection.request(version, request).await
    }
}

/// The brokers, topics and partitions, from the first bootstrap address that answers.
///
/// # Errors
/// [`AdminError`].
pub async fn read_cluster(bootstrap: &[Endpoint]) -> Result<(Cluster, Reached), AdminError> {
    let mut last = None;
    for endpoint in bootstrap {
        match Session::open(endpoint).await {
            Ok(session) => return metadata::read(&session).await,
            Err(error) => last = Some(error),
        }
    }
    Err(AdminError::Unreachable(last))
}

/// The log directories of every broker that lives, one broker after the other.
///
/// # Errors
/// [`AdminError`]: a plan made without one broker's sizes would fill it up.
pub async fn read_log_directories(
    reached: &Reached,
) -> Result<BTreeMap<i32, LogDirectories>, AdminError> {
    let mut all = BTreeMap::new();
    for (broker, endpoint) in &reached.endpoints {
        let failed = |source| AdminError::Broker {
            what: "the log directories",
            broker: *broker,
            source,
        };
        let session = Session::open(endpoint).await.map_err(failed)?;
        all.insert(*broker, describe_log_dirs::read(&session, *broker).await?);
    }
    Ok(all)
}

fn refused(what: &'static str, broker: i32, code: i16) -> Result<(), AdminError> {
    if code == ErrorCode::None.code() {
        return Ok(());
    }
    Err(AdminError::Refused {
        what,
        broker,
        code: ErrorCode::from_code(code).unwrap_or(ErrorCode::UnknownServerError),
    })
}
