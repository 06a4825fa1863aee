//! What was decided of the balance of load, as commands.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;

use super::{Draft, REQUEUE_SETTLED};
use crate::balance::Act;
use crate::build::rebalance;
use crate::cluster::Cluster;
use crate::plan::Command;

/// The soonest that a moment which is waited for leads to a look.
const LOOK_MIN: Duration = Duration::from_millis(50);

/// Adds what is to be done, if anything is.
pub fn step(cluster: &Cluster, draft: &mut Draft) {
    let act = cluster.balancing.as_ref().and_then(|one| one.act.clone());
    draft.commands.extend(act.map(|act| match act {
        Act::Create(scope) => {
            Command::CreateRebalance(Box::new(rebalance::balance(cluster, scope)))
        }
        Act::Delete(one) => Command::DeleteRebalance(one),
    }));
}

/// When to look again for the sake of a broker that has nearly been out of its band for long enough.
pub fn next_look(cluster: &Cluster, now: Timestamp) -> Duration {
    let balancing = cluster.balancing.as_ref();
    let at = balancing.and_then(|balancing| balancing.look_at);
    let wait = at.map(|at| at.duration_since(now).unsigned_abs());
    wait.map_or(REQUEUE_SETTLED, |wait| wait.max(LOOK_MIN))
}
