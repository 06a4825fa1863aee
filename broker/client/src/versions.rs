//! Which versions a broker serves.

use std::collections::BTreeMap;

use kafka_protocol::messages::{ApiVersionsRequest, ApiVersionsResponse};
use kafka_protocol::protocol::{Request, StrBytes};
use kintsugi_types::{Endpoint, ErrorCode};
use kintsugi_wire::api::Api;

use crate::connection::Connection;
use crate::error::ClientError;

/// What one broker told in ApiVersions.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SupportedVersions {
    endpoint: Endpoint,
    ranges: BTreeMap<i16, (i16, i16)>,
}

impl SupportedVersions {
    /// Asks a broker, in the newest version of ApiVersions that it takes.
    ///
    /// # Errors
    /// Those of [`Connection::request`], or [`ClientError::Refused`].
    pub async fn ask(connection: &Connection) -> Result<Self, ClientError> {
        let request = ApiVersionsRequest::default()
            .with_client_software_name(StrBytes::from_static_str("kintsugi"))
            .with_client_software_version(StrBytes::from_static_str(env!("CARGO_PKG_VERSION")));
        let answer = connection.request(3, &request).await;
        // A broker that does not know version 3 answers in version 0 (KIP-511), which does not
        // parse as version 3 or carries the error.
        let answer = match answer {
            Ok(answer) if answer.error_code != ErrorCode::UnsupportedVersion.code() => answer,
            Ok(_) | Err(ClientError::Message { .. }) => {
                connection
                    .request(0, &ApiVersionsRequest::default())
                    .await?
            }
            Err(error) => return Err(error),
        };
        Self::from_answer(connection.endpoint().clone(), &answer)
    }

    fn from_answer(endpoint: Endpoint, answer: &ApiVersionsResponse) -> Result<Self, ClientError> {
        if answer.error_code != ErrorCode::None.code() {
            let code = ErrorCode::from_code(answer.error_code);
            return Err(ClientError::Refused {
                endpoint,
                error_code: code.unwrap_or(ErrorCode::UnknownServerError),
            });
        }
        let ranges = answer
            .api_keys
            .iter()
            .map(|api| (api.api_key, (api.min_version, api.max_version)))
            .collect();
        Ok(Self { endpoint, ranges })
    }

    /// The highest version of this request that the broker and we both have.
    ///
    /// # Errors
    /// [`ClientError::NoCommonVersion`].
    pub fn highest<R: Request>(&self) -> Result<i16, ClientError> {
        let ours = Api::find(R::KEY);
        let theirs = self.ranges.get(&R::KEY);
        let common = ours.zip(theirs).and_then(|(ours, &(min, max))| {
            let version = ours.version_max.min(max);
            (version >= min && ours.has_version(version)).then_some(version)
        });
        common.ok_or_else(|| ClientError::NoCommonVersion {
            api: ours.map_or("an API that is not in the table", |api| api.name),
            endpoint: self.endpoint.clone(),
        })
    }
}
