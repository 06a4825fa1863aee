//! Topics that want leaders on every broker get them.

use std::collections::BTreeMap;

use crate::profile::Goal;
use crate::state::State;

use super::Search;

/// Leaders of the topics that ask, on each broker, and the partitions of those topics.
#[derive(Debug, Clone, Default)]
pub(super) struct Asking {
    pub leaders: BTreeMap<u32, Vec<u32>>,
    partitions: BTreeMap<u32, Vec<u32>>,
}

impl Asking {
    pub fn new(state: &State<'_>, asked: bool) -> Asking {
        let mut asking = Asking::default();
        let model = state.model;
        if !asked || model.topics.iter().all(|topic| topic.min_leaders == 0) {
            return asking;
        }
        for (partition, row) in model.rows.iter().enumerate() {
            if model.topics[row.topic as usize].min_leaders == 0 {
                continue;
            }
            let leaders = asking.leaders.entry(row.topic);
            let leaders = leaders.or_insert_with(|| vec![0; model.brokers.len()]);
            if let Some(leader) = row.seat.leader_broker() {
                leaders[usize::from(leader)] += 1;
            }
            asking
                .partitions
                .entry(row.topic)
                .or_default()
                .push(partition as u32);
        }
        asking
    }

    pub fn shift(&mut self, topic: u32, from: Option<u16>, to: u16) {
        if let Some(leaders) = self.leaders.get_mut(&topic) {
            if let Some(from) = from {
                leaders[usize::from(from)] -= 1;
            }
            leaders[usize::from(to)] += 1;
        }
    }
}

impl Search<'_> {
    pub(super) fn leaders_of(&self, topic: u32, broker: u16) -> u32 {
        self.asking
            .leaders
            .get(&topic)
            .map_or(0, |leaders| leaders[usize::from(broker)])
    }

    /// Whether a broker may give up one leadership of a topic.
    pub(super) fn may_unlead(&self, topic: u32, from: u16) -> bool {
        let least = self.state.model.topics[topic as usize].min_leaders;
        !self.min_leaders_bind
            || least == 0
            || self.state.states[usize::from(from)].must_empty()
            || self.leaders_of(topic, from) > least
    }

    pub(super) fn give_each_a_leader(&mut self) {
        self.min_leaders_bind = self.profile.has(Goal::MinTopicLeadersPerBroker);
        if !self.permissions.balancing {
            return;
        }
        let topics: Vec<u32> = self.asking.partitions.keys().copied().collect();
        for topic in topics {
            let least = self.state.model.topics[topic as usize].min_leaders;
            let partitions = self
                .asking
                .partitions
                .get(&topic)
                .cloned()
                .unwrap_or_default();
            for broker in 0..self.state.states.len() as u16 {
                let at = usize::from(broker);
                if !self.state.states[at].takes_replicas() || !self.permissions.leads[at] {
                    continue;
                }
                while self.leaders_of(topic, broker) < least && self.may_do(2) {
                    if !self.lead_one(&partitions, broker) && !self.bring_one(&partitions, broker) {
                        break;
                    }
                }
            }
        }
    }

    /// The broker leads a partition that it follows.
    fn lead_one(&mut self, partitions: &[u32], broker: u16) -> bool {
        for partition in partitions {
            let seat = self.state.seat(*partition);
            let Some(from) = seat.leader_broker() else {
                continue;
            };
            let row = self.state.row(*partition);
            if from != broker
                && seat.place_of(broker).is_some()
                && self.is_movable(*partition, from)
                && self.may_unlead(row.topic, from)
                && self.may_shift(from, broker, &row.leadership())
            {
                self.do_lead(*partition, Some(from), broker);
                return true;
            }
        }
        false
    }

    /// A replica that leads comes to the broker.
    fn bring_one(&mut self, partitions: &[u32], broker: u16) -> bool {
        if !self.permissions.replicas || !self.permissions.takes[usize::from(broker)] {
            return false;
        }
        for partition in partitions {
            let seat = self.state.seat(*partition);
            let Some(from) = seat.leader_broker() else {
                continue;
            };
            let vector = self.state.row(*partition).replica(true);
            if from != broker
                && self.has_source(&seat)
                && self.is_movable(*partition, from)
                && self.obeys_places(*partition, &seat, from, broker)
                && self.may_shift(from, broker, &vector)
            {
                self.do_move(*partition, from, broker);
                return true;
            }
        }
        false
    }
}
