//! An image that no node can pull.

use serde_json::json;

use super::environment::Environment;
use super::stopped_rollout::{self, BadChange};

/// An image in a registry that does not exist.
const IMAGE: &str = "127.0.0.1:1/kintsugi/none:none";

/// Sets it, and back.
///
/// # Errors
/// See [`stopped_rollout::run`].
pub fn run(environment: &mut Environment) -> anyhow::Result<()> {
    let bad = BadChange {
        topic: "bad-image",
        change: json!({"spec": {"image": IMAGE}}),
        revert: json!({"spec": {"image": null}}),
        condition: "ImagePullBackOff",
        names: "spec.image",
    };
    stopped_rollout::run(environment, &bad)
}
