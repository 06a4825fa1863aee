//! Replicas leave brokers that have too much.

use super::Search;
use super::gather::{Candidate, Kind};
use super::ranked::Trial;

const TRIAL: Trial = Trial {
    amount: |search, broker| search.excess(broker),
    moves: 2,
    patience: 4,
};

impl Search<'_> {
    /// From the most distressed broker on.
    pub(super) fn push_replicas(&mut self) {
        for broker in self.overfull() {
            if self.permissions.gives[usize::from(broker)] {
                self.push(broker);
            }
        }
    }

    /// Brokers above the layer's bands, the furthest out first.
    pub(super) fn overfull(&self) -> Vec<u16> {
        self.furthest(Self::excess)
    }

    fn push(&mut self, broker: u16) {
        let little = self.is_little(broker, &self.excess(broker));
        self.push_some(broker, little);
        if little && self.excess(broker).iter().any(|excess| *excess > 0.0) {
            self.push_some(broker, false);
        }
    }

    fn push_some(&mut self, broker: u16, little: bool) {
        let candidates = self.gather(broker, Kind::Replica, little);
        self.try_ranked(broker, candidates, &TRIAL, |search, candidate| {
            let Candidate {
                partition, vector, ..
            } = candidate;
            let seat = search.state.seat(*partition);
            let to = search.best_destination(*partition, &seat, broker, vector);
            if let Some(to) = to {
                search.do_move(*partition, broker, to);
            }
            to.is_some()
        });
    }
}
