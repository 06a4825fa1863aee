//! From goals to bands: for each broker and each of its sums, the least and the most it may be.

use crate::dims::{DIMS, LEADER_IN, LEADERS, POTENTIAL_OUT, REPLICAS, Vector};
use crate::load::Resource;
use crate::profile::{Goal, Thresholds};
use crate::state::State;

/// Sums are rounded; a band is this share narrower than the goal.
const INSIDE: f64 = 1e-9;

/// Bands of all brokers.
#[derive(Debug, Clone)]
pub(crate) struct Bands {
    pub low: Vec<Vector>,
    pub high: Vec<Vector>,
}

impl Bands {
    /// Everything is allowed.
    pub fn open(brokers: usize) -> Bands {
        Bands {
            low: vec![[f64::NEG_INFINITY; DIMS]; brokers],
            high: vec![[f64::INFINITY; DIMS]; brokers],
        }
    }

    /// Narrows the bands to what a goal allows. Goals of racks and topics have none.
    pub fn narrow(&mut self, goal: Goal, thresholds: &Thresholds, state: &State<'_>) {
        match goal {
            Goal::OfflineReplicas
            | Goal::RackAware
            | Goal::MinTopicLeadersPerBroker
            | Goal::TopicReplicaDistribution => {}
            Goal::ReplicaCapacity => {
                let most = f64::from(thresholds.max_replicas_per_broker);
                self.each(state, REPLICAS, |_| (f64::NEG_INFINITY, most));
            }
            Goal::Capacity(resource) => {
                let (dim, share) = (resource.index(), thresholds.capacity[resource.index()]);
                self.each(state, dim, |capacity| {
                    (f64::NEG_INFINITY, capacity[dim] * share * (1.0 - INSIDE))
                });
            }
            Goal::PotentialNetworkOut => {
                let dim = Resource::NetworkOut.index();
                let share = thresholds.capacity[dim] * (1.0 - INSIDE);
                self.each(state, POTENTIAL_OUT, |capacity| {
                    (f64::NEG_INFINITY, capacity[dim] * share)
                });
            }
            Goal::UsageDistribution(resource) => self.usage(resource, thresholds, state),
            Goal::ReplicaDistribution => {
                self.counts(REPLICAS, thresholds.replica_balance, thresholds, state);
            }
            Goal::LeaderReplicaDistribution => {
                self.counts(LEADERS, thresholds.leader_balance, thresholds, state);
            }
            Goal::LeaderBytesInDistribution => {
                let mean = total(state, LEADER_IN) / takers(state);
                let most = mean * thresholds.usage_balance[Resource::NetworkIn.index()];
                self.each(state, LEADER_IN, |_| {
                    (f64::NEG_INFINITY, most * (1.0 - INSIDE))
                });
            }
        }
    }

    fn usage(&mut self, resource: Resource, thresholds: &Thresholds, state: &State<'_>) {
        let dim = resource.index();
        let brokers = state.model.brokers.iter().zip(&state.states);
        let capacity: f64 = brokers
            .filter(|(_, state)| state.takes_replicas())
            .map(|(broker, _)| broker.capacity[dim])
            .sum();
        let mean = total(state, dim) / capacity;
        let margin = (thresholds.usage_balance[dim] - 1.0) * thresholds.margin;
        let low = if thresholds.usage_lower_limit {
            mean * (1.0 - margin).max(0.0)
        } else {
            0.0
        };
        let high = mean * (1.0 + margin);
        self.each(state, dim, |capacity| {
            (
                capacity[dim] * low * (1.0 + INSIDE),
                capacity[dim] * high * (1.0 - INSIDE),
            )
        });
    }

    fn counts(&mut self, dim: usize, balance: f64, thresholds: &Thresholds, state: &State<'_>) {
        let mean = total(state, dim) / takers(state);
        let margin = (balance - 1.0) * thresholds.margin;
        let low = (mean * (1.0 - margin).max(0.0)).floor();
        let high = (mean * (1.0 + margin)).ceil();
        self.each(state, dim, |_| (low, high));
    }

    fn each(&mut self, state: &State<'_>, dim: usize, band: impl Fn(&[f64; 4]) -> (f64, f64)) {
        for (at, broker) in state.model.brokers.iter().enumerate() {
            let (low, high) = band(&broker.capacity);
            if !state.states[at].must_empty() {
                self.high[at][dim] = self.high[at][dim].min(high);
            }
            if state.states[at].takes_replicas() {
                self.low[at][dim] = self.low[at][dim].max(low);
            }
        }
    }

    /// The sums on which the bands set a limit.
    pub fn limited(&self) -> [bool; DIMS] {
        std::array::from_fn(|dim| {
            self.high.iter().any(|high| high[dim].is_finite())
                || self.low.iter().any(|low| low[dim].is_finite())
        })
    }
}

/// Fewest and most replicas of a topic on a broker.
pub(crate) fn topic_band(replicas: u32, thresholds: &Thresholds, takers: f64) -> (i64, i64) {
    let mean = f64::from(replicas) / takers;
    let margin = (thresholds.topic_replica_balance - 1.0) * thresholds.margin;
    let (min_gap, max_gap) = (
        f64::from(thresholds.topic_replica_min_gap),
        f64::from(thresholds.topic_replica_max_gap),
    );
    let high = (mean * (1.0 + margin)).ceil();
    let high = high.clamp(mean.ceil() + min_gap, mean.ceil() + max_gap);
    let low = (mean * (1.0 - margin).max(0.0)).floor();
    let low = low.clamp(
        (mean.floor() - max_gap).max(0.0),
        (mean.floor() - min_gap).max(0.0),
    );
    (low as i64, high as i64)
}

pub(crate) fn takers(state: &State<'_>) -> f64 {
    state
        .states
        .iter()
        .filter(|state| state.takes_replicas())
        .count() as f64
}

fn total(state: &State<'_>, dim: usize) -> f64 {
    state.sums.iter().map(|sums| sums[dim]).sum()
}
