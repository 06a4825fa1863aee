//! What controllers tell the operator, and the one thing it has them decide.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use kintsugi_metadata::ClusterSettings;
use kintsugi_node::message::link::{AdminAnswer, AdminRequest};
use kintsugi_types::{BrokerId, Generation};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::copies::{Copies, copies};
use super::{App, Shared};
use crate::controller::{ControllerStatus, Input};

/// How long a decision may take.
pub const DECISION_MAX: Duration = Duration::from_secs(5);

/// A body of JSON.
pub struct Json<T>(pub T);

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        match serde_json::to_vec(&self.0) {
            Ok(body) => ([(CONTENT_TYPE, "application/json")], body).into_response(),
            Err(cause) => {
                let text = format!("failed to write JSON: {cause}\n");
                (StatusCode::INTERNAL_SERVER_ERROR, text).into_response()
            }
        }
    }
}

/// One broker, as `GET /v1/brokers` tells it.
#[derive(Serialize)]
struct BrokerJson {
    id: i32,
    generation: u32,
    granted_generation: u32,
    fenced: bool,
    stopping: bool,
    cordoned: bool,
    epoch: i64,
    start: u64,
    rack: Option<String>,
    #[serde(flatten)]
    copies: Copies,
}

/// `GET /v1/brokers`: every registered broker, as the active controller knows them.
pub async fn brokers(State(app): Shared) -> Response {
    let status = match active(&app) {
        Ok(status) => status,
        Err(elsewhere) => return *elsewhere,
    };
    let image = &status.image;
    let copies = copies(image, &cluster_settings(&app.settings));
    let brokers: Vec<BrokerJson> = image
        .brokers
        .iter()
        .map(|(id, broker)| {
            let registration = &broker.registration;
            let generation = registration.incarnation.generation;
            let granted = image.generations.get(id).copied().unwrap_or_default();
            BrokerJson {
                id: id.0,
                generation: generation.0,
                granted_generation: granted.max(generation).0,
                fenced: broker.fenced,
                stopping: broker.stopping,
                cordoned: image.dynamic_configs.is_cordoned(*id),
                epoch: broker.epoch.0,
                start: registration.incarnation.start.0,
                rack: registration.rack.as_ref().map(|rack| rack.0.to_string()),
                copies: copies.get(id).copied().unwrap_or_default(),
            }
        })
        .collect();
    Json(brokers).into_response()
}

/// `GET /v1/partitions`: how many partitions are in which state.
pub async fn partitions(State(app): Shared) -> Response {
    let status = match active(&app) {
        Ok(status) => status,
        Err(elsewhere) => return *elsewhere,
    };
    let settings = cluster_settings(&app.settings);
    let (mut total, mut leaderless, mut under_replicated) = (0, 0, 0);
    let (mut under_min_isr, mut at_min_isr, mut replicas_max) = (0, 0, 0);
    for (id, topic) in &status.image.topics {
        for state in topic.partitions.values() {
            total += 1;
            // A move that changes the number is on its way to the new one.
            let copies = state.replicas_in_force().max(state.target_replicas().len());
            replicas_max = replicas_max.max(copies);
            leaderless += usize::from(state.leader.is_none());
            under_replicated += usize::from(state.isr.len() < state.replicas.len());
            let min_isr = settings.min_isr(&status.image, *id, state);
            under_min_isr += usize::from(state.isr.len() < min_isr);
            // One broker less would refuse acks=all: the operator then allows no eviction.
            at_min_isr += usize::from(state.isr.len() <= min_isr);
        }
    }
    Json(json!({
        "total": total,
        "leaderless": leaderless,
        "under_replicated": under_replicated,
        "under_min_isr": under_min_isr,
        "at_min_isr": at_min_isr,
        "replicas_max": replicas_max,
    }))
    .into_response()
}

/// The cluster's defaults for topics, as the controller decides by.
pub fn cluster_settings(settings: &crate::settings::Settings) -> ClusterSettings {
    let number = |name| settings.number(name);
    ClusterSettings {
        num_partitions: i32::try_from(number("num.partitions")).unwrap_or(1),
        default_replication_factor: i16::try_from(number("default.replication.factor"))
            .unwrap_or(1),
        min_insync_replicas: i32::try_from(number("min.insync.replicas")).unwrap_or(1),
        unclean_leader_election: settings.is_on("unclean.leader.election.enable"),
    }
}

/// The body of `POST /v1/brokers/{id}/generations`.
#[derive(Deserialize)]
pub struct Grant {
    generation: u32,
}

/// `POST /v1/brokers/{id}/generations`: lets a broker come back on an empty volume, or says why
/// not (409).
pub async fn grant(State(app): Shared, Path(id): Path<i32>, body: Bytes) -> Response {
    let Ok(grant) = serde_json::from_slice::<Grant>(&body) else {
        let reason = json!({"reason": "send a body such as {\"generation\": 2}"});
        return (StatusCode::BAD_REQUEST, Json(reason)).into_response();
    };
    if let Err(elsewhere) = active(&app) {
        return *elsewhere;
    }
    let Some(controller) = app.controller() else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let (reply, answer) = oneshot::channel();
    controller.mailbox.post(Input::Admin {
        request: AdminRequest::GrantGeneration {
            broker: BrokerId(id),
            generation: Generation(grant.generation),
        },
        reply,
    });
    match timeout(DECISION_MAX, answer).await {
        Ok(Ok(AdminAnswer::Generation(Ok(granted)))) => {
            Json(json!({"generation": granted.0})).into_response()
        }
        Ok(Ok(AdminAnswer::Generation(Err(refused)))) => {
            let reason = json!({"reason": refused.to_string()});
            (StatusCode::CONFLICT, Json(reason)).into_response()
        }
        Ok(Ok(AdminAnswer::NotDecided(error))) => not_decided(error.name()),
        Ok(Ok(_) | Err(_)) => not_decided("too many requests wait"),
        Err(_) => not_decided("the quorum did not decide in time"),
    }
}

pub fn not_decided(reason: &str) -> Response {
    let body = Json(json!({"reason": reason}));
    (StatusCode::SERVICE_UNAVAILABLE, body).into_response()
}

pub fn status(app: &Arc<App>) -> Option<(i32, ControllerStatus)> {
    let controller = app.controller()?;
    Some((controller.id.0, controller.status.borrow().clone()))
}

/// The state, if this is the active controller; else who is (421).
pub fn active(app: &Arc<App>) -> Result<ControllerStatus, Box<Response>> {
    let Some((_, status)) = status(app) else {
        return Err(Box::new(StatusCode::NOT_FOUND.into_response()));
    };
    if status.is_active {
        return Ok(status);
    }
    let leader = json!({
        "leader": status.leader.map(|leader| leader.0),
        "endpoint": status.leader_endpoint.map(|endpoint| endpoint.to_string()),
    });
    let elsewhere = (StatusCode::MISDIRECTED_REQUEST, Json(leader));
    Err(Box::new(elsewhere.into_response()))
}
