//! The searches of one plan: one of a large cluster, many of a small one.

use crate::model::Model;
use crate::search::{Heat, Variant};

/// Clusters with at most this many replicas are searched several times, as that takes no time and
/// single large replicas matter there.
const SMALL_REPLICAS: usize = 6_000;
/// How often.
const VARIANTS_OF_SMALL: u64 = 24;
/// Small ones are then searched with random steps, once for each price and loss, where something is
/// left to gain.
const HEATS: [(f64, f64); 6] = [
    (1.0, 1.0),
    (0.1, 10.0),
    (0.1, 3.0),
    (0.03, 1.0),
    (0.1, 10.0),
    (0.3, 3.0),
];
/// Such steps of all those searches together: two tenths of a second.
const STEPS: usize = 1_800_000;
/// As many at most for each replica: a handful of them needs less.
const ALL_STEPS_PER_REPLICA: usize = 40_000;
/// Steps of one of them for each replica, and at least: the fewer replicas, the more searches.
const STEPS_PER_REPLICA: usize = 500;
const STEPS_LEAST: usize = 25_000;
/// Up to here a move costs more beside its bytes, so that fewer replicas move.
const MOVE_PRICE: f64 = 1.0;

const FIRST: Variant = Variant {
    seed: 0,
    move_price: MOVE_PRICE,
    refine: false,
    heat: None,
    blur: 0.0,
};

/// Searches that go by goals alone.
pub(super) fn plain(model: &Model, seed: u64) -> Vec<Variant> {
    if model.replicas() > SMALL_REPLICAS {
        return vec![Variant { seed, ..FIRST }];
    }
    let prices = [1.0, 0.1, 3.0, 0.01, 0.3, 10.0];
    let plain = (0..VARIANTS_OF_SMALL).map(|at| Variant {
        seed: seed.wrapping_add(at),
        move_price: prices[at as usize % prices.len()],
        refine: true,
        heat: None,
        blur: if (at as usize) < prices.len() {
            0.0
        } else {
            1.0
        },
    });
    plain.collect()
}

/// Searches of a small cluster with random steps after the layers.
pub(super) fn annealed(model: &Model, seed: u64) -> Vec<Variant> {
    let replicas = model.replicas();
    if replicas > SMALL_REPLICAS {
        return Vec::new();
    }
    let all = STEPS.min(replicas * ALL_STEPS_PER_REPLICA);
    let steps = (replicas * STEPS_PER_REPLICA).clamp(STEPS_LEAST, STEPS / HEATS.len());
    let annealed = (0..all.div_ceil(steps)).map(|at| {
        let (price, loss) = HEATS[at % HEATS.len()];
        Variant {
            seed: seed.wrapping_add(at as u64),
            refine: true,
            heat: Some(Heat { price, loss, steps }),
            ..FIRST
        }
    });
    annealed.collect()
}
