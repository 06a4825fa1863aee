//! How few bytes any plan could copy.
//!
//! Leaderships move for free and change what is sent, the processor, and, if a model says so,
//! what is stored and received. So only the disk and what is received count, and each replica only
//! with what it keeps as a follower:
//!
//! - Outflow: a broker that is above its limit of a resource even if it led nothing must lose
//!   replicas. What the cheapest ones cost, as if they could be split, is its outflow; of two
//!   resources the larger. Outflows of brokers add up.
//! - Inflow: brokers that are below their limit of a resource even if they led all their
//!   partitions must gain replicas; the cheapest of the cluster, each at most as often as it is
//!   replicated.
//! - Offline replicas are copied. They are none of the outflow's, which stems from brokers that
//!   serve, but may be some of the inflow's.
//!
//! The bound is the larger of outflow plus offline, and inflow.

use crate::bands::Bands;
use crate::dims::DIMS;
use crate::load::Resource;
use crate::profile::{Goal, Profile};
use crate::state::State;

/// A goal is met within this share of its limit; the bound must hold for such plans too.
const ROUNDING: f64 = 3e-7;

/// The goals that the bound rests on.
pub(crate) const COVERED: [Goal; 4] = [
    Goal::Capacity(Resource::Disk),
    Goal::UsageDistribution(Resource::Disk),
    Goal::Capacity(Resource::NetworkIn),
    Goal::UsageDistribution(Resource::NetworkIn),
];

const DIMENSIONS: [usize; 2] = [0, 1];

/// Bytes; 0 where nothing need be copied.
pub(crate) fn bound_bytes(state: &State<'_>, profile: &Profile, offline_bytes: f64) -> f64 {
    let mut bands = Bands::open(state.model.brokers.len());
    for goal in COVERED.into_iter().filter(|goal| profile.has(*goal)) {
        bands.narrow(goal, profile.thresholds(), state);
    }
    let brokers = 0..state.states.len();
    let outflow: f64 = brokers
        .filter(|at| !state.states[*at].must_empty())
        .map(|at| outflow(state, at, &bands))
        .sum();
    (outflow + offline_bytes).max(inflow(state, &bands))
}

fn outflow(state: &State<'_>, at: usize, bands: &Bands) -> f64 {
    let mut most: f64 = 0.0;
    for dim in DIMENSIONS {
        let limit = bands.high[at][dim] * (1.0 + ROUNDING);
        if state.sums[at][dim] <= limit {
            continue;
        }
        let mut items: Vec<(f64, f64)> = state.model.members[at]
            .iter()
            .map(|partition| {
                let row = state.row(*partition);
                (f64::from(row.follower_load[dim]), row.bytes())
            })
            .collect();
        let kept: f64 = items.iter().map(|(load, _)| load).sum();
        most = most.max(cheapest(&mut items, kept - limit));
    }
    most
}

fn inflow(state: &State<'_>, bands: &Bands) -> f64 {
    let mut missing = [0.0; DIMS];
    for at in 0..state.states.len() {
        for dim in DIMENSIONS {
            let limit = bands.low[at][dim] * (1.0 - ROUNDING);
            if state.sums[at][dim] >= limit {
                continue;
            }
            let could_have: f64 = state.model.members[at]
                .iter()
                .map(|partition| most_of(state, *partition, dim))
                .sum();
            missing[dim] += (limit - could_have).max(0.0);
        }
    }
    let mut most: f64 = 0.0;
    for dim in DIMENSIONS.into_iter().filter(|dim| missing[*dim] > 0.0) {
        let rows = state.model.rows.iter().enumerate();
        let mut items: Vec<(f64, f64)> = rows
            .map(|(partition, row)| {
                let copies = f64::from(row.seat.count);
                (
                    copies * most_of(state, partition as u32, dim),
                    copies * row.bytes(),
                )
            })
            .collect();
        most = most.max(cheapest(&mut items, missing[dim]));
    }
    most
}

fn most_of(state: &State<'_>, partition: u32, dim: usize) -> f64 {
    let row = state.row(partition);
    f64::from(row.leader_load[dim].max(row.follower_load[dim]))
}

/// The least cost of items (load, cost) that together have a load, where an item may be split:
/// those with the most load for their cost first. Linear in the items.
fn cheapest(items: &mut [(f64, f64)], need: f64) -> f64 {
    let density = |item: &(f64, f64)| {
        if item.1 > 0.0 {
            item.0 / item.1
        } else {
            f64::INFINITY
        }
    };
    let (mut items, mut need, mut cost) = (items, need, 0.0);
    while need > 0.0 && !items.is_empty() {
        if items.len() == 1 {
            let (load, price) = items[0];
            return cost
                + if load > need {
                    price * need / load
                } else {
                    price
                };
        }
        let middle = items.len() / 2;
        items.select_nth_unstable_by(middle, |a, b| density(b).total_cmp(&density(a)));
        let half: f64 = items[..middle].iter().map(|(load, _)| load).sum();
        if half >= need {
            items = &mut items[..middle];
        } else {
            cost += items[..middle].iter().map(|(_, price)| price).sum::<f64>();
            need -= half;
            items = &mut items[middle..];
        }
    }
    cost
}
