//! Volumes that grow before they are full (`spec.brokers.storage.autoscaling`): what is used of each
//! goes in, at most one larger size for all brokers' claims comes out, with its reason.
//!
//! Guarantees: spec is never written, no claim ever asks for less than it did, and none for more than
//! `maxSize` by itself. The next growth comes only once every volume has what its claim asks for, and
//! `cooldownSeconds` after the one before: when that was stands on the claims, so that an operator that
//! starts knows it. Where the storage class lets no volume grow, nothing is asked for, and a condition
//! and an Event say so.
//! Assumes: brokers tell of their volume's use ([`crate::load`]).
//! Never does: make a volume larger. That is the storage driver's.
//!
//! All brokers' claims ask for the same size. Replicas move: the broker that is emptied, replaced or
//! outgrown hands what it holds to others, and a claim that is made anew must hold what the lost one
//! did. So the size in force is the largest that any broker's claim asks for, or that of spec.
//!
//! How volumes fill outlives the operator ([`crate::learned`]).

mod kept;
mod need;
mod size;
mod step;
#[cfg(test)]
mod tests;

use k8s_openapi::jiff::Timestamp;

use crate::cluster::Cluster;
use crate::learned::LearnedError;
use crate::observe::Observed;
use crate::remembered::{Key, Remembered};
pub use need::Fullest;
pub use size::in_force;
pub use step::{State, Storing, step};

/// The volumes of all clusters whose volumes grow; those of one above the limit stay.
#[derive(Default)]
pub struct Storages(Remembered<State>);

impl Storages {
    /// What there is to say and to do about the volumes of `cluster`; None where people do it.
    pub fn look(
        &self,
        key: &Key,
        cluster: &Cluster,
        observed: &Observed,
        now: Timestamp,
    ) -> Option<Storing> {
        let Some(autoscaling) = cluster.storage_autoscaling.as_ref() else {
            self.forget(&key.0, &key.1);
            return None;
        };
        self.0.with(key, &cluster.uid, |state| {
            step(state, cluster, autoscaling, observed, now)
        })
    }

    /// How volumes filled, to be kept; None where nothing was seen.
    pub fn keep(&self, key: &Key, uid: &str) -> Option<Result<Vec<u8>, LearnedError>> {
        self.0.read(key, uid, kept::keep)?
    }

    /// Goes on with what was kept; says what it knows.
    ///
    /// # Errors
    /// [`LearnedError`] for what cannot have been kept.
    pub fn take_up(
        &self,
        key: &Key,
        uid: &str,
        payload: &[u8],
        now: Timestamp,
    ) -> Result<String, LearnedError> {
        let (next, what) = kept::take_up(payload, now)?;
        self.0.with(key, uid, |state| {
            if state.fills.is_empty() {
                *state = next;
            }
        });
        Ok(what)
    }

    /// A cluster is gone.
    pub fn forget(&self, namespace: &str, name: &str) {
        self.0.forget(namespace, name);
    }
}
