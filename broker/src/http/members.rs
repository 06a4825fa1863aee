//! The quorum's members over HTTP: who they are, adding one, removing one.
//!
//! The shapes are those of Kafka's AddRaftVoter and RemoveRaftVoter (KIP-853): a voter is an id
//! with the id of its directory.

use std::collections::BTreeMap;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use kintsugi_quorum::{ChangeError, Member, MemberChange};
use kintsugi_types::{ControllerId, DirectoryId, Endpoint};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::quorum::{DECISION_MAX, Json, not_decided, status};
use super::{App, Shared};
use crate::controller::{ControllerStatus, Input};

/// `GET /v1/quorum`: the quorum as this controller sees it.
pub async fn describe(State(app): Shared) -> Response {
    let Some((id, status)) = status(&app) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let matched: BTreeMap<_, _> = status.matched.iter().map(|(id, o)| (id.0, o.0)).collect();
    Json(json!({
        "id": id,
        "directory": status.directory.0,
        "role": status.role,
        "active": status.is_active,
        "term": status.term.0,
        "leader": status.leader.map(|leader| leader.0),
        "voters": members(&app, &status.membership.voters),
        "learners": members(&app, &status.membership.learners),
        "members_committed": status.is_membership_committed,
        "matched": matched,
        "commit": status.commit.0,
        "applied": status.applied.0,
    }))
    .into_response()
}

fn members(app: &App, members: &BTreeMap<ControllerId, Member>) -> Vec<Value> {
    let each = members.iter().map(|(id, member)| {
        let endpoint = member.endpoint.as_ref();
        let endpoint = endpoint.or_else(|| app.settings.voters.get(id));
        json!({
            "id": id.0,
            "directory": member.directory.map(|directory| directory.0),
            "endpoint": endpoint.map(Endpoint::to_string),
        })
    });
    each.collect()
}

/// The body of `POST /v1/quorum/voters`.
#[derive(Deserialize)]
struct NewVoter {
    id: i32,
    directory: uuid::Uuid,
    #[serde(default)]
    endpoint: Option<String>,
}

/// `POST /v1/quorum/voters`: lets a controller join. 202: it is sent the log, and becomes a voter
/// once it has caught up, which `GET /v1/quorum` shows.
pub async fn add(State(app): Shared, body: Bytes) -> Response {
    let usage = || {
        let reason = json!({
            "reason": "send a body such as {\"id\": 1003, \"directory\": \"the one of its GET /v1/quorum\", \"endpoint\": \"host:9093\"}",
        });
        (StatusCode::BAD_REQUEST, Json(reason)).into_response()
    };
    let Ok(voter) = serde_json::from_slice::<NewVoter>(&body) else {
        return usage();
    };
    let endpoint = match voter.endpoint.map(|text| text.parse()) {
        None => None,
        Some(Ok(endpoint)) => Some(endpoint),
        Some(Err(_)) => return usage(),
    };
    let change = MemberChange::Add {
        id: ControllerId(voter.id),
        directory: DirectoryId(voter.directory),
        endpoint,
    };
    decide(&app, change, StatusCode::ACCEPTED).await
}

/// `DELETE /v1/quorum/voters/{id}/{directory}`: takes a voter or learner away. 200: committed.
pub async fn remove(
    State(app): Shared,
    Path((id, directory)): Path<(i32, uuid::Uuid)>,
) -> Response {
    let change = MemberChange::Remove {
        id: ControllerId(id),
        directory: DirectoryId(directory),
    };
    decide(&app, change, StatusCode::OK).await
}

async fn decide(app: &App, change: MemberChange, done: StatusCode) -> Response {
    let Some(controller) = app.controller() else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let (reply, answer) = oneshot::channel();
    let ask = Input::ChangeMembers { change, reply };
    controller.mailbox.post(ask);
    match timeout(DECISION_MAX, answer).await {
        Ok(Ok(Ok(()))) => (done, Json(json!({"committed": true}))).into_response(),
        // Asked twice, it is done once.
        Ok(Ok(Err(ChangeError::AlreadyMember { .. }))) => {
            (done, Json(json!({"committed": true}))).into_response()
        }
        Ok(Ok(Err(ChangeError::NotLeader { .. }))) => elsewhere(&controller.status.borrow()),
        Ok(Ok(Err(refused @ ChangeError::NotYet))) => not_decided(&refused.to_string()),
        Ok(Ok(Err(refused))) => {
            let reason = json!({"reason": refused.to_string()});
            (StatusCode::CONFLICT, Json(reason)).into_response()
        }
        Ok(Err(_)) => not_decided("too many requests wait"),
        Err(_) => {
            not_decided("the quorum did not decide in time; ask GET /v1/quorum what came of it")
        }
    }
}

fn elsewhere(status: &ControllerStatus) -> Response {
    let leader = json!({
        "leader": status.leader.map(|leader| leader.0),
        "endpoint": status.leader_endpoint.as_ref().map(Endpoint::to_string),
    });
    (StatusCode::MISDIRECTED_REQUEST, Json(leader)).into_response()
}
