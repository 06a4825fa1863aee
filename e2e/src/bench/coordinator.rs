//! Which broker coordinates a group.

use anyhow::ensure;
use kafka_protocol::messages::FindCoordinatorRequest;
use kafka_protocol::protocol::StrBytes;

use crate::admin::ask;

/// The version that both sides of every comparison speak.
const VERSION: i16 = 2;

/// The broker that coordinates a group.
///
/// # Errors
/// If nobody answers, or the answer is that there is none.
pub fn find(bootstrap: &str, group: &str) -> anyhow::Result<i32> {
    let mut last = anyhow::anyhow!("bootstrap.servers is empty");
    for address in bootstrap.split(',') {
        match ask_one(address, group) {
            Ok(id) => return Ok(id),
            Err(error) => last = error,
        }
    }
    Err(last.context(format!("failed to find the coordinator of group {group}")))
}

fn ask_one(address: &str, group: &str) -> anyhow::Result<i32> {
    let request =
        FindCoordinatorRequest::default().with_key(StrBytes::from_string(group.to_owned()));
    let answer = ask(address, VERSION, &request)?;
    ensure!(answer.error_code == 0, "error {}", answer.error_code);
    Ok(answer.node_id.0)
}
