//! Replicas come to brokers that have too little.

use crate::dims::DIMS;

use super::Search;
use super::gather::{Kind, worth};

/// Brokers that are asked for each needy one.
const DONORS: usize = 64;
/// A donor with more replicas than this is sampled.
const SAMPLE: usize = 2048;

impl Search<'_> {
    pub(super) fn pull_replicas(&mut self) {
        for broker in self.needy() {
            if self.permissions.takes[usize::from(broker)] {
                self.pull(broker);
            }
        }
    }

    fn pull(&mut self, broker: u16) {
        for donor in self.donors(broker) {
            if self.deficit(broker).iter().all(|deficit| *deficit <= 0.0) || !self.may_do(2) {
                return;
            }
            self.pull_from(donor, broker);
        }
    }

    /// Brokers that have more of what a broker lacks, those with most first.
    fn donors(&self, broker: u16) -> Vec<u16> {
        let deficit = self.deficit(broker);
        let share = |of: u16| -> f64 {
            let at = usize::from(of);
            let dims = (0..DIMS).filter(|dim| deficit[*dim] > 0.0);
            dims.map(|dim| self.state.sums[at][dim] / self.focus.low[at][dim].max(1e-300))
                .sum()
        };
        let own = share(broker);
        let mut donors: Vec<(f64, u16)> = (0..self.state.sums.len() as u16)
            .filter(|donor| *donor != broker && self.permissions.gives[usize::from(*donor)])
            .map(|donor| (share(donor), donor))
            .filter(|(share, _)| *share > own)
            .collect();
        donors.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        donors
            .into_iter()
            .take(DONORS)
            .map(|(_, donor)| donor)
            .collect()
    }

    fn pull_from(&mut self, donor: u16, broker: u16) {
        let mut candidates = if self.state.replica_count(donor) > SAMPLE {
            self.gather_sample(donor, SAMPLE)
        } else {
            self.gather(donor, Kind::Replica, false)
        };
        candidates.retain(|candidate| {
            let seat = self.state.seat(candidate.partition);
            self.obeys_places(candidate.partition, &seat, donor, broker)
        });
        let deficit = self.deficit(broker);
        let prices = self.prices(broker, &deficit);
        let best = self.rank(&mut candidates, &prices, &deficit);
        for candidate in &candidates[..best] {
            let deficit = self.deficit(broker);
            if worth(&candidate.vector, &prices, &deficit) <= 0.0 || !self.may_do(2) {
                return;
            }
            let seat = self.state.seat(candidate.partition);
            let leads = seat.leader_broker() == Some(donor);
            if leads && !self.permissions.leads[usize::from(broker)]
                || !self.obeys_places(candidate.partition, &seat, donor, broker)
                || !self.may_shift(donor, broker, &candidate.vector)
                || !self.helps(donor, broker, candidate)
            {
                continue;
            }
            self.do_move(candidate.partition, donor, broker);
        }
    }

    /// Whether the two brokers together are better off.
    fn helps(&self, donor: u16, broker: u16, candidate: &super::gather::Candidate) -> bool {
        let before = self.distress_of(donor) + self.distress_of(broker);
        let (mut gives, mut takes) = (
            self.state.sums[usize::from(donor)],
            self.state.sums[usize::from(broker)],
        );
        crate::dims::add(&mut gives, &candidate.vector, -1.0);
        crate::dims::add(&mut takes, &candidate.vector, 1.0);
        self.distress_at(donor, &gives) + self.distress_at(broker, &takes) < before
    }
}
