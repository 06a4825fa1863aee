//! Load that is kept even without being asked for (`spec.rebalance.mode: Continuous`): what was
//! measured goes in, at most one KafkaRebalance comes out, with its reason.
//!
//! Guarantees: a cluster whose brokers are within the band is left alone. A broker must have been
//! above the band on average over the hold time, and never back within half of it, while nothing else
//! was amiss or under way; use that is too little to hurt anybody counts for nothing. One KafkaRebalance
//! at a time, and the next not before the cooldown is over. What one has left is not tried again
//! before it has changed by half, or [`left::BACK_OFF`] has passed. One that people stopped stays
//! stopped until they delete it; one that stands in the way of a removal or of another KafkaRebalance
//! is deleted, which takes its moves back.
//! Assumes: the controller brings leaderships back to their preferred replicas by itself
//! (`auto.leader.rebalance.enable`); the hold time is longer than that takes.
//! Never does: move anything, or judge a plan. That is the KafkaRebalance's.
//!
//! | out of its band | moved |
//! |---|---|
//! | network out or CPU alone, for the first time | leaderships: nothing is copied |
//! | the same, and leaderships did not help; disk or network in | replicas and leaderships |
//!
//! What is remembered lives in memory only. An operator that restarts waits for a whole hold time
//! anew; the KafkaRebalance, which stays until the cooldown is over, tells it when that began.

mod armed;
mod band;
mod left;
mod measure;
mod own;
mod step;
#[cfg(test)]
mod tests;
mod words;

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kintsugi_crds::RebalanceMode;

use crate::cluster::Cluster;
use crate::load::Loads;
use crate::observe::Observed;
use crate::remembered::{Key, Remembered};
use measure::Measured;
pub use step::{Act, Balancing, State, step};

/// How often loads are summed up: brokers are asked every 5 s, and a large cluster that changes is
/// looked at more often than that.
const MEASURE_EVERY: SignedDuration = SignedDuration::from_secs(2);

/// The balance of all clusters; one above the limit is left alone.
#[derive(Default)]
pub struct Balances(Remembered<OfOne>);

#[derive(Default)]
struct OfOne {
    state: State,
    measured: Option<(Timestamp, Result<Measured, String>)>,
}

impl Balances {
    /// What there is to say and to do about the load of `cluster`; None where people do it.
    pub fn look(
        &self,
        key: &Key,
        cluster: &Cluster,
        observed: &Observed,
        loads: &Loads,
        now: Timestamp,
    ) -> Option<Balancing> {
        if cluster.rebalance.mode == RebalanceMode::Manual {
            self.forget(&key.0, &key.1);
            return None;
        }
        self.0.with(key, &cluster.uid, |one| {
            let is_recent = |at: Timestamp| now.duration_since(at).abs() < MEASURE_EVERY;
            let recent = one.measured.take().filter(|(at, _)| is_recent(*at));
            let measure = || (now, measure::take(key, cluster, observed, loads));
            let (at, measured) = recent.unwrap_or_else(measure);
            let balancing = step(&mut one.state, cluster, observed, measured.as_ref(), now);
            one.measured = Some((at, measured));
            balancing
        })?
    }

    /// A cluster is gone.
    pub fn forget(&self, namespace: &str, name: &str) {
        self.0.forget(namespace, name);
    }
}
