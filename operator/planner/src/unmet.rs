//! Why a goal is not met, in words.

use std::collections::BTreeSet;

use crate::bands;
use crate::dims::REPLICAS;
use crate::plan::Scope;
use crate::profile::Goal;
use crate::report::Result;

/// What cannot be, or what was not found.
pub(crate) fn reason(goal: Goal, left: u64, result: &Result<'_, '_>) -> String {
    impossible(goal, result).unwrap_or_else(|| match result.scope {
        Scope::Full => {
            format!("{left} left: no move was found that a higher goal, a topic or a broker allows")
        }
        _ => format!("{left} left: the scope allows no move that helps"),
    })
}

fn impossible(goal: Goal, result: &Result<'_, '_>) -> Option<String> {
    let (state, thresholds) = (result.found, result.profile.thresholds());
    let takers = bands::takers(state);
    match goal {
        Goal::OfflineReplicas => stuck(result),
        Goal::RackAware => crowded_racks(result),
        Goal::MinTopicLeadersPerBroker => {
            let topics = state.model.topics.iter();
            let mut short = topics.filter(|topic| {
                f64::from(topic.min_leaders) * takers > f64::from(topic.partitions)
            });
            short.next().map(|topic| {
                format!(
                    "topic {} has {} partitions, but {} on each of {takers} brokers need more",
                    topic.name, topic.partitions, topic.min_leaders
                )
            })
        }
        Goal::ReplicaCapacity => {
            let total: f64 = state.sums.iter().map(|sums| sums[REPLICAS]).sum();
            let most = f64::from(thresholds.max_replicas_per_broker);
            (total > most * takers).then(|| {
                format!("{total} replicas are more than {takers} brokers with {most} each may have")
            })
        }
        Goal::Capacity(resource) => {
            let at = resource.index();
            let used: f64 = state.sums.iter().map(|sums| sums[at]).sum();
            let brokers = state.model.brokers.iter().zip(&state.states);
            let capacity: f64 = brokers
                .filter(|(_, state)| state.takes_replicas())
                .map(|(broker, _)| broker.capacity[at])
                .sum();
            let share = thresholds.capacity[at];
            (used > capacity * share).then(|| {
                format!(
                    "{} is {used:.3e}, above {share} of the {capacity:.3e} that the brokers that \
                     take replicas have; add brokers",
                    resource.field()
                )
            })
        }
        _ => None,
    }
}

fn stuck(result: &Result<'_, '_>) -> Option<String> {
    let state = result.found;
    let (mut sourceless, mut others) = (0, 0);
    for broker in 0..state.states.len() as u16 {
        if !state.states[usize::from(broker)].must_empty() {
            continue;
        }
        for partition in state.members(broker) {
            let leader = state.seat(partition).leader_broker();
            if leader.is_some_and(|leader| state.model.is_online(leader)) {
                others += 1;
            } else {
                sourceless += 1;
            }
        }
    }
    if *result.scope == Scope::Leaders {
        return None;
    }
    (sourceless + others > 0).then(|| {
        format!(
            "{sourceless} replicas are of partitions without a serving leader to copy from; \
             {others} found no broker with room that has no replica of the partition"
        )
    })
}

fn crowded_racks(result: &Result<'_, '_>) -> Option<String> {
    let state = result.found;
    let brokers = state.model.brokers.iter().zip(&state.states);
    let racks: BTreeSet<u16> = brokers
        .filter(|(_, state)| !state.must_empty())
        .map(|(broker, _)| broker.rack)
        .collect();
    let conflicts = state.model.rack_conflicts.iter();
    let most = conflicts
        .map(|at| usize::from(state.seat(*at).count))
        .max()?;
    (most > racks.len()).then(|| {
        format!(
            "partitions with {most} replicas need as many racks, and there are {}",
            racks.len()
        )
    })
}
