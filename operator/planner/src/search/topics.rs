//! Brokers get about as many replicas of each topic.

use std::collections::BTreeMap;

use crate::dims;

use super::Search;
use super::gather::{Candidate, Kind};

/// Brokers that a replica is offered to in exchange.
const OFFERS: usize = 12;
/// Replicas of such a broker that are looked at in return.
const RETURNS: usize = 192;
/// Donors that a broker asks which has too few replicas of a topic.
const DONORS: usize = 16;

impl Search<'_> {
    pub(super) fn even_topics(&mut self) {
        self.topics_bind = true;
        self.state.count_topics();
        if !self.permissions.balancing || !self.permissions.replicas {
            return;
        }
        for broker in 0..self.state.states.len() as u16 {
            let at = usize::from(broker);
            if self.permissions.gives[at] && !self.state.states[at].must_empty() {
                self.thin_out(broker);
            }
        }
        for broker in self.takers.clone() {
            self.fill_up(broker);
        }
    }

    /// By how much each topic is above its band on a broker, or below it.
    fn uneven(&self, broker: u16, above: bool) -> BTreeMap<u32, i64> {
        let topics = self.state.model.topics.iter().enumerate();
        topics
            .filter(|(_, topic)| !topic.excluded)
            .map(|(topic, _)| {
                let count = self.state.topic_count(topic as u32, broker);
                let (low, high) = self.topic_bands[topic];
                (topic as u32, if above { count - high } else { low - count })
            })
            .filter(|(_, uneven)| *uneven > 0)
            .collect()
    }

    fn thin_out(&mut self, broker: u16) {
        let mut surplus = self.uneven(broker, true);
        if surplus.is_empty() {
            return;
        }
        let mut candidates = self.gather(broker, Kind::Replica, false);
        candidates.retain(|at| surplus.contains_key(&self.state.row(at.partition).topic));
        candidates.sort_unstable_by(|a, b| {
            a.bytes
                .total_cmp(&b.bytes)
                .then(a.partition.cmp(&b.partition))
        });
        let mut refused = Vec::new();
        for exchange in [false, true] {
            for candidate in std::mem::take(&mut candidates) {
                let topic = self.state.row(candidate.partition).topic;
                let Some(left) = surplus.get_mut(&topic).filter(|left| **left > 0) else {
                    continue;
                };
                if !self.may_do(4) {
                    return;
                }
                let moved = if exchange {
                    self.swap_away(&candidate, broker)
                } else {
                    self.move_away(&candidate, broker)
                };
                if moved {
                    *left -= 1;
                } else {
                    refused.push(candidate);
                }
            }
            candidates = std::mem::take(&mut refused);
        }
    }

    fn move_away(&mut self, candidate: &Candidate, broker: u16) -> bool {
        let seat = self.state.seat(candidate.partition);
        let (partition, vector) = (candidate.partition, &candidate.vector);
        let to = self.best_destination(partition, &seat, broker, vector);
        if let Some(to) = to {
            self.do_move(partition, broker, to);
        }
        to.is_some()
    }

    /// A replica goes for one that is alike and of another topic.
    fn swap_away(&mut self, candidate: &Candidate, broker: u16) -> bool {
        let seat = self.state.seat(candidate.partition);
        let topic = self.state.row(candidate.partition).topic;
        let count = self.takers.len();
        if !self.permissions.takes[usize::from(broker)] {
            return false;
        }
        let mut offered = 0;
        for step in 0..count {
            let partner = self.takers[(self.rotation + step) % count];
            if partner == broker
                || !self.permissions.gives[usize::from(partner)]
                || !self.obeys_places(candidate.partition, &seat, broker, partner)
            {
                continue;
            }
            let others = self.gather_sample(partner, RETURNS);
            let alike = others.iter().filter(|other| {
                let back = self.state.seat(other.partition);
                self.state.row(other.partition).topic != topic
                    && self.may_shift(
                        broker,
                        partner,
                        &dims::minus(&candidate.vector, &other.vector),
                    )
                    && self.obeys_places(other.partition, &back, partner, broker)
            });
            let best = alike.min_by(|a, b| a.bytes.total_cmp(&b.bytes)).copied();
            if let Some(other) = best {
                self.do_move(candidate.partition, broker, partner);
                self.do_move(other.partition, partner, broker);
                self.swaps += 1;
                self.rotation = (self.rotation + step) % count;
                return true;
            }
            offered += 1;
            if offered == OFFERS {
                break;
            }
        }
        self.rotation = (self.rotation + OFFERS) % count.max(1);
        false
    }

    fn fill_up(&mut self, broker: u16) {
        for (topic, missing) in self.uneven(broker, false) {
            let mut donors: Vec<u16> = (0..self.state.states.len() as u16)
                .filter(|donor| *donor != broker && self.permissions.gives[usize::from(*donor)])
                .collect();
            donors.sort_by_key(|donor| -self.state.topic_count(topic, *donor));
            let mut missing = missing;
            for donor in donors.into_iter().take(DONORS) {
                missing -= self.bring(topic, missing, donor, broker);
                if missing == 0 {
                    break;
                }
            }
        }
    }

    fn bring(&mut self, topic: u32, missing: i64, donor: u16, broker: u16) -> i64 {
        let mut candidates = self.gather(donor, Kind::Replica, false);
        candidates.retain(|at| self.state.row(at.partition).topic == topic);
        candidates.sort_unstable_by(|a, b| {
            a.bytes
                .total_cmp(&b.bytes)
                .then(a.partition.cmp(&b.partition))
        });
        let mut brought = 0;
        for candidate in candidates {
            if brought == missing || !self.may_do(2) {
                break;
            }
            let seat = self.state.seat(candidate.partition);
            let leads = seat.leader_broker() == Some(donor);
            if (!leads || self.permissions.leads[usize::from(broker)])
                && self.obeys_places(candidate.partition, &seat, donor, broker)
                && self.may_shift(donor, broker, &candidate.vector)
            {
                self.do_move(candidate.partition, donor, broker);
                brought += 1;
            }
        }
        brought
    }
}
