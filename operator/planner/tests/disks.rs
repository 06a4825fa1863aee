//! Disks that are too full are relieved for few bytes.

mod support;

use std::collections::BTreeSet;

use kintsugi_planner::{
    BrokerState, ClusterInput, Goal, Limits, Model, PartitionInput, Plan, PlanError, Profile,
    Resource, Scope, Thresholds, plan,
};
use support::{GIB, after, broker, cluster, model, partition, topic};

/// Hard goals alone. Of each disk of 1,000 GiB 800 may be used.
fn hard() -> Profile {
    let goals = [
        Goal::RackAware,
        Goal::MinTopicLeadersPerBroker,
        Goal::ReplicaCapacity,
        Goal::Capacity(Resource::Disk),
        Goal::Capacity(Resource::NetworkIn),
        Goal::Capacity(Resource::NetworkOut),
        Goal::Capacity(Resource::Cpu),
    ];
    let layers = goals.map(|goal| vec![goal]).to_vec();
    Profile::new(layers, Thresholds::default()).expect("sound")
}

fn planned(model: &Model, brokers: &[i32]) -> Result<Plan, PlanError> {
    let scope = Scope::MoveOutOfDisk(brokers.to_vec());
    plan(model, &hard(), &scope, &Limits::default())
}

/// Partitions with one replica each: on which broker, of so many GiB.
fn single(replicas: &[(i32, f64)]) -> Vec<PartitionInput> {
    let numbered = replicas.iter().zip(0..);
    numbered
        .map(|((broker, gib), number)| partition(number, &[*broker], *gib))
        .collect()
}

fn gib(bytes: u64) -> f64 {
    (bytes as f64 / GIB * 1e3).round() / 1e3
}

#[test]
fn a_disk_is_relieved_by_little_more_than_it_has_too_much_and_nothing_else_moves() {
    let mut replicas = [400.0, 300.0, 90.0, 60.0, 35.0]
        .map(|gib| (0, gib))
        .to_vec();
    // Broker 1 is too full as well and not named; broker 3 is emptier than 2.
    replicas.extend([(1, 850.0), (2, 700.0), (3, 100.0)]);
    let model = model(cluster(4, single(&replicas)));
    let plan = planned(&model, &[0]).expect("a plan");
    let changes: Vec<_> = plan
        .changes
        .iter()
        .map(|change| (change.partition.0, change.replicas_after.clone()))
        .collect();
    assert_eq!(changes, [(2, vec![3])], "90 GiB, where 85 are too much");
    assert_eq!(gib(plan.bytes), 90.0);
    assert_eq!(after(&plan, Goal::Capacity(Resource::Disk)), 1);
}

#[test]
fn disks_that_are_relieved_take_nothing_from_each_other_and_racks_bind() {
    let partitions = (0..9).map(|number| partition(number, &[0, 1], 95.0));
    let mut input = cluster(4, partitions.collect());
    for (broker, rack) in input.brokers.iter_mut().zip(["a", "b", "a", "b"]) {
        broker.rack = Some(rack.to_owned());
    }
    let model = model(input);
    let plan = planned(&model, &[0, 1]).expect("a plan");
    assert_eq!(gib(plan.bytes), 190.0);
    for change in &plan.changes {
        let racks: BTreeSet<i32> = change.replicas_after.iter().map(|id| id % 2).collect();
        assert_eq!(racks.len(), 2, "{change:?}");
    }
    let hard_goals = plan.goals.iter().map(|goal| goal.violations_after);
    assert_eq!(hard_goals.sum::<u64>(), 0);
}

#[test]
fn the_room_that_one_large_replica_does_not_fit_into_is_filled_with_others() {
    let replicas = [
        (0, 500.0),
        (0, 200.0),
        (0, 70.0),
        (0, 60.0),
        (0, 50.0),
        (1, 740.0),
        (2, 730.0),
    ];
    let model = model(cluster(3, single(&replicas)));
    // 80 GiB are too much; 50 and 60 fit, each to a broker of its own.
    let plan = planned(&model, &[0]).expect("a plan");
    assert_eq!(gib(plan.bytes), 110.0);
    assert_eq!(after(&plan, Goal::Capacity(Resource::Disk)), 0);
}

#[test]
fn a_disk_that_others_have_no_room_for_is_refused_in_numbers() {
    let replicas = [(0, 300.0), (0, 300.0), (0, 300.0), (1, 750.0), (2, 750.0)];
    let model = model(cluster(3, single(&replicas)));
    let refused = planned(&model, &[0]).expect_err("no room");
    let PlanError::NoRoom {
        id,
        too_much_bytes,
        left_bytes,
        room_bytes,
    } = refused
    else {
        panic!("{refused:?}");
    };
    assert_eq!(id, 0);
    assert_eq!((gib(too_much_bytes), gib(left_bytes)), (100.0, 100.0));
    assert_eq!(gib(room_bytes), 100.0);
    let words = refused.to_string();
    let expected = format!(
        "broker 0 has {too_much_bytes} bytes more on its disk than it may, and {left_bytes} of these \
         find no place: other disks have room for {room_bytes} bytes, where racks, replicas of the \
         same partition and other hard goals allow it; add brokers, or make disks larger"
    );
    assert_eq!(words, expected);
}

#[test]
fn a_disk_with_room_is_left_alone_and_cordoned_brokers_take_nothing() {
    let replicas = [(0, 850.0), (0, 10.0), (0, 55.0), (1, 100.0), (2, 700.0)];
    let mut input = cluster(3, single(&replicas));
    input.brokers[1].state = BrokerState::Cordoned;
    assert_eq!(
        planned(&model(input.clone()), &[2])
            .expect("a plan")
            .changes,
        []
    );
    // 115 GiB are too much, and broker 2 has room for 100.
    let refused = planned(&model(input), &[0]).expect_err("no room");
    assert!(
        matches!(refused, PlanError::NoRoom { id: 0, .. }),
        "{refused:?}"
    );
}

/// Sixty partitions of up to 40 GiB, two replicas each, those of `full` brokers among brokers that are
/// half as full.
fn random(random: &mut fastrand::Rng, brokers: i32, full: i32) -> ClusterInput {
    let mut input = ClusterInput {
        brokers: (0..brokers)
            .map(|id| broker(id, &format!("rack-{}", id % 3)))
            .collect(),
        topics: vec![topic("orders")],
        partitions: Vec::new(),
    };
    let mut held = vec![0.0; usize::try_from(brokers).expect("few")];
    for number in 0..600 {
        let size = 1.0 + 39.0 * random.f64();
        let wanted = |id: &i32| match *id < full {
            true => 900.0,
            false => 450.0,
        };
        let mut order: Vec<i32> = (0..brokers).collect();
        random.shuffle(&mut order);
        let mut chosen: Vec<i32> = Vec::new();
        for id in order {
            let at = usize::try_from(id).expect("few");
            let is_apart = chosen.iter().all(|other| other % 3 != id % 3);
            if chosen.len() < 2 && is_apart && held[at] + size < wanted(&id) {
                chosen.push(id);
            }
        }
        if chosen.len() == 2 {
            for id in &chosen {
                held[usize::try_from(*id).expect("few")] += size;
            }
            input.partitions.push(partition(number, &chosen, size));
        }
    }
    input
}

#[test]
fn random_disks_are_relieved_within_a_hundredth_of_the_bound_and_break_nothing() {
    let mut rng = fastrand::Rng::with_seed(7);
    let mut relieved = 0;
    for _ in 0..40 {
        let full = rng.i32(1..4);
        let model = model(random(&mut rng, 9, full));
        let named: Vec<i32> = (0..full).collect();
        let plan = planned(&model, &named).expect("a plan");
        for goal in &plan.goals {
            assert_eq!(goal.violations_after, 0, "{goal:?}");
        }
        for change in &plan.changes {
            let gone = change
                .replicas_before
                .iter()
                .filter(|id| !change.replicas_after.contains(id));
            let (mut gone, mut come) = (
                gone,
                change
                    .replicas_after
                    .iter()
                    .filter(|id| !change.replicas_before.contains(id)),
            );
            assert!(gone.all(|id| named.contains(id)), "{change:?}");
            assert!(come.all(|id| !named.contains(id)), "{change:?}");
        }
        let Some(bound) = plan.bound_bytes else {
            assert_eq!(plan.changes, [], "no disk was too full");
            continue;
        };
        relieved += 1;
        assert!(
            plan.bytes as f64 <= bound as f64 * 1.01,
            "{} bytes, bound {bound}",
            plan.bytes
        );
    }
    assert!(
        relieved >= 20,
        "only {relieved} had a disk that was too full"
    );
}
