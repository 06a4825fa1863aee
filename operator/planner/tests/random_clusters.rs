//! Clusters of Cruise Control's own test shape, at random. `PROPTEST_RNG_SEED` draws others.

mod support;

use kintsugi_planner::synthetic::{Distribution, RandomCluster};
use kintsugi_planner::{
    Goal, Limits, Load, LoadUpdate, Model, PartitionId, Plan, Profile, Scope, Thresholds, checker,
    plan,
};
use proptest::prelude::*;
use support::hard_left;

fn cruise_control() -> Profile {
    Profile::cruise_control(Thresholds::default()).expect("sound")
}

fn random_cluster() -> impl Strategy<Value = RandomCluster> {
    let distribution = prop_oneof![
        Just(Distribution::Uniform),
        Just(Distribution::Linear),
        Just(Distribution::Exponential)
    ];
    (distribution, 4..16u32, 0..2u32, 1..40u32, any::<u64>()).prop_flat_map(
        |(distribution, brokers, dead_brokers, topics, seed)| {
            (3..=brokers.min(6), 100..900u32).prop_map(move |(racks, replicas)| RandomCluster {
                racks,
                brokers,
                dead_brokers,
                topics,
                replicas,
                replication: 3,
                distribution,
                seed,
            })
        },
    )
}

fn planned(model: &Model, profile: &Profile) -> Plan {
    let limits = Limits {
        seed: 7,
        ..Limits::default()
    };
    plan(model, profile, &Scope::Full, &limits).expect("a plan")
}

fn counts(plan: &Plan) -> Vec<u64> {
    plan.goals
        .iter()
        .map(|outcome| outcome.violations_after)
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, ..ProptestConfig::default() })]

    #[test]
    fn the_result_is_never_worse_than_the_start(cluster in random_cluster()) {
        let model = Model::build(cluster.cluster()).expect("sound");
        for profile in [cruise_control(), Profile::kintsugi(Thresholds::default()).expect("sound")] {
            let plan = planned(&model, &profile);
            let before: Vec<u64> = plan.goals.iter().map(|at| at.violations_before).collect();
            prop_assert!(counts(&plan) <= before, "{:?} after {before:?}", counts(&plan));
            prop_assert!(plan.bound_bytes.is_none_or(|bound| bound <= plan.bytes));
        }
    }

    #[test]
    fn a_plan_is_the_same_each_time_and_leaves_what_it_promised(cluster in random_cluster()) {
        let mut model = Model::build(cluster.cluster()).expect("sound");
        let profile = cruise_control();
        let plan = planned(&model, &profile);
        prop_assert_eq!(&planned(&model, &profile), &plan);
        model.apply(&plan).expect("it fits");
        let promised: Vec<(Goal, u64)> =
            plan.goals.iter().map(|at| (at.goal, at.violations_after)).collect();
        prop_assert_eq!(checker::violations_from_scratch(&model, &profile), promised.clone());
        prop_assert_eq!(checker::violations(&model, &profile), promised);
    }

    #[test]
    fn running_sums_are_those_of_a_model_built_anew(
        cluster in random_cluster(),
        factors in prop::collection::vec((any::<prop::sample::Index>(), 0.0..3.0), 1..50),
    ) {
        let partitions: Vec<_> = cluster.cluster().partitions.collect();
        let mut model = Model::build(cluster.cluster()).expect("sound");
        let mut changed = partitions.clone();
        for (at, factor) in factors {
            let at = at.index(partitions.len());
            let scaled = |load: Load| Load { cpu: load.cpu * factor, disk_bytes: load.disk_bytes * factor, ..load };
            let update = LoadUpdate {
                partition: PartitionId(at as u32),
                leader_load: scaled(partitions[at].leader_load),
                follower_load: scaled(partitions[at].follower_load),
            };
            model.update_loads(&[update]).expect("sound");
            changed[at].leader_load = update.leader_load;
            changed[at].follower_load = update.follower_load;
        }
        let input = cluster.cluster();
        let anew = Model::build(kintsugi_planner::ClusterInput {
            brokers: input.brokers,
            topics: input.topics,
            partitions: changed,
        }).expect("sound");
        let profile = cruise_control();
        prop_assert_eq!(
            checker::violations(&model, &profile),
            checker::violations_from_scratch(&anew, &profile)
        );
    }
}

#[test]
fn clusters_of_their_base_size_end_without_hard_violations() {
    for distribution in [Distribution::Uniform, Distribution::Linear] {
        let cluster = RandomCluster {
            topics: 300,
            replicas: 5_001,
            ..RandomCluster::base(distribution, 3)
        };
        let model = Model::build(cluster.cluster()).expect("sound");
        let plan = planned(&model, &cruise_control());
        assert_eq!(hard_left(&plan), 0, "{distribution:?}: {:?}", plan.goals);
    }
}
