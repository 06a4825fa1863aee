//! Kill -9 of the active controller.

use std::time::{Duration, Instant};

use super::environment::Environment;
use super::under_load;
use crate::bench::topology::create_topic;
use crate::kubernetes::api::PodView;
use crate::kubernetes::http;

/// How long another controller may take to be active.
const TAKE_OVER_LIMIT: Duration = Duration::from_secs(30);

/// Kills it under load; another must take over and decide something.
///
/// # Errors
/// If none takes over, or the verdict has findings.
pub fn run(environment: &mut Environment) -> anyhow::Result<()> {
    under_load::run(environment, "kill-controller", |environment, _| {
        let active = await_active(environment)?;
        let started = Instant::now();
        environment.kill(&active)?;
        let what = "another controller to be active";
        let next = environment.kubernetes.wait(what, TAKE_OVER_LIMIT, |_| {
            let found = active_controller(environment)?.filter(|next| next.id != active.id);
            Ok(found.ok_or_else(|| "none is".to_owned()))
        })?;
        println!(
            "  controller {} took over from {} after {:.1?}",
            next.id,
            active.id,
            started.elapsed()
        );
        let bootstrap = environment.bootstrap()?;
        create_topic(
            &bootstrap,
            "decided-by-the-next-controller",
            3,
            3,
            TAKE_OVER_LIMIT,
        )
    })
}

/// The controller that says that it leads, as soon as one does: on a busy machine an election may be
/// under way, which is no fault of what is shown next.
///
/// # Errors
/// If none does for [`TAKE_OVER_LIMIT`].
pub fn await_active(environment: &Environment) -> anyhow::Result<PodView> {
    let what = "an active controller";
    environment.kubernetes.wait(what, TAKE_OVER_LIMIT, |_| {
        Ok(active_controller(environment)?.ok_or_else(|| "none is active".to_owned()))
    })
}

/// The controller that says that it leads.
///
/// # Errors
/// If the pods cannot be listed.
fn active_controller(environment: &Environment) -> anyhow::Result<Option<PodView>> {
    for (_, pod) in environment.controllers()? {
        let Some(ip) = pod.ip.clone() else { continue };
        // One that does not answer is not active; who is not there is what this looks for.
        let Ok(body) = http::get(&ip, "/v1/quorum") else {
            continue;
        };
        let quorum: serde_json::Value = serde_json::from_str(&body)?;
        if quorum.get("role").and_then(serde_json::Value::as_str) == Some("leader") {
            return Ok(Some(pod));
        }
    }
    Ok(None)
}
