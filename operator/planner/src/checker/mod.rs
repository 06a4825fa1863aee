//! Counts where a placement breaks goals.
//!
//! Guarantees: no line of goal arithmetic is shared with the search, neither sums nor limits, so
//! that a mistake there cannot hide itself; the sums follow each change of a partition, so that a
//! count costs what the brokers cost, not the partitions. Assumes rows that were checked. Never
//! proposes anything.

mod count;
mod limits;

use std::collections::BTreeMap;

use crate::input::BrokerState;
use crate::model::{Broker, Model, Row, Seat, Topic};
use crate::profile::{Goal, Profile};

/// What the checker knows of a broker.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct BrokerTally {
    pub rack: u16,
    pub capacity: [f64; 4],
    pub used: [f64; 4],
    pub replicas: i64,
    pub leaders: i64,
    pub would_send: f64,
    pub receives_as_leader: f64,
}

/// Sums of a placement.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Tally {
    brokers: Vec<BrokerTally>,
    states: Vec<BrokerState>,
    /// Of each topic on each broker; empty where the goals do not ask.
    topic_replicas: Vec<u32>,
    /// Of the topics that ask for leaders on each broker.
    topic_leaders: BTreeMap<u32, Vec<u32>>,
    replicas_sharing_a_rack: i64,
}

impl Tally {
    pub fn new(brokers: &[Broker], topics: &[Topic]) -> Tally {
        let asking = topics
            .iter()
            .enumerate()
            .filter(|(_, topic)| topic.min_leaders > 0);
        Tally {
            brokers: brokers
                .iter()
                .map(|broker| BrokerTally {
                    rack: broker.rack,
                    capacity: broker.capacity,
                    ..BrokerTally::default()
                })
                .collect(),
            states: brokers.iter().map(|broker| broker.state).collect(),
            topic_replicas: vec![0; brokers.len() * topics.len()],
            topic_leaders: asking
                .map(|(place, _)| (place as u32, vec![0; brokers.len()]))
                .collect(),
            replicas_sharing_a_rack: 0,
        }
    }

    pub fn set_state(&mut self, broker: usize, state: BrokerState) {
        self.states[broker] = state;
    }

    /// A copy that has what a profile's goals ask of it.
    pub fn narrowed(&self, profile: &Profile) -> Tally {
        let topic_replicas = match profile.has(Goal::TopicReplicaDistribution) {
            true => self.topic_replicas.clone(),
            false => Vec::new(),
        };
        Tally {
            brokers: self.brokers.clone(),
            states: self.states.clone(),
            topic_replicas,
            topic_leaders: self.topic_leaders.clone(),
            replicas_sharing_a_rack: self.replicas_sharing_a_rack,
        }
    }

    pub fn add_partition(&mut self, row: &Row) {
        self.put(row, &row.seat, 1);
    }

    pub fn remove_partition(&mut self, row: &Row) {
        self.put(row, &row.seat, -1);
    }

    /// Takes new loads of a row's partition, a leader's and a follower's, in place of the row's own.
    pub fn reload(&mut self, row: &Row, leader: &[f32; 4], follower: &[f32; 4]) {
        let more = |new: &[f32; 4], old: &[f32; 4]| -> [f64; 4] {
            std::array::from_fn(|at| f64::from(new[at]) - f64::from(old[at]))
        };
        let leads_more = more(leader, &row.leader_load);
        let follows_more = more(follower, &row.follower_load);
        let replicas = row.seat.brokers.iter().take(row.seat.count.into());
        for (position, id) in replicas.enumerate() {
            let broker = &mut self.brokers[usize::from(*id)];
            let leads = position == usize::from(row.seat.leader);
            let uses_more = if leads { &leads_more } else { &follows_more };
            for (sum, value) in broker.used.iter_mut().zip(uses_more) {
                *sum += value;
            }
            broker.would_send += leads_more[2];
            if leads {
                broker.receives_as_leader += leads_more[1];
            }
        }
    }

    /// Takes the partition of a row from its place to another. A replica that stays, in its role,
    /// is left alone.
    pub fn reseat(&mut self, row: &Row, to: &Seat) {
        self.put_but(row, &row.seat, to, -1);
        self.put_but(row, to, &row.seat, 1);
    }

    fn put(&mut self, row: &Row, seat: &Seat, sign: i64) {
        let nowhere = Seat { count: 0, ..*seat };
        self.put_but(row, seat, &nowhere, sign);
    }

    /// Adds the replicas of a seat that another seat does not have in the same role.
    fn put_but(&mut self, row: &Row, seat: &Seat, other: &Seat, sign: i64) {
        let factor = sign as f64;
        let width = self.brokers.len();
        self.replicas_sharing_a_rack += sign * self.sharing_a_rack(seat);
        for (position, id) in seat.brokers.iter().take(seat.count.into()).enumerate() {
            let leads = position == usize::from(seat.leader);
            let there = other.place_of(*id);
            if there.is_some_and(|place| leads == (place == usize::from(other.leader))) {
                continue;
            }
            let uses = if leads {
                row.leader_load
            } else {
                row.follower_load
            };
            let broker = &mut self.brokers[usize::from(*id)];
            for (sum, value) in broker.used.iter_mut().zip(uses) {
                *sum += factor * f64::from(value);
            }
            broker.replicas += sign;
            broker.would_send += factor * f64::from(row.leader_load[2]);
            if leads {
                broker.leaders += sign;
                broker.receives_as_leader += factor * f64::from(row.leader_load[1]);
            }
            if !self.topic_replicas.is_empty() {
                let count = &mut self.topic_replicas[row.topic as usize * width + usize::from(*id)];
                *count = count.wrapping_add_signed(sign as i32);
            }
            if leads && let Some(leaders) = self.topic_leaders.get_mut(&row.topic) {
                let count = &mut leaders[usize::from(*id)];
                *count = count.wrapping_add_signed(sign as i32);
            }
        }
    }

    /// Replicas of a seat on racks that an earlier one is on.
    fn sharing_a_rack(&self, seat: &Seat) -> i64 {
        let replicas = &seat.brokers[..usize::from(seat.count)];
        let rack = |id: &u16| self.brokers[usize::from(*id)].rack;
        let shares = |(place, id): &(usize, &u16)| {
            replicas[..*place]
                .iter()
                .any(|other| rack(other) == rack(id))
        };
        replicas.iter().enumerate().filter(shares).count() as i64
    }
}

/// Counts where a model breaks each goal of a profile, highest first.
pub fn violations(model: &Model, profile: &Profile) -> Vec<(Goal, u64)> {
    model.tally.count(profile, &model.topics)
}

/// As [`violations`], but sums everything anew: what the incremental sums are tested against.
pub fn violations_from_scratch(model: &Model, profile: &Profile) -> Vec<(Goal, u64)> {
    let mut tally = Tally::new(&model.brokers, &model.topics);
    for row in &model.rows {
        tally.add_partition(row);
    }
    tally.count(profile, &model.topics)
}
