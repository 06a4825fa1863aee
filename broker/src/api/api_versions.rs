//! ApiVersions: what is served (KIP-35, KIP-511).

use std::future::Future;

use kafka_protocol::messages::api_versions_response::ApiVersion;
use kafka_protocol::messages::{ApiVersionsRequest, ApiVersionsResponse};
use kintsugi_types::ErrorCode;
use kintsugi_wire::api::Api;
use kintsugi_wire::message::encode_response;

use super::answer::{Answer, ApiError};
use super::call::Call;

/// Answers with every API that is served.
pub fn serve(call: Call) -> impl Future<Output = Result<Answer, ApiError>> {
    let result = call
        .decode::<ApiVersionsRequest>()
        .and_then(|_| call.encode::<ApiVersionsRequest>(&ranges(ErrorCode::None)));
    std::future::ready(result)
}

/// The answer to a version that is not known: a body of version 0 with the ranges, from which the
/// client picks one.
///
/// # Errors
/// [`ApiError::Message`].
pub fn unsupported(correlation_id: i32) -> Result<Answer, ApiError> {
    let response = ranges(ErrorCode::UnsupportedVersion);
    Ok(encode_response::<ApiVersionsRequest>(0, correlation_id, &response)?.into())
}

fn ranges(error: ErrorCode) -> ApiVersionsResponse {
    let keys = Api::advertised().map(|(key, min, max)| {
        ApiVersion::default()
            .with_api_key(key as i16)
            .with_min_version(min)
            .with_max_version(max)
    });
    ApiVersionsResponse::default()
        .with_error_code(error.code())
        .with_api_keys(keys.collect())
}
