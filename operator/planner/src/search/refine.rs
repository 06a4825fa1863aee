//! Smaller replicas in place of those that were moved: where one that is smaller would have done
//! as well, it goes and the other returns.

use crate::dims;

use super::Search;
use super::gather::Candidate;

impl Search<'_> {
    /// Whether anything got smaller.
    pub(super) fn refine(&mut self) -> bool {
        let mut moved: Vec<(f64, u32)> = self
            .state
            .changed()
            .iter()
            .filter(|change| change.moved_replicas() > 0)
            .map(|change| (change.row.bytes(), change.partition))
            .collect();
        moved.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        let mut smaller = false;
        for (_, partition) in moved {
            if !self.may_do(4) {
                break;
            }
            smaller |= self.replace(partition);
        }
        smaller
    }

    /// Returns one of a partition's replicas and sends a smaller one of another partition.
    fn replace(&mut self, partition: u32) -> bool {
        let row = self.state.row(partition);
        let seat = self.state.seat(partition);
        for home in row.seat.replicas().iter().copied() {
            if seat.place_of(home).is_some() || self.state.states[usize::from(home)].must_empty() {
                continue;
            }
            for away in seat.replicas().iter().copied() {
                if row.seat.place_of(away).is_some()
                    || !self.obeys_places(partition, &seat, away, home)
                {
                    continue;
                }
                let vector = row.replica(seat.leader_broker() == Some(away));
                if self.send_instead(partition, home, away, &vector) {
                    return true;
                }
            }
        }
        false
    }

    fn send_instead(
        &mut self,
        partition: u32,
        home: u16,
        away: u16,
        vector: &dims::Vector,
    ) -> bool {
        let bytes = self.state.row(partition).bytes();
        let mut others = self.collect_all(home);
        others.retain(|other| {
            // What has come from elsewhere is copied already: sending it on costs nothing more,
            // but it was sent here for a reason.
            let here_before = self
                .state
                .row(other.partition)
                .seat
                .place_of(home)
                .is_some();
            other.bytes < bytes * (1.0 - 1e-9)
                && here_before
                && other.partition != partition
                && self.may_gain(&self.allowed, home, &dims::minus(vector, &other.vector))
        });
        others.sort_unstable_by(|a, b| {
            a.bytes
                .total_cmp(&b.bytes)
                .then(a.partition.cmp(&b.partition))
        });
        for other in others {
            let Some(to) = self.place_for(&other, home, away, vector) else {
                continue;
            };
            self.do_move(partition, away, home);
            self.do_move(other.partition, home, to);
            return true;
        }
        false
    }

    /// Where the other replica may go once the first has returned.
    fn place_for(
        &self,
        other: &Candidate,
        home: u16,
        away: u16,
        vector: &dims::Vector,
    ) -> Option<u16> {
        let seat = self.state.seat(other.partition);
        let leads = seat.leader_broker() == Some(home);
        self.takers.iter().copied().find(|to| {
            let fits = if *to == away {
                self.may_gain(&self.allowed, away, &dims::minus(&other.vector, vector))
            } else {
                self.may_gain(&self.allowed, *to, &other.vector)
                    && self.may_lose(&self.allowed, away, vector)
            };
            fits && (!leads || self.permissions.leads[usize::from(*to)])
                && self.obeys_places(other.partition, &seat, home, *to)
        })
    }
}
