//! Who may change things over HTTP. Reading is open: probes and scrapers know no secret.

use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use serde_json::json;

use super::Shared;
use super::quorum::Json;

/// Lets a request through that only reads, or that shows the token of the cluster's secret.
pub async fn check(State(app): Shared, request: Request, next: Next) -> Response {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    if reads || app.trust.may_change(bearer(request.headers())) {
        return next.run(request).await;
    }
    tracing::warn!(method = %request.method(), path = request.uri().path(), "refused a change over HTTP: it shows no token of the cluster's secret");
    let reason = json!({
        "reason": "changes need the token of the cluster's secret, as `Authorization: Bearer TOKEN`; docs/operations.md says how it is made",
    });
    let mut refused = (StatusCode::UNAUTHORIZED, Json(reason)).into_response();
    let scheme = HeaderValue::from_static("Bearer");
    refused.headers_mut().insert(WWW_AUTHENTICATE, scheme);
    refused
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let text = headers.get(AUTHORIZATION)?.to_str().ok()?;
    text.strip_prefix("Bearer ").map(str::trim)
}
