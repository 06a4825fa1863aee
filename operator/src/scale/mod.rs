//! How many brokers a cluster with `spec.brokers.autoscaling` has: what was measured goes in, a size
//! with its reason comes out, and stands in the status.
//!
//! Guarantees: spec is never written; the size in force is the one that the status said when the look
//! began, so that no act comes before its decision is on record. Where the status is lost the size
//! is what is there, or the starting size if that is more: it may grow, and shrinks only after a
//! whole window was observed. Nothing is decided while nodes are amiss, restarted or removed, or a
//! gate is closed; a shrink waits for every KafkaRebalance too.
//! Assumes that looks come more often than [`step::DECIDE_EVERY`].
//! Never does: add or remove a broker, or move a replica.
//!
//! What is learned of the load lives in memory only: an operator that restarts learns it anew, and
//! does not shrink meanwhile.

mod figures;
mod sample;
mod settings;
mod step;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use k8s_openapi::jiff::Timestamp;
use kintsugi_crds::AutoscalingStatus;

use crate::cluster::Cluster;
use crate::load::{Key, Loads};
use crate::observe::Observed;
pub use figures::Figures;
pub use step::{Sizing, State, step};

/// Clusters that are scaled; one above it keeps its size.
const CLUSTERS_MAX: usize = 200;

/// What is remembered of every cluster that is scaled, with the uid that it is remembered of.
#[derive(Default)]
pub struct Scales {
    clusters: Mutex<BTreeMap<Key, (String, State)>>,
}

impl Scales {
    /// What there is to say and to change about the size of `cluster`; None where people choose it.
    pub fn look(
        &self,
        key: &Key,
        cluster: &Cluster,
        observed: &Observed,
        loads: &Loads,
        now: Timestamp,
    ) -> Option<Sizing> {
        let mut clusters = self.clusters.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(autoscaling) = cluster.autoscaling.as_ref() else {
            // People choose: what was decided before is no longer in force if they let go again.
            clusters.remove(key);
            return None;
        };
        if clusters.len() >= CLUSTERS_MAX && !clusters.contains_key(key) {
            return None;
        }
        let fresh = || (cluster.uid.clone(), State::default());
        let (uid, state) = clusters.entry(key.clone()).or_insert_with(fresh);
        if *uid != cluster.uid {
            (*uid, *state) = fresh();
        }
        let measured = sample::take(key, cluster, observed, loads);
        Some(step(state, cluster, autoscaling, observed, measured, now))
    }

    /// What was decided last, for when the status was wiped.
    pub fn last(&self, key: &Key, uid: &str) -> Option<AutoscalingStatus> {
        let clusters = self.clusters.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, state) = clusters.get(key).filter(|(known, _)| known == uid)?;
        state.last()
    }

    /// A cluster is gone.
    pub fn forget(&self, namespace: &str, name: &str) {
        let mut clusters = self.clusters.lock().unwrap_or_else(PoisonError::into_inner);
        clusters.remove(&(namespace.to_owned(), name.to_owned()));
    }
}
