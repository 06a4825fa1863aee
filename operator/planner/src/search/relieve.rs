//! Replicas leave disks that are too full, until these are not.
//!
//! Of each broker those are chosen that together are little more than what must leave: not the
//! largest, not the many small ones. Nothing else moves, and no hard goal is broken for it.

use std::collections::BTreeSet;

use crate::bands::Bands;
use crate::load::Resource;
use crate::model::Seat;
use crate::profile::Goal;

use super::Search;
use super::cover::cover;
use super::destination::Replica;

/// Times that replicas of one broker are chosen: those that took the last room of a destination
/// leave others to be chosen in the place of those that wanted it too.
const ROUNDS: usize = 16;

impl Search<'_> {
    /// Relieves the disks of these brokers, the fullest first.
    pub(super) fn relieve(&mut self, brokers: &[u16]) {
        let hard = self.hard_bands();
        let mut order: Vec<(f64, u16)> = brokers
            .iter()
            .map(|broker| (self.too_much(*broker, &hard), *broker))
            .collect();
        order.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        for (_, broker) in order {
            self.relieve_one(broker, &hard);
        }
    }

    fn relieve_one(&mut self, broker: u16, hard: &Bands) {
        let mut stuck = BTreeSet::new();
        let mut moved: Vec<(f64, u32, u16)> = Vec::new();
        for _ in 0..ROUNDS {
            let too_much = self.too_much(broker, hard);
            let items = match too_much > 0.0 {
                true => self.movable_from(broker, hard, &stuck),
                false => break,
            };
            let sizes: Vec<f64> = items.iter().map(|(bytes, _)| *bytes).collect();
            let chosen = cover(&sizes, too_much);
            if chosen.is_empty() {
                break;
            }
            for (bytes, partition) in chosen.into_iter().map(|at| items[at]) {
                if !self.may_do(2) {
                    return;
                }
                match self.new_disk_for(partition, broker, hard) {
                    Some(to) => {
                        self.do_move(partition, broker, to);
                        moved.push((bytes, partition, to));
                    }
                    None => {
                        stuck.insert(partition);
                    }
                }
            }
        }
        self.take_back(broker, moved, hard);
    }

    /// What was chosen in later rounds may have made some of the earlier ones needless.
    fn take_back(&mut self, broker: u16, mut moved: Vec<(f64, u32, u16)>, hard: &Bands) {
        moved.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        for (bytes, partition, to) in moved {
            if self.too_much(broker, hard) + bytes <= 0.0 {
                self.do_move(partition, to, broker);
            }
        }
    }

    /// Bytes above the most that the disk may hold; below 0: so many more may come.
    fn too_much(&self, broker: u16, hard: &Bands) -> f64 {
        let (at, disk) = (usize::from(broker), Resource::Disk.index());
        self.state.sums[at][disk] - hard.high[at][disk]
    }

    /// Replicas of a broker that another broker may take now, with their bytes.
    fn movable_from(&self, broker: u16, hard: &Bands, stuck: &BTreeSet<u32>) -> Vec<(f64, u32)> {
        let members = self.state.members(broker).filter(|partition| {
            self.is_movable(*partition, broker)
                && !stuck.contains(partition)
                && self.state.row(*partition).bytes() > 0.0
        });
        let members: Vec<u32> = members.collect();
        let placed = members.into_iter().filter(|partition| {
            self.has_source(&self.state.seat(*partition))
                && self.find_disk_for(*partition, broker, hard, 1).is_some()
        });
        placed
            .map(|partition| (self.state.row(partition).bytes(), partition))
            .collect()
    }

    fn new_disk_for(&mut self, partition: u32, from: u16, hard: &Bands) -> Option<u16> {
        let (rotation, to) = self.find_disk_for(partition, from, hard, usize::MAX)?;
        self.rotation = rotation;
        Some(to)
    }

    fn find_disk_for(
        &self,
        partition: u32,
        from: u16,
        hard: &Bands,
        enough: usize,
    ) -> Option<(usize, u16)> {
        let seat = self.state.seat(partition);
        let leads = seat.leader_broker() == Some(from);
        let vector = self.state.row(partition).replica(leads);
        let replica = Replica {
            partition,
            seat: &seat,
            from,
            vector: &vector,
        };
        // One that shares its rack already breaks the goal no more on another such rack.
        let racks = self.profile.has(Goal::RackAware) && self.is_alone_on_rack(&seat, from);
        self.destination(hard, racks, &replica, enough)
    }

    fn is_alone_on_rack(&self, seat: &Seat, broker: u16) -> bool {
        let brokers = &self.state.model.brokers;
        let rack = |at: u16| brokers[usize::from(at)].rack;
        let mut others = seat.replicas().iter().filter(|other| **other != broker);
        others.all(|other| rack(*other) != rack(broker))
    }
}
