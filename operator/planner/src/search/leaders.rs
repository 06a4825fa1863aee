//! Leaderships move first: they copy nothing.

use super::Search;
use super::gather::{Candidate, Kind, worth};
use super::ranked::Trial;

const PUSH: Trial = Trial {
    amount: |search, broker| search.excess(broker),
    moves: 1,
    patience: usize::MAX,
};

const PULL: Trial = Trial {
    amount: |search, broker| search.deficit(broker),
    moves: 1,
    patience: usize::MAX,
};

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
        self.furthest(Self::deficit)
    }

    fn push_leaders(&mut self, broker: u16) {
        let excess = self.excess(broker);
        let little = self.is_little(broker, &excess);
        let mut candidates = self.gather(broker, Kind::Leadership, little);
        candidates.retain(|candidate| worth(&candidate.vector, &excess.map(sign), &excess) > 0.0);
        self.try_ranked(broker, candidates, &PUSH, |search, candidate| {
            let to = search.next_leader(candidate, broker);
            if let Some(to) = to {
                search.do_lead(candidate.partition, Some(broker), to);
            }
            to.is_some()
        });
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
        self.try_ranked(broker, candidates, &PULL, |search, candidate| {
            let Some(from) = search.state.seat(candidate.partition).leader_broker() else {
                return false;
            };
            let topic = search.state.row(candidate.partition).topic;
            let may =
                search.may_unlead(topic, from) && search.may_shift(from, broker, &candidate.vector);
            if may {
                search.do_lead(candidate.partition, Some(from), broker);
            }
            may
        });
    }
}

fn sign(amount: f64) -> f64 {
    if amount > 0.0 { 1.0 } else { 0.0 }
}
