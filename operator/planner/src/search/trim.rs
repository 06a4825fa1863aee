//! What turned out needless is taken back: later moves often make earlier ones superfluous.

use crate::changes::Change;

use super::Search;

/// Partitions that are looked at again, the largest first.
const LOOKED_AT: usize = 50_000;

impl Search<'_> {
    pub(super) fn trim(&mut self) {
        let mut changed: Vec<(f64, u32)> = self
            .state
            .changed()
            .iter()
            .filter(|change| self.could_return(change))
            .map(|change| (change.bytes(), change.partition))
            .collect();
        changed.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        for (_, partition) in changed.into_iter().take(LOOKED_AT) {
            self.return_replicas(partition);
            self.return_leadership(partition);
        }
    }

    /// Whether a partition has left a broker, or its leadership has, that may keep what it had.
    /// Most of an evacuation has not.
    fn could_return(&self, change: &Change) -> bool {
        let (before, seat) = (&change.row.seat, &change.seat);
        let leader = before.leader_broker();
        let has_left = |home: &u16| {
            !self.state.states[usize::from(*home)].must_empty()
                && (seat.place_of(*home).is_none()
                    || leader == Some(*home) && seat.leader_broker() != leader)
        };
        before.replicas().iter().any(has_left)
    }

    fn return_replicas(&mut self, partition: u32) {
        let before = self.state.row(partition).seat;
        for home in before.replicas().iter().copied() {
            let seat = self.state.seat(partition);
            if seat.place_of(home).is_some() || self.state.states[usize::from(home)].must_empty() {
                continue;
            }
            let moved = seat.replicas().iter().copied();
            let moved: Vec<u16> = moved.filter(|at| before.place_of(*at).is_none()).collect();
            for from in moved {
                let leads = seat.leader_broker() == Some(from);
                let vector = self.state.row(partition).replica(leads);
                if self.may_shift(from, home, &vector)
                    && self.obeys_places(partition, &seat, from, home)
                {
                    self.do_move(partition, from, home);
                    break;
                }
            }
        }
    }

    fn return_leadership(&mut self, partition: u32) {
        let before = self.state.row(partition).seat.leader_broker();
        let seat = self.state.seat(partition);
        let (Some(before), Some(now)) = (before, seat.leader_broker()) else {
            return;
        };
        let row = self.state.row(partition);
        if before != now
            && seat.place_of(before).is_some()
            && !self.state.states[usize::from(before)].must_empty()
            && self.may_unlead(row.topic, now)
            && self.may_shift(now, before, &row.leadership())
        {
            self.do_lead(partition, Some(now), before);
        }
    }
}
