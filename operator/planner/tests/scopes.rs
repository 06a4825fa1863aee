//! What a plan may touch, and the order in which it is to be carried out.

mod support;

use std::time::Duration;

use kintsugi_planner::{
    BrokerState, Goal, Limits, Model, PartitionChange, Plan, Profile, Rates, Scope, Thresholds,
    checker, plan,
};
use support::{GIB, after, cluster, hard_left, model, partition, topic};

fn kintsugi() -> Profile {
    Profile::kintsugi(Thresholds::default()).expect("sound")
}

fn planned(model: &Model, scope: Scope) -> Plan {
    plan(model, &kintsugi(), &scope, &Limits::default()).expect("a plan")
}

fn twelve(brokers: i32) -> kintsugi_planner::ClusterInput {
    cluster(
        brokers,
        (0..12)
            .map(|at| partition(at, &[at % 3, (at + 1) % 3], 10.0))
            .collect(),
    )
}

#[test]
fn a_removed_broker_is_empty_afterwards_and_nothing_else_moves() {
    let model = model(twelve(4));
    let plan = planned(&model, Scope::RemoveBrokers(vec![1]));
    assert_eq!(hard_left(&plan), 0);
    assert_eq!(plan.changes.len(), 8);
    for change in &plan.changes {
        assert!(change.replicas_before.contains(&1), "{change:?}");
        assert!(!change.replicas_after.contains(&1), "{change:?}");
        assert_ne!(change.leader_after, Some(1));
    }
    assert_eq!(plan.bytes, 8 * (10.0 * GIB) as u64);
    assert_eq!(plan.bound_bytes, Some(plan.bytes));
}

#[test]
fn added_brokers_are_the_only_ones_that_replicas_move_to() {
    let model = model(twelve(5));
    let plan = planned(&model, Scope::AddBrokers(vec![4]));
    assert!(plan.moves.replicas > 0);
    for change in &plan.changes {
        let new = change
            .replicas_after
            .iter()
            .filter(|at| !change.replicas_before.contains(at));
        assert!(new.clone().all(|broker| *broker == 4), "{change:?}");
    }
}

#[test]
fn the_scope_of_leaders_copies_nothing() {
    let partitions = (0..12)
        .map(|at| partition(at, &[0, 1 + at % 3], 10.0))
        .collect();
    let model = model(cluster(4, partitions));
    let profile = Profile::cruise_control(Thresholds::default()).expect("sound");
    let plan = plan(&model, &profile, &Scope::Leaders, &Limits::default()).expect("a plan");
    assert_eq!((plan.bytes, plan.moves.replicas), (0, 0));
    assert!(plan.moves.leaderships > 0);
    for change in &plan.changes {
        assert_eq!(change.replicas_after.first().copied(), change.leader_after);
        let mut replicas = change.replicas_after.clone();
        replicas.sort_unstable();
        let mut before = change.replicas_before.clone();
        before.sort_unstable();
        assert_eq!(replicas, before);
    }
}

#[test]
fn cordoned_brokers_receive_nothing_and_excluded_ones_keep_all() {
    let mut input = twelve(6);
    input.brokers[3].state = BrokerState::Cordoned;
    input.brokers[0].state = BrokerState::Excluded;
    let model = model(input);
    let plan = planned(&model, Scope::Full);
    assert!(plan.moves.replicas > 0);
    for change in &plan.changes {
        assert_eq!(
            change.replicas_after.contains(&0),
            change.replicas_before.contains(&0)
        );
        assert!(!change.replicas_after.contains(&3), "{change:?}");
    }
}

#[test]
fn topics_that_are_excluded_stay_unless_their_broker_dies() {
    let mut input = twelve(6);
    input.topics[0].excluded_from_moves = true;
    assert_eq!(planned(&model(input.clone()), Scope::Full).changes, []);
    input.brokers[0].state = BrokerState::Dead;
    for partition in &mut input.partitions {
        partition.leader = partition
            .replicas
            .iter()
            .copied()
            .find(|broker| *broker != 0);
    }
    let plan = planned(&model(input), Scope::Full);
    assert_eq!(after(&plan, Goal::OfflineReplicas), 0);
    assert!(
        plan.changes
            .iter()
            .all(|change| change.replicas_before.contains(&0))
    );
}

#[test]
fn endangered_partitions_come_first_and_small_ones_before_large() {
    let mut partitions: Vec<_> = (0..30)
        .map(|at| partition(at, &[0, 1], f64::from(30 - at)))
        .collect();
    partitions.push(partition(30, &[1, 3, 4], 50.0));
    partitions.push(partition(31, &[1, 3], 40.0));
    let mut input = cluster(6, partitions);
    input.brokers[3].state = BrokerState::Dead;
    input.brokers[4].state = BrokerState::Dead;
    let plan = planned(&model(input), Scope::Full);
    let order: Vec<u32> = plan
        .changes
        .iter()
        .map(|change| change.partition.0)
        .collect();
    assert_eq!(
        order[..2],
        [31, 30],
        "one serving replica each, the smaller first"
    );
    let rest: Vec<u64> = plan.changes[2..]
        .iter()
        .map(|change| change.bytes)
        .collect();
    assert!(rest.is_sorted(), "{rest:?}");
    assert!(plan.changes[..2].iter().all(PartitionChange::is_endangered));
    assert_eq!(after(&plan, Goal::OfflineReplicas), 0);
}

#[test]
fn partitions_without_a_serving_leader_are_left_and_named() {
    let mut lost = partition(1, &[0], 1.0);
    lost.leader = None;
    let mut input = cluster(3, vec![partition(0, &[1, 0], 1.0), lost]);
    input.brokers[0].state = BrokerState::Dead;
    let plan = planned(&model(input), Scope::Full);
    assert_eq!(after(&plan, Goal::OfflineReplicas), 1);
    let reason = plan.goals[0].unmet.clone().unwrap_or_default();
    assert!(
        reason.starts_with("1 replicas are of partitions without a serving leader"),
        "{reason}"
    );
}

#[test]
fn time_is_what_the_busiest_broker_needs_at_the_given_rates() {
    let mut input = cluster(3, vec![partition(0, &[0], 1.0), partition(1, &[0], 3.0)]);
    input.brokers[0].state = BrokerState::Draining;
    let rates = Rates {
        inbound_bytes_per_second: GIB,
        outbound_bytes_per_second: GIB / 2.0,
        leaderships_per_second: 2.0,
    };
    let limits = Limits {
        rates,
        ..Limits::default()
    };
    let plan = plan(&model(input), &kintsugi(), &Scope::Full, &limits).expect("a plan");
    // 4 GiB leave broker 0 at half a GiB a second, and two leaderships move.
    assert_eq!(plan.estimated_time, Duration::from_secs(9));
}

#[test]
fn a_plan_never_moves_more_than_its_limit() {
    let partitions = (0..200).map(|at| partition(at, &[at % 2], 1.0)).collect();
    let model = model(cluster(6, partitions));
    let limits = Limits {
        max_moves: 7,
        ..Limits::default()
    };
    let plan = plan(&model, &kintsugi(), &Scope::Full, &limits).expect("a plan");
    assert!(
        plan.moves.replicas + plan.moves.leaderships <= 7,
        "{:?}",
        plan.moves
    );
    assert!(plan.moves.replicas > 0);
}

#[test]
fn a_topic_that_asks_for_leaders_on_every_broker_gets_them() {
    let mut input = cluster(5, (0..10).map(|at| partition(at, &[0, 1], 1.0)).collect());
    input.topics[0].min_leaders_per_broker = 2;
    input.topics.push(topic("other"));
    let model = model(input);
    let profile = Profile::cruise_control(Thresholds::default()).expect("sound");
    let plan = plan(&model, &profile, &Scope::Full, &Limits::default()).expect("a plan");
    assert_eq!(after(&plan, Goal::MinTopicLeadersPerBroker), 0);
}

#[test]
fn a_plan_that_is_carried_out_leaves_what_it_promised() {
    let mut model = model(twelve(5));
    let plan = planned(&model, Scope::Full);
    let promised: Vec<(Goal, u64)> = plan
        .goals
        .iter()
        .map(|outcome| (outcome.goal, outcome.violations_after))
        .collect();
    model.apply(&plan).expect("it fits");
    assert_eq!(
        checker::violations_from_scratch(&model, &kintsugi()),
        promised
    );
    assert_eq!(
        planned(&model, Scope::Full).changes,
        [],
        "a balanced cluster is left alone"
    );
}
