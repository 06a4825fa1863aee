//! From a model, a profile and a scope to a plan.

#[cfg(test)]
mod tests;

use crate::bound::{self, COVERED};
use crate::checker::Tally;
use crate::input::BrokerState;
use crate::model::Model;
use crate::plan::{Limits, Plan, PlanError, Rates, Scope};
use crate::profile::{Goal, Profile};
use crate::report;
use crate::search::{Leaving, Permissions, Search, Variant};
use crate::state::State;

/// Clusters with at most this many replicas are searched several times, as that takes no time and
/// single large replicas matter there.
const SMALL_REPLICAS: usize = 6_000;
/// How often.
const VARIANTS_OF_SMALL: u64 = 24;
/// Up to here a move costs more beside its bytes, so that fewer replicas move.
const MOVE_PRICE: f64 = 1.0;

/// Plans: see [`Plan`]. The same arguments give the same plan. The work is bounded by counts, not
/// by time: it grows with the replicas of the brokers that break a goal.
///
/// # Errors
/// A scope that does not fit the model, rates that are none, no broker that takes replicas.
pub fn plan(
    model: &Model,
    profile: &Profile,
    scope: &Scope,
    limits: &Limits,
) -> Result<Plan, PlanError> {
    check_rates(&limits.rates)?;
    let states = states(model, scope)?;
    if !states.iter().any(|state| state.takes_replicas()) {
        return Err(PlanError::NoBrokers);
    }
    let permissions = permissions(model, scope, &states)?;
    let leaving = leaving(model, scope, &states)?;
    let mut tally = model.tally.clone();
    for (broker, state) in states.iter().enumerate() {
        tally.set_state(broker, *state);
    }
    let start = State::new(model, states);
    let mut best: Option<(Found<'_>, Vec<(Goal, u64)>)> = None;
    for variant in variants(model, limits.seed) {
        let moves = limits.max_moves;
        let mut search = Search::new(
            State::new(model, start.states.clone()),
            profile,
            permissions.clone(),
            variant,
            moves,
        );
        search.run(&leaving);
        let found = Found {
            state: search.state,
            swaps: search.swaps,
            chains: search.chains,
        };
        let after = count_after(&tally, &found.state, profile);
        let better = best.as_ref().is_none_or(|(than, counts)| {
            let key = |counts: &[(Goal, u64)]| counts.iter().map(|(_, count)| *count).collect();
            let (now, then): (Vec<u64>, Vec<u64>) = (key(&after), key(counts));
            now < then || now == then && found.state.bytes() < than.state.bytes()
        });
        if better {
            best = Some((found, after));
        }
    }
    let (found, after) = best.ok_or(PlanError::NoBrokers)?;
    let before = tally.count(profile, &model.topics);
    let bound_bytes = certificate(&start, profile, &leaving, &before, &after, limits);
    Ok(report::report(&report::Result {
        start: &start,
        found: &found.state,
        profile,
        scope,
        rates: &limits.rates,
        before,
        after,
        bound_bytes,
        swaps: found.swaps,
        chains: found.chains,
    }))
}

struct Found<'m> {
    state: State<'m>,
    swaps: usize,
    chains: usize,
}

fn variants(model: &Model, seed: u64) -> Vec<Variant> {
    let first = Variant {
        seed,
        move_price: MOVE_PRICE,
        refine: false,
        blur: 0.0,
    };
    if model.replicas() > SMALL_REPLICAS {
        return vec![first];
    }
    let prices = [1.0, 0.1, 3.0, 0.01, 0.3, 10.0];
    (0..VARIANTS_OF_SMALL)
        .map(|at| Variant {
            seed: seed.wrapping_add(at),
            move_price: prices[at as usize % prices.len()],
            refine: true,
            blur: if (at as usize) < prices.len() {
                0.0
            } else {
                1.0
            },
        })
        .collect()
}

/// Counted by the checker, from what has changed.
fn count_after(tally: &Tally, state: &State<'_>, profile: &Profile) -> Vec<(Goal, u64)> {
    let mut tally = tally.clone();
    for (partition, seat) in state.changes() {
        tally.reseat(state.row(*partition), seat);
    }
    tally.count(profile, &state.model.topics)
}

fn certificate(
    start: &State<'_>,
    profile: &Profile,
    leaving: &Leaving,
    before: &[(Goal, u64)],
    after: &[(Goal, u64)],
    limits: &Limits,
) -> Option<u64> {
    let holds = |goal: &Goal| COVERED.contains(goal) || *goal == Goal::OfflineReplicas;
    let met = after
        .iter()
        .all(|(goal, count)| !holds(goal) || *count == 0);
    let needed = before.iter().any(|(goal, count)| holds(goal) && *count > 0)
        || !leaving.replicas.is_empty();
    if !limits.certify || !met || !needed {
        return None;
    }
    let whole = leaving
        .brokers
        .iter()
        .flat_map(|at| &start.model.members[usize::from(*at)]);
    let single = leaving.replicas.iter().map(|(_, partition)| partition);
    let offline: f64 = whole
        .chain(single)
        .map(|partition| start.row(*partition).bytes())
        .sum();
    let bytes = bound::bound_bytes(start, profile, offline);
    (bytes >= 1.0).then_some(bytes as u64)
}

fn check_rates(rates: &Rates) -> Result<(), PlanError> {
    let fields = [
        ("inbound_bytes_per_second", rates.inbound_bytes_per_second),
        ("outbound_bytes_per_second", rates.outbound_bytes_per_second),
        ("leaderships_per_second", rates.leaderships_per_second),
    ];
    for (field, value) in fields {
        if !(value.is_finite() && value > 0.0) {
            return Err(PlanError::Rate { field, value });
        }
    }
    Ok(())
}

fn index(model: &Model, id: i32) -> Result<u16, PlanError> {
    model
        .index_of
        .get(&id)
        .copied()
        .ok_or(PlanError::UnknownBroker { id })
}

/// The brokers' states, with those that the scope removes.
fn states(model: &Model, scope: &Scope) -> Result<Vec<BrokerState>, PlanError> {
    let mut states: Vec<BrokerState> = model.brokers.iter().map(|broker| broker.state).collect();
    if let Scope::RemoveBrokers(ids) = scope {
        for id in ids {
            let state = &mut states[usize::from(index(model, *id)?)];
            if *state != BrokerState::Dead {
                *state = BrokerState::Draining;
            }
        }
    }
    Ok(states)
}

fn permissions(
    model: &Model,
    scope: &Scope,
    states: &[BrokerState],
) -> Result<Permissions, PlanError> {
    let takes: Vec<bool> = states.iter().map(|state| state.takes_replicas()).collect();
    let mut permissions = Permissions {
        leads: takes.clone(),
        takes,
        gives: states
            .iter()
            .map(|state| *state != BrokerState::Excluded)
            .collect(),
        replicas: *scope != Scope::Leaders,
        balancing: !matches!(scope, Scope::RemoveBrokers(_) | Scope::MoveOutOfDisk { .. }),
    };
    if let Scope::AddBrokers(ids) = scope {
        let mut added = vec![false; states.len()];
        for id in ids {
            let broker = usize::from(index(model, *id)?);
            if !permissions.takes[broker] {
                return Err(PlanError::TakesNoReplicas { id: *id });
            }
            added[broker] = true;
        }
        permissions.takes = added.clone();
        permissions.leads = added;
    }
    if let Scope::MoveOutOfDisk { broker, .. } = scope {
        let at = usize::from(index(model, *broker)?);
        permissions.takes[at] = false;
        permissions.leads[at] = false;
    }
    Ok(permissions)
}

fn leaving(model: &Model, scope: &Scope, states: &[BrokerState]) -> Result<Leaving, PlanError> {
    let mut leaving = Leaving::default();
    match scope {
        Scope::Leaders => {}
        Scope::MoveOutOfDisk { broker, partitions } => {
            let at = index(model, *broker)?;
            for partition in partitions {
                let row = model.rows.get(partition.0 as usize);
                let row = row.ok_or(PlanError::UnknownPartition {
                    id: partition.0,
                    partitions: model.rows.len(),
                })?;
                if row.seat.place_of(at).is_some() {
                    leaving.replicas.push((at, partition.0));
                }
            }
        }
        Scope::RemoveBrokers(ids) => {
            for id in ids {
                leaving.brokers.push(index(model, *id)?);
            }
        }
        Scope::Full | Scope::AddBrokers(_) => {
            let brokers = 0..states.len() as u16;
            leaving
                .brokers
                .extend(brokers.filter(|at| states[usize::from(*at)].must_empty()));
        }
    }
    Ok(leaving)
}
