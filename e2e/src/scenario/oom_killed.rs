//! A memory limit that a broker cannot start in.

use serde_json::json;

use super::environment::Environment;
use super::stopped_rollout::{self, BadChange};

/// Enough for a container to begin, and less than a broker needs.
const MEMORY: &str = "12Mi";

/// Sets it, and takes it back.
///
/// # Errors
/// See [`stopped_rollout::run`].
pub fn run(environment: &mut Environment) -> anyhow::Result<()> {
    let resources = json!({"requests": {"memory": MEMORY}, "limits": {"memory": MEMORY}});
    let bad = BadChange {
        topic: "oom-killed",
        change: json!({"spec": {"brokers": {"resources": resources}}}),
        revert: json!({"spec": {"brokers": {"resources": null}}}),
        condition: "OOMKilled",
        names: "spec.brokers.resources.limits.memory",
    };
    stopped_rollout::run(environment, &bad)
}
