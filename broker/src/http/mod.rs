//! HTTP: metrics, probes, and what the operator asks controllers.
//!
//! `/livez` looks only at this process's own threads, so that a broker that waits for a quorum is
//! never killed for it. `/readyz` says whether clients are served, or whether a controller knows
//! a leader. What changes anything needs the token of the cluster's secret, if there is one.
//! Guarantees: connections are few and each has an end; nothing here waits without a
//! limit.

mod authority;
mod copies;
mod health;
mod listener;
pub mod load;
mod members;
mod quorum;

use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{delete, get, post};
use kintsugi_types::ControllerId;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::broker::BrokerHandle;
use crate::clock::Clock;
use crate::controller::{ControllerStatus, Input};
use crate::mailbox::Mailbox;
use crate::metrics::Metrics;
use crate::progress::Progress;
use crate::settings::Settings;
use crate::trust::Trust;

pub use quorum::cluster_settings;

/// What the answers are made of.
pub struct App {
    /// The settings.
    pub settings: Arc<Settings>,
    /// The clock of the process.
    pub clock: Clock,
    /// The counters.
    pub metrics: Metrics,
    /// Who may change things.
    pub trust: Trust,
    /// The roles, once they are started.
    pub roles: OnceLock<Roles>,
    /// What the shards last told of their partitions.
    pub loads: load::Gathered,
}

/// The roles of a process that has started.
pub struct Roles {
    /// The threads that have to work, by name.
    pub threads: Vec<(String, Progress)>,
    /// The broker, if this process is one.
    pub broker: Option<Arc<BrokerHandle>>,
    /// The controller, if this process is one.
    pub controller: Option<ControllerAccess>,
}

impl App {
    fn broker(&self) -> Option<&Arc<BrokerHandle>> {
        self.roles.get()?.broker.as_ref()
    }

    fn controller(&self) -> Option<&ControllerAccess> {
        self.roles.get()?.controller.as_ref()
    }
}

/// How a controller is asked.
#[derive(Clone)]
pub struct ControllerAccess {
    /// Its id.
    pub id: ControllerId,
    /// Its state.
    pub status: watch::Receiver<ControllerStatus>,
    /// Its mailbox.
    pub mailbox: Mailbox<Input>,
}

type Shared = State<Arc<App>>;

/// Serves until the process ends. Begins before the roles have started, because recovering logs
/// may take longer than a probe's patience.
pub async fn serve(listener: TcpListener, app: Arc<App>) {
    let has_controller = app.settings.controller.is_some();
    let mut router = Router::new()
        .route("/metrics", get(metrics))
        .route("/livez", get(health::live))
        .route("/readyz", get(health::ready));
    if app.settings.broker.is_some() {
        router = router
            .route("/metrics/partitions", get(load::partitions))
            .route("/v1/load", get(load::json))
            .route("/v1/group-offsets", get(load::groups));
    }
    if has_controller {
        router = router
            .route("/v1/quorum", get(members::describe))
            .route("/v1/quorum/voters", post(members::add))
            .route(
                "/v1/quorum/voters/{id}/{directory}",
                delete(members::remove),
            )
            .route("/v1/brokers", get(quorum::brokers))
            .route("/v1/partitions", get(quorum::partitions))
            .route("/v1/brokers/{id}/generations", post(quorum::grant));
    }
    // Around every route, so that none that is added later is left open.
    let guard = from_fn_with_state(Arc::clone(&app), authority::check);
    let router = router.layer(guard).with_state(app);
    let limited = listener::Limited::new(listener);
    if let Err(cause) = axum::serve(limited, router).await {
        tracing::error!(%cause, "the HTTP listener ended");
    }
}

async fn metrics(State(app): Shared) -> Response {
    app.metrics.process.observe(&app.settings.log_directory);
    if let Some(broker) = app.broker() {
        app.metrics
            .partitions
            .observe_image(&broker.image().image, Some(broker.id), &app.settings);
        let waiting: usize = broker.shards.iter().map(Mailbox::waiting).sum();
        app.metrics
            .traffic
            .shard_events_waiting
            .set(i64::try_from(waiting).unwrap_or(i64::MAX));
        let count = |files: usize| i64::try_from(files).unwrap_or(i64::MAX);
        let traffic = &app.metrics.traffic;
        traffic.open_log_files.set(count(broker.logs.open_files()));
        let files_max = broker.logs.open_files_max();
        traffic.open_log_files_max.set(count(files_max));
    }
    if let Some(controller) = app.controller() {
        let status = controller.status.borrow().clone();
        app.metrics
            .partitions
            .active_controller
            .set(i64::from(status.is_active));
        if app.broker().is_none() {
            app.metrics
                .partitions
                .observe_image(&status.image, None, &app.settings);
        }
    }
    match app.metrics.render() {
        Ok(text) => ([("content-type", "text/plain; version=0.0.4")], text).into_response(),
        Err(cause) => {
            let text = format!("failed to write metrics: {cause}\n");
            (StatusCode::INTERNAL_SERVER_ERROR, text).into_response()
        }
    }
}
