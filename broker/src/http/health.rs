//! Probes.

use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;

use super::{App, Shared};

/// How long a thread may show no sign of life before the process is better started anew. Far
/// above a slow disk's worst pause: a kill costs more than a wait.
const STALL_MAX: Duration = Duration::from_secs(20);

/// Whether this process's own threads work. Never depends on other processes.
pub async fn live(State(app): Shared) -> (StatusCode, String) {
    let now = app.clock.now();
    let threads = app.roles.get().map(|roles| roles.threads.as_slice());
    let stalled = threads
        .unwrap_or_default()
        .iter()
        .find(|(_, progress)| now.since(progress.last()) > STALL_MAX);
    match stalled {
        None => (StatusCode::OK, "live\n".to_owned()),
        Some((name, progress)) => {
            let seconds = now.since(progress.last()).as_secs();
            let text = format!("thread {name} has not worked for {seconds} s\n");
            (StatusCode::SERVICE_UNAVAILABLE, text)
        }
    }
}

/// Whether the process does its work for others.
pub async fn ready(State(app): Shared) -> (StatusCode, &'static str) {
    match why_not_ready(&app) {
        None => (StatusCode::OK, "ready\n"),
        Some(why) => (StatusCode::SERVICE_UNAVAILABLE, why),
    }
}

fn why_not_ready(app: &App) -> Option<&'static str> {
    if app.roles.get().is_none() {
        return Some("the process is starting: it may be recovering its logs\n");
    }
    if let Some(controller) = app.controller()
        && controller.status.borrow().leader.is_none()
    {
        return Some("this controller knows no leader of the quorum\n");
    }
    let broker = app.broker()?;
    let is_ready = broker.gate.borrow().is_ready;
    (!is_ready).then_some("this broker is not registered, or fenced\n")
}
