//! Replicas leave brokers that have too much.

use super::Search;
use super::gather::{BATCH, Kind, worth};

/// Rankings in a row that moved nothing before a broker is left as it is.
const FRUITLESS: usize = 4;

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
        let brokers = 0..self.state.sums.len() as u16;
        let mut overfull: Vec<(f64, u16)> = brokers
            .filter(|broker| self.excess(*broker).iter().any(|excess| *excess > 0.0))
            .map(|broker| (self.distress_of(broker), broker))
            .collect();
        overfull.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        overfull.into_iter().map(|(_, broker)| broker).collect()
    }

    fn push(&mut self, broker: u16) {
        let little = self.is_little(broker, &self.excess(broker));
        self.push_some(broker, little);
        if little && self.excess(broker).iter().any(|excess| *excess > 0.0) {
            self.push_some(broker, false);
        }
    }

    fn push_some(&mut self, broker: u16, little: bool) {
        let mut candidates = self.gather(broker, Kind::Replica, little);
        let mut fruitless = 0;
        while fruitless < FRUITLESS && !candidates.is_empty() && self.may_do(2) {
            let excess = self.excess(broker);
            if excess.iter().all(|excess| *excess <= 0.0) {
                return;
            }
            let prices = self.prices(broker, &excess);
            let best = self.rank(&mut candidates, &prices, &excess);
            let (mut moved, mut tried) = (0, 0);
            for candidate in &candidates[..best] {
                let excess = self.excess(broker);
                if moved == BATCH
                    || !self.may_do(2)
                    || worth(&candidate.vector, &prices, &excess) <= 0.0
                {
                    break;
                }
                tried += 1;
                let seat = self.state.seat(candidate.partition);
                let to =
                    self.best_destination(candidate.partition, &seat, broker, &candidate.vector);
                if let Some(to) = to {
                    self.do_move(candidate.partition, broker, to);
                    moved += 1;
                }
            }
            if tried == 0 {
                return;
            }
            candidates.drain(..tried);
            fruitless = if moved == 0 { fruitless + 1 } else { 0 };
        }
    }
}
