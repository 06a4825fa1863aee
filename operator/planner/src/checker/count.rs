//! One count a goal.

use crate::input::BrokerState;
use crate::model::Topic;
use crate::profile::{Goal, Profile, Thresholds};

use super::limits::{above, below, count_limits, topic_limits, usage_share};
use super::{BrokerTally, Tally};

impl Tally {
    /// Where each goal is broken, highest first.
    pub fn count(&self, profile: &Profile, topics: &[Topic]) -> Vec<(Goal, u64)> {
        let goals = profile.layers().iter().flatten();
        goals
            .map(|goal| (*goal, self.count_goal(*goal, profile.thresholds(), topics)))
            .collect()
    }

    fn count_goal(&self, goal: Goal, thresholds: &Thresholds, topics: &[Topic]) -> u64 {
        match goal {
            Goal::OfflineReplicas => {
                let must_empty = self.serving(|state| state.must_empty());
                must_empty
                    .map(|(broker, _)| broker.replicas.unsigned_abs())
                    .sum()
            }
            Goal::RackAware => self.replicas_sharing_a_rack.unsigned_abs(),
            Goal::MinTopicLeadersPerBroker => self.missing_leaders(topics),
            Goal::ReplicaCapacity => {
                let most = i64::from(thresholds.max_replicas_per_broker);
                self.staying()
                    .filter(|(broker, _)| broker.replicas > most)
                    .count() as u64
            }
            Goal::Capacity(resource) => {
                let (at, share) = (resource.index(), thresholds.capacity[resource.index()]);
                let over =
                    |broker: &BrokerTally| above(broker.used[at], broker.capacity[at] * share);
                self.staying().filter(|(broker, _)| over(broker)).count() as u64
            }
            Goal::PotentialNetworkOut => {
                let share = thresholds.capacity[2];
                let over =
                    |broker: &BrokerTally| above(broker.would_send, broker.capacity[2] * share);
                self.staying().filter(|(broker, _)| over(broker)).count() as u64
            }
            Goal::UsageDistribution(resource) => self.uneven_usage(resource.index(), thresholds),
            Goal::ReplicaDistribution => self.uneven_counts(
                |broker| broker.replicas,
                thresholds.replica_balance,
                thresholds,
            ),
            Goal::LeaderReplicaDistribution => self.uneven_counts(
                |broker| broker.leaders,
                thresholds.leader_balance,
                thresholds,
            ),
            Goal::TopicReplicaDistribution => self.uneven_topics(thresholds, topics),
            Goal::LeaderBytesInDistribution => self.busy_leaders(thresholds),
        }
    }

    fn serving(
        &self,
        which: impl Fn(BrokerState) -> bool,
    ) -> impl Iterator<Item = (&BrokerTally, BrokerState)> {
        let pairs = self.brokers.iter().zip(self.states.iter().copied());
        pairs.filter(move |(_, state)| which(*state))
    }

    /// Brokers that keep their replicas.
    fn staying(&self) -> impl Iterator<Item = (&BrokerTally, BrokerState)> {
        self.serving(|state| !state.must_empty())
    }

    fn takers(&self) -> usize {
        self.serving(BrokerState::takes_replicas).count()
    }

    fn missing_leaders(&self, topics: &[Topic]) -> u64 {
        let mut missing = 0;
        for (topic, leaders) in &self.topic_leaders {
            let wanted = topics[*topic as usize].min_leaders;
            for (count, state) in leaders.iter().zip(&self.states) {
                if state.takes_replicas() {
                    missing += u64::from(wanted.saturating_sub(*count));
                }
            }
        }
        missing
    }

    fn uneven_usage(&self, at: usize, thresholds: &Thresholds) -> u64 {
        let (least, most) = usage_share(&self.brokers, &self.states, thresholds, at);
        let uneven = |(broker, state): &(&BrokerTally, BrokerState)| {
            above(broker.used[at], most * broker.capacity[at])
                || state.takes_replicas() && below(broker.used[at], least * broker.capacity[at])
        };
        self.staying().filter(uneven).count() as u64
    }

    fn uneven_counts(
        &self,
        of: impl Fn(&BrokerTally) -> i64,
        balance: f64,
        thresholds: &Thresholds,
    ) -> u64 {
        let total = self.brokers.iter().map(&of).sum();
        let (fewest, most) = count_limits(total, self.takers(), balance, thresholds.margin);
        let uneven = |(broker, state): &(&BrokerTally, BrokerState)| {
            of(broker) > most || state.takes_replicas() && of(broker) < fewest
        };
        self.staying().filter(uneven).count() as u64
    }

    fn uneven_topics(&self, thresholds: &Thresholds, topics: &[Topic]) -> u64 {
        let (takers, width) = (self.takers(), self.brokers.len());
        let mut uneven = 0;
        for (place, topic) in topics
            .iter()
            .enumerate()
            .filter(|(_, topic)| !topic.excluded)
        {
            let (fewest, most) = topic_limits(topic.replicas, takers, thresholds);
            let counts = &self.topic_replicas[place * width..(place + 1) * width];
            uneven += counts
                .iter()
                .zip(&self.states)
                .filter(|(count, state)| {
                    let count = i64::from(**count);
                    !state.must_empty() && count > most || state.takes_replicas() && count < fewest
                })
                .count() as u64;
        }
        uneven
    }

    fn busy_leaders(&self, thresholds: &Thresholds) -> u64 {
        let received: f64 = self
            .brokers
            .iter()
            .map(|broker| broker.receives_as_leader)
            .sum();
        let most = received / self.takers() as f64 * thresholds.usage_balance[1];
        let over = |broker: &BrokerTally| above(broker.receives_as_leader, most);
        self.staying().filter(|(broker, _)| over(broker)).count() as u64
    }
}
