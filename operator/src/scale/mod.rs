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
//! What is learned of the load outlives the operator ([`crate::learned`]). One that starts without it
//! learns it anew, and does not shrink meanwhile. A history that people give stands in for a load that
//! nobody observed ([`training`]), and counts as no observation either.

mod figures;
pub mod history;
mod kept;
mod sample;
pub mod settings;
mod step;
#[cfg(test)]
mod tests;
pub mod training;

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kintsugi_crds::{Autoscaling, AutoscalingStatus};
use kintsugi_forecast::model::MINUTES_PER_DAY;
use kintsugi_forecast::{Models, RestoreError, Scaler};

use crate::cluster::Cluster;
use crate::learned::LearnedError;
use crate::load::Loads;
use crate::observe::Observed;
use crate::remembered::{Key, Remembered};
pub use figures::Figures;
pub use step::{Sizing, State, step};

/// The sizes of all clusters that are scaled; one above the limit keeps its size.
#[derive(Default)]
pub struct Scales(Remembered<State>);

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
        let Some(autoscaling) = cluster.autoscaling.as_ref() else {
            // People choose: what was decided before is not in force if they let go again.
            self.forget(&key.0, &key.1);
            return None;
        };
        let measured = sample::take(key, cluster, observed, loads);
        self.0.with(key, &cluster.uid, |state| {
            step(state, cluster, autoscaling, observed, measured, now)
        })
    }

    /// What was decided last, for when the status was wiped.
    pub fn last(&self, key: &Key, uid: &str) -> Option<AutoscalingStatus> {
        self.0.read(key, uid, |state| state.last().cloned())?
    }

    /// What was learned of a cluster, to be kept; None where nothing was.
    pub fn keep(&self, key: &Key, uid: &str) -> Option<Result<Vec<u8>, LearnedError>> {
        self.0.read(key, uid, kept::keep)?
    }

    /// Goes on with what was kept, unless something was learned here already; says what it knows.
    ///
    /// # Errors
    /// [`LearnedError`] for what cannot have been kept.
    pub fn take_up(
        &self,
        key: &Key,
        uid: &str,
        autoscaling: &Autoscaling,
        payload: &[u8],
        now: Timestamp,
    ) -> Result<String, LearnedError> {
        let (next, what) = kept::take_up(payload, autoscaling, now)?;
        self.0.with(key, uid, |state| {
            if state.scaler().is_none() {
                *state = next;
            }
        });
        Ok(what)
    }

    /// Whether so little of a cluster's load is known that a history is of use: less than the day after
    /// which a forecast begins.
    pub fn lacks_history(&self, key: &Key, uid: &str, now: Timestamp) -> bool {
        let known = |state: &State| state.scaler().and_then(Scaler::learned_since_ms);
        let since_ms = self.0.read(key, uid, known).flatten();
        let since = since_ms.and_then(|at_ms| Timestamp::from_millisecond(at_ms).ok());
        let day = SignedDuration::from_mins(MINUTES_PER_DAY);
        since.is_none_or(|since| now.duration_since(since) < day)
    }

    /// Goes on with what a history has taught, in place of the little that was learned of the load here.
    /// What was observed, and what was learned of brokers, stays.
    ///
    /// # Errors
    /// [`RestoreError`] for settings that no scaler takes.
    pub fn learn(
        &self,
        key: &Key,
        uid: &str,
        autoscaling: &Autoscaling,
        models: Models,
    ) -> Result<(), RestoreError> {
        let learn = |state: &mut State| state.learn(autoscaling, models);
        self.0.with(key, uid, learn).unwrap_or(Ok(()))
    }

    /// A cluster is gone.
    pub fn forget(&self, namespace: &str, name: &str) {
        self.0.forget(namespace, name);
    }
}
