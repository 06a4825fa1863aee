//! Exchanges, where no single move is allowed: a replica for a smaller one (swap), or a replica to
//! a broker that passes another one on (chain).

use crate::dims::{self, Vector};

use super::Search;
use super::gather::{Candidate, Kind};

/// Replicas of a distressed broker that are tried.
const TRIED: usize = 32;
/// Brokers that each of them is offered to.
const OFFERS: usize = 10;
/// Replicas of that broker that are looked at in return.
const RETURNS: usize = 64;
/// Brokers that may be worked on in one pass: what is left is for the next.
const BROKERS: usize = 48;
/// Exchanges of one broker.
const EXCHANGES: usize = 64;

struct Exchange {
    score: f64,
    partner: u16,
    there: u32,
    back: u32,
    onward: u16,
}

impl Search<'_> {
    pub(super) fn exchange(&mut self) {
        let overfull = self.overfull();
        let needy = self
            .needy()
            .into_iter()
            .filter(|broker| !overfull.contains(broker));
        let distressed: Vec<u16> = overfull.iter().copied().chain(needy).collect();
        for broker in distressed.into_iter().take(BROKERS) {
            if !self.permissions.gives[usize::from(broker)] {
                continue;
            }
            for _ in 0..EXCHANGES {
                if self.distress_of(broker) == 0.0 || !self.may_do(4) {
                    break;
                }
                if !self.exchange_one(broker) {
                    break;
                }
            }
        }
    }

    fn exchange_one(&mut self, broker: u16) -> bool {
        let Some(found) = self.best_exchange(broker) else {
            return false;
        };
        self.do_move(found.there, broker, found.partner);
        self.do_move(found.back, found.partner, found.onward);
        if found.onward == broker {
            self.swaps += 1;
        } else {
            self.chains += 1;
        }
        true
    }

    fn best_exchange(&mut self, broker: u16) -> Option<Exchange> {
        let (excess, deficit) = (self.excess(broker), self.deficit(broker));
        let short = excess.iter().all(|excess| *excess <= 0.0);
        let mut own = self.gather(broker, Kind::Replica, true);
        let amounts = if short { deficit } else { excess };
        let prices = self.prices(broker, &amounts);
        let best = self.rank(&mut own, &prices, &amounts);
        let own: Vec<Candidate> = if short {
            let mut least = own;
            least.sort_unstable_by(|a, b| {
                weight(&a.vector, &prices).total_cmp(&weight(&b.vector, &prices))
            });
            least.into_iter().take(TRIED).collect()
        } else {
            own[..best].iter().take(TRIED).copied().collect()
        };
        let mut found: Option<Exchange> = None;
        for partner in self.partners(broker, short) {
            let others = self.gather_sample(partner, RETURNS);
            // Who takes what goes on does not depend on what comes: each is looked for once.
            let mut onward: Vec<Option<Option<u16>>> = vec![None; others.len()];
            for candidate in &own {
                let pair = (broker, partner);
                self.consider(pair, candidate, &others, &mut onward, &mut found);
            }
            if found.is_some() {
                break;
            }
        }
        found
    }

    /// Brokers to exchange with: the emptiest for one that has too much, else the fullest.
    fn partners(&mut self, broker: u16, short: bool) -> Vec<u16> {
        let mut partners: Vec<u16> = self
            .takers
            .iter()
            .copied()
            .filter(|partner| *partner != broker && self.permissions.gives[usize::from(*partner)])
            .collect();
        let fullness = |at: &u16| self.fullness[usize::from(*at)];
        partners.sort_unstable_by(|a, b| {
            let order = fullness(a).total_cmp(&fullness(b)).then(a.cmp(b));
            if short { order.reverse() } else { order }
        });
        partners.truncate(OFFERS * 2);
        partners
    }

    fn consider(
        &self,
        (broker, partner): (u16, u16),
        candidate: &Candidate,
        others: &[Candidate],
        onward: &mut [Option<Option<u16>>],
        found: &mut Option<Exchange>,
    ) {
        let seat = self.state.seat(candidate.partition);
        if !self.obeys_places(candidate.partition, &seat, broker, partner)
            || !self.may_carry_leader(&seat, broker, partner)
        {
            return;
        }
        let before = self.distress_of(broker) + self.distress_of(partner);
        let (there, bytes) = (candidate.partition, candidate.bytes);
        let may_lose = self.may_lose(&self.allowed, broker, &candidate.vector);
        let gone = self.distress_with(broker, &candidate.vector, -1.0);
        let pairs = others.iter().zip(onward);
        for (other, third) in pairs.filter(|(other, _)| other.partition != there) {
            let price = bytes + other.bytes + self.mean_bytes;
            let better = |relief: f64, found: &Option<Exchange>| {
                relief > 0.0
                    && found
                        .as_ref()
                        .is_none_or(|best| relief / price > best.score)
            };
            let back = other.partition;
            let net = dims::minus(&candidate.vector, &other.vector);
            // Distress is never below 0, so that most pairs end here.
            let left = before - self.distress_with(partner, &net, 1.0);
            if !better(left, found) {
                continue;
            }
            let swap = left - self.distress_with(broker, &net, -1.0);
            if better(swap, found)
                && self.may_shift(broker, partner, &net)
                && self.may_return(other, partner, broker)
            {
                let (score, onward) = (swap / price, broker);
                *found = Some(Exchange {
                    score,
                    partner,
                    there,
                    back,
                    onward,
                });
                continue;
            }
            let chain = left - gone;
            if may_lose
                && better(chain, found)
                && self.may_gain(&self.allowed, partner, &net)
                && let Some(onward) =
                    *third.get_or_insert_with(|| self.passes_on(broker, partner, other))
            {
                let score = chain / price;
                *found = Some(Exchange {
                    score,
                    partner,
                    there,
                    back,
                    onward,
                });
            }
        }
    }

    fn may_return(&self, other: &Candidate, partner: u16, broker: u16) -> bool {
        let seat = self.state.seat(other.partition);
        self.permissions.takes[usize::from(broker)]
            && self.obeys_places(other.partition, &seat, partner, broker)
            && self.may_carry_leader(&seat, partner, broker)
    }

    fn may_carry_leader(&self, seat: &crate::model::Seat, from: u16, to: u16) -> bool {
        seat.leader_broker() != Some(from) || self.permissions.leads[usize::from(to)]
    }

    /// A third broker that takes what the partner must give to make room.
    fn passes_on(&self, broker: u16, partner: u16, other: &Candidate) -> Option<u16> {
        let seat = self.state.seat(other.partition);
        self.takers.iter().copied().find(|third| {
            *third != broker
                && *third != partner
                && self.may_gain(&self.allowed, *third, &other.vector)
                && self.obeys_places(other.partition, &seat, partner, *third)
                && self.may_carry_leader(&seat, partner, *third)
        })
    }

    /// How distressed a broker is with a vector more or less.
    fn distress_with(&self, broker: u16, vector: &Vector, sign: f64) -> f64 {
        let sums = &self.state.sums[usize::from(broker)];
        self.distress_of_sums(broker, |dim| sums[dim] + sign * vector[dim])
    }
}

fn weight(vector: &Vector, prices: &Vector) -> f64 {
    vector
        .iter()
        .zip(prices)
        .map(|(value, price)| value * price)
        .sum()
}
