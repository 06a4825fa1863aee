//! From a model, a profile and a scope to a plan.

#[cfg(test)]
mod tests;
mod variants;

use crate::bands::Bands;
use crate::bound::{self, COVERED};
use crate::checker::Tally;
use crate::input::BrokerState;
use crate::load::Resource;
use crate::model::Model;
use crate::plan::{Limits, Plan, PlanError, Rates, Scope};
use crate::profile::{Goal, Profile};
use crate::report;
use crate::search::{Leaving, Permissions, Search, Variant};
use crate::state::State;

/// Within this share of a limit a sum counts as at it.
const SUM_ROUNDING: f64 = 1e-7;

/// A plan of a small cluster that copies up to so many times its bound is good enough.
const GOOD: f64 = 1.01;

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
    let mut tally = model.tally.narrowed(profile);
    for (broker, state) in states.iter().enumerate() {
        tally.set_state(broker, *state);
    }
    let start = State::new(model, states);
    let before = tally.count(profile, &model.topics);
    let judge = Judge {
        start: &start,
        profile,
        leaving: &leaving,
        limits,
        tally: &tally,
        before: &before,
    };
    let found = judge.best(&permissions).ok_or(PlanError::NoBrokers)?;
    check_disks(&start, &found.state, profile, &leaving, &permissions)?;
    let bound_bytes = judge.certificate(&found.state, &found.after);
    Ok(report::report(&report::Result {
        start: &start,
        found: &found.state,
        profile,
        scope,
        rates: &limits.rates,
        before: before.clone(),
        after: found.after,
        bound_bytes,
        swaps: found.swaps,
        chains: found.chains,
    }))
}

struct Found<'m> {
    state: State<'m>,
    swaps: usize,
    chains: usize,
    after: Counts,
}

type Counts = Vec<(Goal, u64)>;

/// What searches start from, and what they are measured by.
struct Judge<'a, 'm> {
    start: &'a State<'m>,
    profile: &'a Profile,
    leaving: &'a Leaving,
    limits: &'a Limits,
    tally: &'a Tally,
    before: &'a Counts,
}

impl<'m> Judge<'_, 'm> {
    /// The best that any variant of the search finds.
    fn best(&self, permissions: &Permissions) -> Option<Found<'m>> {
        let model = self.start.model;
        let mut best: Option<Found<'m>> = None;
        for variant in variants::plain(model, self.limits.seed) {
            let found = self.run(permissions, variant);
            if best.as_ref().is_none_or(|than| is_better(&found, than)) {
                best = Some(found);
            }
        }
        let mut best = best?;
        let annealed = variants::annealed(model, self.limits.seed);
        let may_gain = permissions.balancing && permissions.replicas && !annealed.is_empty();
        if !may_gain || self.is_good(&best) {
            return Some(best);
        }
        for variant in annealed {
            let found = self.run(permissions, variant);
            if found.state.moves() <= self.limits.max_moves && is_better_throughout(&found, &best) {
                best = found;
            }
        }
        Some(best)
    }

    fn run(&self, permissions: &Permissions, variant: Variant) -> Found<'m> {
        let state = State::new(self.start.model, self.start.states.clone());
        let permissions = permissions.clone();
        let moves = self.limits.max_moves;
        let mut search = Search::new(state, self.profile, permissions, variant, moves);
        search.run(self.leaving);
        let after = count_after(self.tally, &search.state, self.profile);
        Found {
            state: search.state,
            swaps: search.swaps,
            chains: search.chains,
            after,
        }
    }

    /// Whether there is next to nothing left to gain.
    fn is_good(&self, found: &Found<'_>) -> bool {
        let bytes = found.state.bytes();
        let bound = || {
            let bound = self.certificate(&found.state, &found.after);
            bound.map(|bound| bound as f64)
        };
        found.after.iter().all(|(_, count)| *count == 0)
            && (bytes == 0.0 || bound().is_some_and(|bound| bytes <= bound * GOOD))
    }

    /// The bound, where it holds and is asked for. What leaves brokers is known of a placement where
    /// all of it has left: those changes lie side by side, their rows in the model do not.
    fn certificate(&self, found: &State<'_>, after: &Counts) -> Option<u64> {
        let holds = |goal: &Goal| COVERED.contains(goal) || *goal == Goal::OfflineReplicas;
        let met = after
            .iter()
            .all(|(goal, count)| !holds(goal) || *count == 0);
        let needed = self
            .before
            .iter()
            .any(|(goal, count)| holds(goal) && *count > 0);
        if !self.limits.certify || !met || !needed {
            return None;
        }
        let leaves = |at: &&u16| self.leaving.brokers.contains(at);
        let offline = found.changed().iter().map(|change| {
            let leaving = change.row.seat.replicas().iter().filter(leaves);
            leaving.count() as f64 * change.row.bytes()
        });
        let bytes = bound::bound_bytes(self.start, self.profile, offline.sum());
        (bytes >= 1.0).then_some(bytes as u64)
    }
}

/// Whether a higher goal is broken in fewer places, or all in as many for fewer bytes.
fn is_better(found: &Found<'_>, than: &Found<'_>) -> bool {
    let counts =
        |of: &Found<'_>| -> Vec<u64> { of.after.iter().map(|(_, count)| *count).collect() };
    let (now, then) = (counts(found), counts(than));
    now < then || now == then && found.state.bytes() < than.state.bytes()
}

/// As [`is_better`], with no goal broken in more places: random steps do not heed the order of goals.
fn is_better_throughout(found: &Found<'_>, than: &Found<'_>) -> bool {
    let mut pairs = found.after.iter().zip(&than.after);
    pairs.all(|(now, then)| now.1 <= then.1) && is_better(found, than)
}

/// Counted by the checker, from what has changed.
fn count_after(tally: &Tally, state: &State<'_>, profile: &Profile) -> Vec<(Goal, u64)> {
    let mut tally = tally.clone();
    for change in state.changed() {
        tally.reseat(&change.row, &change.seat);
    }
    tally.count(profile, &state.model.topics)
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
        balancing: !matches!(scope, Scope::RemoveBrokers(_) | Scope::MoveOutOfDisk(_)),
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
    if let Scope::MoveOutOfDisk(ids) = scope {
        for id in ids {
            let at = usize::from(index(model, *id)?);
            permissions.takes[at] = false;
            permissions.leads[at] = false;
        }
    }
    Ok(permissions)
}

fn leaving(model: &Model, scope: &Scope, states: &[BrokerState]) -> Result<Leaving, PlanError> {
    let mut leaving = Leaving::default();
    match scope {
        Scope::Leaders => {}
        Scope::MoveOutOfDisk(ids) => {
            for id in ids {
                leaving.disks.push(index(model, *id)?);
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

/// Whether the disks that were to be relieved are.
fn check_disks(
    start: &State<'_>,
    found: &State<'_>,
    profile: &Profile,
    leaving: &Leaving,
    permissions: &Permissions,
) -> Result<(), PlanError> {
    let disk = Resource::Disk.index();
    let goal = Goal::Capacity(Resource::Disk);
    let mut bands = Bands::open(start.states.len());
    bands.narrow(goal, profile.thresholds(), start);
    let too_much = |state: &State<'_>, at: usize| state.sums[at][disk] - bands.high[at][disk];
    // A sum may differ in its last digits with the order of adding.
    let still = |at: &usize| too_much(found, *at) > bands.high[*at][disk] * SUM_ROUNDING;
    let mut disks = leaving.disks.iter().map(|at| usize::from(*at));
    let Some(at) = disks.find(still) else {
        return Ok(());
    };
    let takers = (0..start.states.len()).filter(|at| permissions.takes[*at]);
    let room: f64 = takers.map(|at| -too_much(start, at).min(0.0)).sum();
    Err(PlanError::NoRoom {
        id: start.model.brokers[at].id,
        too_much_bytes: too_much(start, at).ceil() as u64,
        left_bytes: too_much(found, at).ceil() as u64,
        room_bytes: room as u64,
    })
}
