//! Leaderships move first: they copy nothing.

use super::Search;
use super::gather::{BATCH, Candidate, Kind, worth};

impl Search<'_> {
    pub(super) fn balance_leaders(&mut self) {
        for broker in self.overfull() {
            if self.permissions.gives[usize::from(broker)] {
                self.push_leaders(broker);
            }
        }
        for broker in self.needy() {
            if self.permissions.leads[usize::from(broker)] {
                self.pull_leaders(broker);
            }
        }
    }

    /// Brokers below the layer's bands, the furthest out first.
    pub(super) fn needy(&self) -> Vec<u16> {
        let brokers = 0..self.state.sums.len() as u16;
        let mut needy: Vec<(f64, u16)> = brokers
            .filter(|broker| self.deficit(*broker).iter().any(|deficit| *deficit > 0.0))
            .map(|broker| (self.distress_of(broker), broker))
            .collect();
        needy.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        needy.into_iter().map(|(_, broker)| broker).collect()
    }

    fn push_leaders(&mut self, broker: u16) {
        let excess = self.excess(broker);
        let little = self.is_little(broker, &excess);
        let mut candidates = self.gather(broker, Kind::Leadership, little);
        candidates.retain(|candidate| worth(&candidate.vector, &excess.map(sign), &excess) > 0.0);
        while !candidates.is_empty() && self.may_do(1) {
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
                    || !self.may_do(1)
                    || worth(&candidate.vector, &prices, &excess) <= 0.0
                {
                    break;
                }
                tried += 1;
                if let Some(to) = self.next_leader(candidate, broker) {
                    self.do_lead(candidate.partition, Some(broker), to);
                    moved += 1;
                }
            }
            if tried == 0 {
                return;
            }
            candidates.drain(..tried);
        }
    }

    fn next_leader(&self, candidate: &Candidate, from: u16) -> Option<u16> {
        if !self.may_unlead(self.state.row(candidate.partition).topic, from) {
            return None;
        }
        let seat = self.state.seat(candidate.partition);
        let followers = seat.replicas().iter().copied().filter(|to| *to != from);
        followers
            .filter(|to| self.permissions.leads[usize::from(*to)])
            .filter(|to| self.may_shift(from, *to, &candidate.vector))
            .map(|to| (self.rise(to, &candidate.vector), to))
            .min_by(|a, b| a.0.total_cmp(&b.0))
            .map(|(_, to)| to)
    }

    fn pull_leaders(&mut self, broker: u16) {
        let mut candidates: Vec<Candidate> = Vec::new();
        for partition in self.state.members(broker) {
            let leader = self.state.seat(partition).leader_broker();
            if leader.is_some_and(|leader| leader != broker && self.is_movable(partition, leader)) {
                let vector = self.state.row(partition).leadership();
                candidates.push(Candidate {
                    partition,
                    bytes: 0.0,
                    vector,
                    score: 0.0,
                });
            }
        }
        while !candidates.is_empty() && self.may_do(1) {
            let deficit = self.deficit(broker);
            if deficit.iter().all(|deficit| *deficit <= 0.0) {
                return;
            }
            let prices = self.prices(broker, &deficit);
            let best = self.rank(&mut candidates, &prices, &deficit);
            let (mut moved, mut tried) = (0, 0);
            for candidate in &candidates[..best] {
                let deficit = self.deficit(broker);
                if moved == BATCH
                    || !self.may_do(1)
                    || worth(&candidate.vector, &prices, &deficit) <= 0.0
                {
                    break;
                }
                tried += 1;
                let Some(from) = self.state.seat(candidate.partition).leader_broker() else {
                    continue;
                };
                let topic = self.state.row(candidate.partition).topic;
                if self.may_unlead(topic, from) && self.may_shift(from, broker, &candidate.vector) {
                    self.do_lead(candidate.partition, Some(from), broker);
                    moved += 1;
                }
            }
            if tried == 0 {
                return;
            }
            candidates.drain(..tried);
        }
    }
}

fn sign(amount: f64) -> f64 {
    if amount > 0.0 { 1.0 } else { 0.0 }
}
