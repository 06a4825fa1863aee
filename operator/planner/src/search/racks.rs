//! Replicas of one partition go to different racks.

use crate::bands::Bands;
use crate::model::Seat;

use super::Search;
use super::destination::Replica;

/// Brokers that are compared for each replica.
const COMPARED: usize = 16;

impl Search<'_> {
    pub(super) fn spread_over_racks(&mut self) {
        self.racks_bind = true;
        if !self.permissions.balancing || !self.permissions.replicas {
            return;
        }
        let model = self.state.model;
        let mut conflicts: Vec<u32> = model.rack_conflicts.iter().copied().collect();
        let changed = self.state.changed().iter();
        let new = changed
            .filter(|change| model.has_rack_conflict(&change.seat))
            .map(|change| change.partition);
        conflicts.extend(new);
        conflicts.sort_unstable();
        conflicts.dedup();
        let hard = self.hard_bands();
        let open = Bands::open(model.brokers.len());
        for partition in conflicts {
            for _ in 0..usize::from(self.state.seat(partition).count) {
                if !self.may_do(2) || !self.spread_one(partition, &hard, &open) {
                    break;
                }
            }
        }
    }

    /// Moves one replica that shares its rack; whether it did.
    fn spread_one(&mut self, partition: u32, hard: &Bands, open: &Bands) -> bool {
        let seat = self.state.seat(partition);
        if !self.has_source(&seat) {
            return false;
        }
        let mut sharing: Vec<u16> = self.sharing(&seat);
        sharing.sort_by_key(|broker| seat.leader_broker() == Some(*broker));
        sharing.retain(|from| self.is_movable(partition, *from));
        let vectors = sharing.iter().map(|from| {
            let leads = seat.leader_broker() == Some(*from);
            (*from, self.state.row(partition).replica(leads))
        });
        let vectors: Vec<_> = vectors.collect();
        let found = [&self.wished, hard, open].into_iter().find_map(|bands| {
            vectors.iter().find_map(|(from, vector)| {
                let replica = Replica {
                    partition,
                    seat: &seat,
                    from: *from,
                    vector,
                };
                let found = self.destination(bands, true, &replica, COMPARED);
                found.map(|(rotation, to)| (rotation, *from, to))
            })
        });
        let Some((rotation, from, to)) = found else {
            return false;
        };
        self.rotation = rotation;
        self.do_move(partition, from, to);
        true
    }

    /// Replicas on a rack that another one is on, the last in preferred order first.
    fn sharing(&self, seat: &Seat) -> Vec<u16> {
        let rack = |broker: u16| self.state.model.brokers[usize::from(broker)].rack;
        let replicas = seat.replicas();
        let shares = |broker: &&u16| {
            replicas
                .iter()
                .any(|other| other != *broker && rack(*other) == rack(**broker))
        };
        replicas.iter().rev().filter(shares).copied().collect()
    }
}
