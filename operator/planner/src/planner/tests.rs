//! The order of goals, layer by layer, as the checker sees it.

use proptest::prelude::*;

use super::{
    Leaving, Model, Profile, Scope, Search, State, Tally, Variant, count_after, leaving,
    permissions, states,
};
use crate::profile::{Goal, Thresholds};
use crate::synthetic::{Distribution, RandomCluster};

fn tally(model: &Model, states: &[crate::input::BrokerState]) -> Tally {
    let mut tally = model.tally.clone();
    for (broker, state) in states.iter().enumerate() {
        tally.set_state(broker, *state);
    }
    tally
}

type Counts = Vec<(Goal, u64)>;

/// Runs the layers one by one and returns, for each, the counts of all goals down to it before it
/// ran and after.
fn layer_by_layer(model: &Model, profile: &Profile) -> Vec<(Counts, Counts)> {
    let scope = Scope::Full;
    let states = states(model, &scope).expect("the scope fits");
    let permissions = permissions(model, &scope, &states).expect("the scope fits");
    let leaving: Leaving = leaving(model, &scope, &states).expect("the scope fits");
    let tally = tally(model, &states);
    let variant = Variant {
        seed: 3,
        move_price: 1.0,
        refine: false,
        heat: None,
        blur: 0.0,
    };
    let state = State::new(model, states);
    let mut search = Search::new(state, profile, permissions, variant, usize::MAX);
    let mut seen = Vec::new();
    for (at, layer) in profile.layers().iter().enumerate() {
        let down_to = profile.prefix(at + 1);
        let before = count_after(&tally, &search.state, &down_to);
        search.run_layer(layer, &leaving);
        seen.push((before, count_after(&tally, &search.state, &down_to)));
    }
    let before = count_after(&tally, &search.state, profile);
    search.finish();
    seen.push((before, count_after(&tally, &search.state, profile)));
    seen
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    /// Offline replicas outrank all and may take any place there is; from there on nothing gets
    /// worse, neither by a lower layer nor by the layer itself.
    #[test]
    fn a_layer_never_makes_a_goal_above_it_or_its_own_worse(
        seed in any::<u64>(),
        brokers in 4..20u32,
        dead_brokers in 0..2u32,
        topics in 1..60u32,
        replicas in 60..3000u32,
        distribution in prop_oneof![
            Just(Distribution::Uniform),
            Just(Distribution::Linear),
            Just(Distribution::Exponential)
        ],
    ) {
        let mut cluster = RandomCluster {
            racks: 4, brokers, dead_brokers, topics, replicas, replication: 3, distribution, seed,
        }.cluster();
        cluster.topics[0].min_leaders_per_broker = 1;
        let model = Model::build(cluster).expect("the cluster is sound");
        let profile = Profile::cruise_control(Thresholds::default()).expect("sound");
        for (layer, (before, after)) in layer_by_layer(&model, &profile).into_iter().enumerate() {
            for (was, is) in before.iter().zip(&after) {
                prop_assert!(is.1 <= was.1, "layer {layer}: {was:?} became {is:?}");
            }
        }
    }
}

/// Replicas that went away and came back in the other's place are in the order they were in.
#[test]
fn what_came_back_has_its_place_in_the_preferred_order() {
    let cluster = RandomCluster {
        racks: 4,
        brokers: 6,
        topics: 1,
        replicas: 30,
        ..RandomCluster::base(Distribution::Uniform, 1)
    };
    let model = Model::build(cluster.cluster()).expect("the cluster is sound");
    let states = states(&model, &Scope::Full).expect("the scope fits");
    let mut state = State::new(&model, states);
    let before = state.seat(0);
    let [first, second, third] = before.replicas() else {
        panic!("three replicas: {before:?}");
    };
    let free = (0..6)
        .find(|at| before.place_of(*at).is_none())
        .expect("a free broker");
    state.move_replica(0, *first, free);
    state.move_replica(0, *second, *first);
    state.move_replica(0, free, *second);
    assert_eq!(state.seat(0).replicas(), [*second, *first, *third]);
    state.restore_order();
    assert_eq!(state.seat(0).replicas(), before.replicas());
    assert_eq!(state.seat(0).leader_broker(), Some(*second));
}
