//! Which broker coordinates a group.

use anyhow::{Context, ensure};
use kafka_protocol::messages::FindCoordinatorRequest;
use kafka_protocol::protocol::StrBytes;

use crate::admin::ask_any;

/// The version that both sides of every comparison speak.
const VERSION: i16 = 2;

/// The broker that coordinates a group.
///
/// # Errors
/// If no broker of `bootstrap.servers` tells.
pub fn find(bootstrap: &str, group: &str) -> anyhow::Result<i32> {
    let request =
        FindCoordinatorRequest::default().with_key(StrBytes::from_string(group.to_owned()));
    let answer = ask_any(bootstrap, VERSION, &request)
        .with_context(|| format!("failed to find the coordinator of group {group}"))?;
    let code = answer.error_code;
    ensure!(code == 0, "group {group} has no coordinator: error {code}");
    Ok(answer.node_id.0)
}
