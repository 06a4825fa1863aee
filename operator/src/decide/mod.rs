//! From what is to what is to be done. Pure: the same arguments give the same plan, so an operator
//! that restarts at any point goes on where it was.
//!
//! Guarantees: volumes are created before pods, and controllers' before brokers', so that a broker
//! volume or a pod proves that every controller's volume existed once. A missing controller volume
//! is created for the first generation only while nothing proves that; later it is lost data, and is
//! replaced by one that does not vote until the quorum says so, or reported if a majority is lost.
//! Never does: read a clock, talk to anybody.

mod balance;
mod fill;
pub mod gates;
mod members;
mod objects;
mod pods;
mod removal;
mod rollout;
mod secret;
mod size;
mod status;
mod volumes;
mod voters;

use std::collections::BTreeSet;
use std::time::Duration;

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kintsugi_crds::{ConditionStatus, KafkaClusterStatus};

use crate::cluster::Cluster;
use crate::history::{EVIDENCE_SPACING, History, Suspicion};
use crate::observe::{Observed, PodState};
use crate::plan::{Announcement, Command, Plan};
use gates::{Closed, Gate};
use members::Members;
use rollout::Rollout;
pub use size::{has_unfilled, shrinking, unsettled};
pub use status::invalid as invalid_status;
pub(crate) use status::{Finding, condition};

/// How often a settled cluster is looked at; watches tell of most changes at once.
const REQUEUE_SETTLED: Duration = Duration::from_secs(5);
/// How often a cluster that changes is looked at.
const REQUEUE_CHANGING: Duration = Duration::from_millis(700);

/// How long a cluster that is not ready is looked at as often as one that changes. What takes
/// longer, such as a node that must be repaired, comes back through a watch.
const CHANGING_MAX: SignedDuration = SignedDuration::from_secs(120);

/// What calls for a destructive act in `observed`. Recorded with every read, see [`History`].
pub fn suspicions(cluster: &Cluster, observed: &Observed, now: Timestamp) -> BTreeSet<Suspicion> {
    let members = Members::find(cluster, observed);
    let lost = members
        .lost_brokers()
        .map(|broker| Suspicion::VolumeLost { broker });
    let crashing = observed
        .pods
        .iter()
        .filter(|pod| {
            matches!(
                pod.state,
                PodState::CrashLoop { .. } | PodState::Finished { .. }
            )
        })
        .map(|pod| Suspicion::CrashLoop {
            uid: pod.uid.clone(),
        });
    let frozen = observed
        .pods
        .iter()
        .filter(|pod| pods::is_frozen(observed, pod))
        .map(|pod| Suspicion::Frozen {
            uid: pod.uid.clone(),
        });
    let rollout = Rollout::find(cluster, observed, &members, now);
    let outdated_down = rollout
        .outdated
        .iter()
        .filter(|outdated| rollout::is_down(observed, outdated.pod))
        .map(|outdated| Suspicion::OutdatedDown {
            uid: outdated.pod.uid.clone(),
        });
    let restart = rollout.suspicion(cluster, observed, &members);
    let secret = secret::is_lost(cluster, observed).then_some(Suspicion::SecretLost);
    let removal = removal::suspicions(cluster, observed, &members, &rollout);
    lost.chain(removal)
        .chain(voters::suspicions(observed, &members))
        .chain(crashing)
        .chain(frozen)
        .chain(outdated_down)
        .chain(restart)
        .chain(secret)
        .collect()
}

/// What is to be done at `now`. `written` is the status as it stands.
pub fn decide(
    cluster: &Cluster,
    observed: &Observed,
    written: Option<&KafkaClusterStatus>,
    history: &History,
    now: Timestamp,
) -> Plan {
    let members = Members::find(cluster, observed);
    let rollout = Rollout::find(cluster, observed, &members, now);
    let mut draft = Draft::default();
    if cluster.paused {
        draft.close(Gate::Pause, &cluster.name, "spec.paused is set".to_owned());
    } else if !members.quorum_lost() {
        secret::create(cluster, observed, history, &mut draft);
        objects::apply(cluster, observed, &members, &mut draft);
        volumes::create(cluster, observed, &members, history, &mut draft);
        voters::replace(cluster, observed, &members, history, &mut draft);
        pods::create(cluster, observed, &members, &rollout, &mut draft);
        pods::heal(cluster, observed, &rollout, history, now, &mut draft);
        removal::step(
            cluster, observed, &members, &rollout, history, now, &mut draft,
        );
        fill::step(cluster, observed, &members, &mut draft);
        balance::step(cluster, &mut draft);
        rollout::step(
            cluster, observed, &members, &rollout, history, now, &mut draft,
        );
        volumes::change(cluster, observed, &rollout, &mut draft);
        objects::collect(cluster, observed, &mut draft);
    }
    let changing = !draft.commands.is_empty();
    for closed in history.newly_closed(&draft.closed) {
        draft.commands.push(Command::Announce(Announcement {
            reason: "GateClosed",
            subject: closed.key(),
            note: closed.to_string(),
            warning: closed.gate != Gate::Evidence,
        }));
    }
    let sizing = cluster.sizing.iter().map(|sizing| &sizing.news);
    let balancing = cluster.balancing.iter().map(|balancing| &balancing.news);
    let storing = cluster.storing.iter().map(|storing| &storing.news);
    let news = sizing.chain(balancing).chain(storing).flatten().cloned();
    draft.commands.extend(news.map(Command::Announce));
    let status = status::status(
        cluster, observed, &members, &rollout, &draft, written, history, now,
    );
    let restless = is_restless(&status, now) && !cluster.paused;
    if written != Some(&status) {
        draft.commands.push(Command::WriteStatus(Box::new(status)));
    }
    let requeue = if history.is_gathering() {
        EVIDENCE_SPACING + Duration::from_millis(20)
    } else if changing || restless {
        REQUEUE_CHANGING
    } else {
        REQUEUE_SETTLED
    };
    Plan {
        commands: draft.commands,
        closed: draft.closed,
        requeue: requeue.min(balance::next_look(cluster, now)),
    }
}

/// Whether the cluster has not been ready for a short while.
fn is_restless(status: &KafkaClusterStatus, now: Timestamp) -> bool {
    let ready = status
        .conditions
        .iter()
        .find(|condition| condition.type_ == "Ready");
    ready.is_some_and(|ready| {
        let since: Option<Timestamp> = ready.last_transition_time.parse().ok();
        ready.status != ConditionStatus::True
            && since.is_none_or(|since| now.duration_since(since) < CHANGING_MAX)
    })
}

/// A plan in the making.
#[derive(Debug, Default)]
struct Draft {
    commands: Vec<Command>,
    closed: Vec<Closed>,
    /// Why brokers that should exist do not yet, for the status.
    waiting: Vec<String>,
    /// Why the cluster does not shrink as it is asked to: a word and a sentence.
    shrink_held: Option<(&'static str, String)>,
}

impl Draft {
    fn close(&mut self, gate: Gate, subject: &str, reason: String) {
        self.closed.push(Closed {
            gate,
            subject: subject.to_owned(),
            reason,
        });
    }

    /// A gate holds the removal of a broker. Gathering evidence takes a second and is no refusal.
    fn refuse_shrink(&mut self, closed: Closed) {
        if closed.gate != Gate::Evidence {
            self.shrink_held = Some((closed.gate.name(), closed.to_string()));
        }
        self.closed.push(closed);
    }
}

#[cfg(test)]
mod tests;
