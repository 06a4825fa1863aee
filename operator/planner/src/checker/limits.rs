//! What Cruise Control allows, written from its goals' definitions.

use crate::input::BrokerState;
use crate::profile::Thresholds;

use super::BrokerTally;

/// Sums differ in their last digits with the order of adding: a limit is broken beyond this share
/// of it.
const ROUNDING: f64 = 1e-7;

pub(super) fn above(value: f64, limit: f64) -> bool {
    value > limit * (1.0 + ROUNDING)
}

pub(super) fn below(value: f64, limit: f64) -> bool {
    value < limit * (1.0 - ROUNDING)
}

/// `ResourceDistributionGoal`: lowest and highest share of a capacity that may be used.
pub(super) fn usage_share(
    brokers: &[BrokerTally],
    states: &[BrokerState],
    thresholds: &Thresholds,
    resource: usize,
) -> (f64, f64) {
    let used: f64 = brokers.iter().map(|broker| broker.used[resource]).sum();
    let capacity: f64 = brokers
        .iter()
        .zip(states)
        .filter(|(_, state)| state.takes_replicas())
        .map(|(broker, _)| broker.capacity[resource])
        .sum();
    let average = used / capacity;
    let percentage = (thresholds.usage_balance[resource] - 1.0) * thresholds.margin;
    let lowest = if thresholds.usage_lower_limit {
        (1.0 - percentage).max(0.0)
    } else {
        0.0
    };
    (average * lowest, average * (1.0 + percentage))
}

/// `ReplicaDistributionAbstractGoal`: fewest and most.
pub(super) fn count_limits(total: i64, brokers: usize, balance: f64, margin: f64) -> (i64, i64) {
    let average = total as f64 / brokers as f64;
    let percentage = (balance - 1.0) * margin;
    let fewest = (average * (1.0 - percentage).max(0.0)).floor();
    (fewest as i64, (average * (1.0 + percentage)).ceil() as i64)
}

/// `TopicReplicaDistributionGoal`: the same, within gaps of the average.
pub(super) fn topic_limits(total: u32, brokers: usize, thresholds: &Thresholds) -> (i64, i64) {
    let balance = thresholds.topic_replica_balance;
    let (fewest, most) = count_limits(total.into(), brokers, balance, thresholds.margin);
    let average = f64::from(total) / brokers as f64;
    let (floor, ceil) = (average.floor() as i64, average.ceil() as i64);
    let min_gap = i64::from(thresholds.topic_replica_min_gap);
    let max_gap = i64::from(thresholds.topic_replica_max_gap);
    let fewest = fewest
        .min((floor - min_gap).max(0))
        .max((floor - max_gap).max(0));
    let most = most.min(ceil + max_gap).max(ceil + min_gap);
    (fewest, most)
}
