//! The cluster's secret: made with the cluster, put back when it is lost.
//!
//! Nodes that run hold what they were given, in a file that the kubelet keeps while the Secret is
//! gone; but no pod starts without it. So waiting heals nothing, and a new secret splits nothing for
//! long: kubelets bring it to every node within two minutes and nodes take it up as they run;
//! meanwhile open connections stay. A remembered one is put back at once, as it was.

use super::Draft;
use super::gates::{Gate, first_closed};
use crate::build::secret::build;
use crate::cluster::Cluster;
use crate::history::{EVIDENCE_HELD, EVIDENCE_READS, History, Suspicion};
use crate::names::secret;
use crate::observe::{Observed, ObservedSecret};
use crate::plan::{Command, SecretCreation};

/// Whether the Secret is gone that nodes which run were started with.
pub fn is_lost(cluster: &Cluster, observed: &Observed) -> bool {
    cluster.authenticated && observed.secret == ObservedSecret::Absent && !observed.pods.is_empty()
}

/// Adds the Secret's creation, if nodes are to know one and it is not there.
pub fn create(cluster: &Cluster, observed: &Observed, history: &History, draft: &mut Draft) {
    if !cluster.authenticated || observed.secret != ObservedSecret::Absent {
        return;
    }
    let (lost, keys) = (is_lost(cluster, observed), history.secret.clone());
    let evident = !lost || keys.is_some() || history.holds(&Suspicion::SecretLost);
    let reason = format!("it must be gone in {EVIDENCE_HELD} of {EVIDENCE_READS} live reads");
    let checks = vec![(Gate::Evidence, evident, reason)];
    if let Some(closed) = first_closed(&secret(&cluster.name), checks) {
        draft.closed.push(closed);
        return;
    }
    draft.commands.push(Command::CreateSecret(SecretCreation {
        secret: Box::new(build(cluster)),
        keys,
        lost,
    }));
}

/// What is wrong with the Secret, in words.
pub fn trouble(observed: &Observed) -> Option<(&'static str, String)> {
    match &observed.secret {
        _ if !observed.is_authenticated() => None,
        ObservedSecret::Absent if observed.pods.is_empty() => None,
        ObservedSecret::Absent => Some((
            "SecretLost",
            "the Secret by which nodes know each other is gone: no pod starts without it, and it \
             is made anew"
                .to_owned(),
        )),
        ObservedSecret::Unusable(why) => Some((
            "SecretUnusable",
            format!("the Secret by which nodes know each other is of no use: {why}"),
        )),
        ObservedSecret::Present(_) => None,
    }
}
