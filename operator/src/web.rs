//! `/metrics`, `/livez` and `/readyz`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use tokio::net::TcpListener;

use crate::reconcile::Context;

/// What the answers come from.
#[derive(Clone)]
pub struct Health {
    /// Metrics.
    pub context: Arc<Context>,
    /// Whether the installed definition is new enough and the API server answered.
    pub ready: Arc<AtomicBool>,
}

/// Serves until the process ends.
///
/// # Errors
/// When the listener fails.
pub async fn serve(listener: TcpListener, health: Health) -> std::io::Result<()> {
    let router = Router::new()
        .route("/metrics", get(metrics))
        .route("/livez", get(live))
        .route("/readyz", get(ready))
        .with_state(health);
    axum::serve(listener, router).await
}

async fn metrics(State(health): State<Health>) -> (StatusCode, Vec<u8>) {
    match health.context.metrics.text() {
        Ok(mut text) => {
            text.extend(health.context.loads.exported().into_bytes());
            (StatusCode::OK, text)
        }
        Err(error) => (
            StatusCode::INTERNAL_SERVER_ERROR,
            error.to_string().into_bytes(),
        ),
    }
}

async fn live(State(health): State<Health>) -> (StatusCode, &'static str) {
    if health.context.metrics.is_stuck() {
        (
            StatusCode::INTERNAL_SERVER_ERROR,
            "a look at a cluster is stuck\n",
        )
    } else {
        (StatusCode::OK, "ok\n")
    }
}

async fn ready(State(health): State<Health>) -> (StatusCode, &'static str) {
    if health.ready.load(Ordering::Relaxed) {
        (StatusCode::OK, "ok\n")
    } else {
        (
            StatusCode::SERVICE_UNAVAILABLE,
            "a definition is absent or too old; the log says which\n",
        )
    }
}
