//! Requests that no node has room for.

use serde_json::json;

use super::environment::Environment;
use super::stopped_rollout::{self, BadChange};

/// More memory than any node has.
const MEMORY: &str = "100Ti";

/// Asks for it, and takes that back.
///
/// # Errors
/// See [`stopped_rollout::run`].
pub fn run(environment: &mut Environment) -> anyhow::Result<()> {
    let resources = json!({"requests": {"memory": MEMORY}, "limits": {"memory": MEMORY}});
    let bad = BadChange {
        topic: "pending",
        change: json!({"spec": {"brokers": {"resources": resources}}}),
        revert: json!({"spec": {"brokers": {"resources": null}}}),
        condition: "Pending",
        names: "spec.brokers.resources.requests",
    };
    stopped_rollout::run(environment, &bad)
}
