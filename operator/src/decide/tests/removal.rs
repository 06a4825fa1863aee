//! Brokers that are no longer asked for.

use super::model::{Operator, World};
use super::*;
use crate::observe::{Disk, Removal};

/// Ticks in which a cluster surely shrinks or grows by one broker.
const ENOUGH_TICKS: usize = 60;

/// Four brokers that share four partitions, three copies each.
fn four() -> World {
    let mut world = World::new();
    world.cluster.brokers.replicas = 4;
    world.run(&mut Operator::default(), ENOUGH_TICKS);
    assert!(world.is_settled());
    world.balancer.replicas = vec![vec![0, 1, 2], vec![1, 2, 3], vec![2, 3, 0], vec![3, 0, 1]];
    world.tick();
    world
}

/// Looks and acts for `ticks`; gives all that was done, in order.
fn run(world: &mut World, operator: &mut Operator, ticks: usize) -> Vec<String> {
    let mut done = Vec::new();
    for _ in 0..ticks {
        let plan = operator.look(world);
        done.extend(plan.commands.iter().filter_map(word));
        operator.act(world, &plan);
        world.tick();
        world.assert_safe();
    }
    done
}

fn brokers(world: &World) -> Vec<i32> {
    let pods = world.observed.pods.iter();
    let mut ids: Vec<i32> = pods
        .filter(|pod| pod.member.role == Role::Broker)
        .map(|pod| pod.member.id)
        .collect();
    ids.sort_unstable();
    ids
}

fn registered_ids(world: &World) -> Vec<i32> {
    world
        .observed
        .registered()
        .unwrap()
        .keys()
        .copied()
        .collect()
}

fn marks(world: &World) -> Vec<(i32, Removal)> {
    let volumes = world.observed.volumes.iter();
    volumes
        .filter_map(|volume| Some((volume.member.id, volume.removal?)))
        .collect()
}

/// What is left when nothing of a removal is: no mark, no cordon, no KafkaRebalance.
fn assert_no_trace(world: &World, told: &str) {
    assert_eq!(marks(world), [], "{told}");
    assert_eq!(world.balancer.cordoned, BTreeSet::new(), "{told}");
    assert_eq!(world.observed.rebalances, [], "{told}");
}

#[test]
fn a_broker_too_many_is_cordoned_emptied_stopped_and_forgotten() {
    let (mut world, mut operator) = (four(), Operator::default());
    world.cluster.brokers.replicas = 3;
    let done = run(&mut world, &mut operator, ENOUGH_TICKS);
    assert_eq!(
        done,
        [
            "announce Evidence/broker-3",
            "change data-demo-broker-3-1 removal=draining",
            "announce broker-3",
            "cordon broker 3",
            "create demo-drain-3",
            "announce Evidence/broker-3",
            "change data-demo-broker-3-1 removal=drained",
            "announce broker-3",
            "apply PodDisruptionBudget demo-broker",
            "delete demo-broker-3-1",
            "unregister broker 3",
            "delete demo-drain-3",
        ]
    );
    assert_eq!(brokers(&world), [0, 1, 2]);
    assert_eq!(registered_ids(&world), [0, 1, 2]);
    assert_eq!(
        marks(&world),
        [(3, Removal::Drained)],
        "its volume is retained"
    );
    assert!(world.is_settled());
    let written = operator.status.unwrap();
    assert_eq!(written.brokers.summary, "3/3");
    assert_eq!(condition(&written, "ShrinkRefused").reason, "SizeInForce");
}

#[test]
fn a_volume_goes_with_its_broker_where_the_policy_says_so() {
    let (mut world, mut operator) = (four(), Operator::default());
    world.cluster.brokers.deletion_policy = kintsugi_crds::DeletionPolicy::Delete;
    let owner = Some(world.cluster.uid.clone());
    for volume in world.observed.volumes.iter_mut() {
        let is_broker = volume.member.role == Role::Broker;
        volume.owner = owner.clone().filter(|_| is_broker);
    }
    world.cluster.brokers.replicas = 3;
    let done = run(&mut world, &mut operator, ENOUGH_TICKS);
    assert_eq!(done.last().unwrap(), "delete data-demo-broker-3-1");
    assert_eq!(world.observed.volumes.len(), 6);
    assert!(world.is_settled());
}

#[test]
fn any_broker_may_go_and_comes_back_on_its_volume_when_it_is_asked_for_again() {
    let (mut world, mut operator) = (four(), Operator::default());
    world.cluster.removed_first = [1].into();
    world.cluster.brokers.replicas = 3;
    run(&mut world, &mut operator, ENOUGH_TICKS);
    assert_eq!(brokers(&world), [0, 2, 3]);
    assert_eq!(registered_ids(&world), [0, 2, 3]);
    assert_eq!(run(&mut world, &mut operator, ENOUGH_TICKS), [""; 0]);
    world.cluster.brokers.replicas = 4;
    let done = run(&mut world, &mut operator, ENOUGH_TICKS);
    assert_eq!(
        done,
        [
            "apply PodDisruptionBudget demo-broker",
            "create demo-broker-1-1",
            "change data-demo-broker-1-1 removal=none",
            "announce broker-1",
            "apply PodDisruptionBudget demo-broker",
        ]
    );
    assert_eq!(brokers(&world), [0, 1, 2, 3]);
    assert_no_trace(&world, "it came back");
}

#[test]
fn a_broker_that_is_asked_for_again_at_any_step_of_its_removal_stays() {
    for step in 0..ENOUGH_TICKS {
        let (mut world, mut operator) = (four(), Operator::default());
        world.cluster.brokers.replicas = 3;
        run(&mut world, &mut operator, step);
        world.cluster.brokers.replicas = 4;
        run(&mut world, &mut operator, ENOUGH_TICKS);
        let told = format!("raised at step {step}");
        assert_eq!(brokers(&world), [0, 1, 2, 3], "{told}");
        assert_eq!(registered_ids(&world), [0, 1, 2, 3], "{told}");
        assert_no_trace(&world, &told);
        assert!(world.is_settled(), "{told}");
        assert_eq!(run(&mut world, &mut operator, 10), [""; 0], "{told}");
    }
}

#[test]
fn a_status_wiped_at_every_step_of_a_shrink_leads_to_the_same_end() {
    let end = |seed: Option<u64>| {
        let (mut world, mut operator) = (four(), Operator::default());
        let mut random = fastrand::Rng::with_seed(seed.unwrap_or(0));
        world.cluster.brokers.replicas = 3;
        for _ in 0..3 * ENOUGH_TICKS {
            world.run(&mut operator, 1);
            if seed.is_some() {
                operator.status = None;
                if random.u32(..12) == 0 {
                    operator = Operator::default();
                }
            }
        }
        let volumes = world.observed.volumes.iter();
        let mut volumes: Vec<_> = volumes.map(|v| (v.name.clone(), v.removal)).collect();
        volumes.sort_by(|left, right| left.0.cmp(&right.0));
        (
            brokers(&world),
            registered_ids(&world),
            volumes,
            world.stopped,
        )
    };
    let expected = end(None);
    assert_eq!(expected.0, [0, 1, 2]);
    for seed in 0..10 {
        assert_eq!(end(Some(seed)), expected, "seed {seed}");
    }
}

#[test]
fn a_status_that_is_wiped_shrinks_nothing() {
    let mut world = four();
    for _ in 0..ENOUGH_TICKS {
        assert_eq!(run(&mut world, &mut Operator::default(), 1), [""; 0]);
    }
    assert_eq!(brokers(&world), [0, 1, 2, 3]);
}

#[test]
fn operators_frozen_between_decide_and_act_take_away_nothing_that_is_needed() {
    for seed in 0..20 {
        let mut random = fastrand::Rng::with_seed(seed);
        let (mut world, mut operators) = (four(), [(); 3].map(|()| Operator::default()));
        let mut frozen: Vec<(i64, usize, Plan)> = Vec::new();
        for tick in 0..700 {
            if tick < 400 && random.u32(..40) == 0 {
                world.cluster.brokers.replicas = random.i32(3..6);
            }
            let index = random.usize(..operators.len());
            let plan = operators[index].look(&world);
            if tick < 450 && random.u32(..4) == 0 {
                frozen.push((world.now + random.i64(0..25), index, plan));
            } else {
                operators[index].act(&mut world, &plan);
            }
            let now = world.now;
            for (_, index, plan) in frozen.extract_if(.., |(wakes, ..)| *wakes <= now) {
                operators[index].act(&mut world, &plan);
            }
            world.tick();
            for replicas in &world.balancer.replicas {
                let known = world.observed.registered().unwrap();
                assert!(
                    replicas.iter().all(|id| known.contains_key(id)),
                    "seed {seed}"
                );
            }
        }
        assert!(world.is_settled(), "seed {seed}");
        let wanted = usize::try_from(world.cluster.brokers.replicas).unwrap();
        assert_eq!(registered_ids(&world).len(), wanted, "seed {seed}");
        assert_eq!(world.balancer.cordoned, BTreeSet::new(), "seed {seed}");
        assert_eq!(world.observed.rebalances, [], "seed {seed}");
    }
}

/// The gate that holds back the removal of a broker of `world`, and what the status says of it.
fn gate(change: impl FnOnce(&mut World)) -> Option<Gate> {
    let mut world = four();
    world.cluster.brokers.replicas = 3;
    change(&mut world);
    let history = evidence(&world.cluster, &world.observed);
    let plan = decide(&world.cluster, &world.observed, None, &history, at(0));
    let begins = plan
        .commands
        .iter()
        .filter_map(word)
        .any(|word| word.contains("removal"));
    let gate = plan.closed.first().map(|closed| closed.gate);
    assert_eq!(begins, gate.is_none(), "{:?}", plan.closed);
    let Some(Command::WriteStatus(status)) = plan.commands.last() else {
        panic!("{plan:?}")
    };
    let refused = condition(status, "ShrinkRefused");
    match gate {
        None => assert_eq!(refused.reason, "Shrinking"),
        Some(gate) => {
            assert_eq!(
                (refused.status, refused.reason.as_str()),
                (ConditionStatus::True, gate.name())
            );
            assert!(!refused.message.is_empty());
        }
    }
    gate
}

#[test]
fn each_gate_keeps_a_broker_from_being_removed() {
    assert_eq!(gate(|_| {}), None);
    assert_eq!(
        gate(|world| world.cluster.healing.enabled = false),
        Some(Gate::Pause)
    );
    assert_eq!(
        gate(|world| world.observed.quorum.as_mut().unwrap().answering = vec![1000]),
        Some(Gate::QuorumHealth)
    );
    assert_eq!(
        gate(|world| registered(&mut world.observed, 1).lagging = Some(1)),
        Some(Gate::OneDisruption)
    );
    assert_eq!(
        gate(
            |world| world.cluster.config = [("log.retention.ms".to_owned(), "1".to_owned())].into()
        ),
        Some(Gate::Rollout)
    );
    let copies = |world: &mut World, copies| {
        partitions(&mut world.observed).replicas_max = copies;
    };
    assert_eq!(
        gate(|world| copies(world, Some(4))),
        Some(Gate::Replication)
    );
    assert_eq!(gate(|world| copies(world, None)), Some(Gate::Replication));
    assert_eq!(
        gate(|world| world.observed.disks.clear()),
        Some(Gate::Capacity)
    );
    let full = Disk {
        logs_bytes: 79.0,
        used_bytes: 79.0,
        capacity_bytes: Some(100.0),
    };
    let fill = |world: &mut World| {
        world
            .observed
            .disks
            .values_mut()
            .for_each(|disk| *disk = full)
    };
    assert_eq!(gate(fill), Some(Gate::Capacity));
}

#[test]
fn new_topics_need_as_many_brokers_as_they_get_copies() {
    let mut world = World::new();
    world.cluster.brokers.replicas = 2;
    world.cluster.brokers_present = 3;
    let history = evidence(&world.cluster, &world.observed);
    let plan = decide(&world.cluster, &world.observed, None, &history, at(0));
    assert_eq!(plan.closed[0].gate, Gate::Replication);
    assert!(
        plan.closed[0].reason.contains("default.replication.factor"),
        "{:?}",
        plan.closed
    );
}

/// Who is chosen of `four()` after `change`.
fn chosen(change: impl FnOnce(&mut World)) -> Result<i32, String> {
    let mut world = four();
    world.cluster.brokers.replicas = 3;
    change(&mut world);
    let members = Members::find(&world.cluster, &world.observed);
    crate::decide::removal::choose(&world.cluster, &world.observed, &members)
}

#[test]
fn the_broker_with_the_fewest_bytes_goes_unless_zones_or_people_say_otherwise() {
    let size = |world: &mut World, id: i32, bytes: f64| {
        world.observed.disks.get_mut(&id).unwrap().logs_bytes = bytes;
    };
    assert_eq!(chosen(|_| {}), Ok(3), "all alike: the last");
    assert_eq!(chosen(|world| size(world, 1, 1.0)), Ok(1));
    assert_eq!(
        chosen(|world| world.cluster.removed_first = [0, 9].into()),
        Ok(0)
    );
    assert_eq!(
        chosen(|world| registered(&mut world.observed, 2).cordoned = true),
        Ok(2)
    );
    let zones = |world: &mut World, zones: [&str; 4]| {
        let volumes = &mut world.observed.volumes;
        for volume in volumes.iter_mut().filter(|v| v.member.role == Role::Broker) {
            let place = usize::try_from(volume.member.id).unwrap();
            volume.zone = Some(zones[place].to_owned());
        }
    };
    assert_eq!(
        chosen(|world| zones(world, ["a", "b", "a", "c"])),
        Ok(2),
        "the fullest zone"
    );
    let refused = chosen(|world| {
        zones(world, ["a", "b", "a", "c"]);
        world.cluster.removed_first = [3].into();
    });
    assert!(refused.unwrap_err().contains("fewer zones than 3"));
}

#[test]
fn a_kafka_rebalance_that_fails_is_told_of_and_tried_again() {
    let (mut world, mut operator) = (four(), Operator::default());
    world.cluster.brokers.replicas = 3;
    world.balancer.fails = true;
    run(&mut world, &mut operator, ENOUGH_TICKS);
    let written = operator.status.clone().unwrap();
    assert_eq!(
        condition(&written, "ShrinkRefused").reason,
        "RebalanceFailed"
    );
    world.balancer.fails = false;
    world.now += 301;
    let done = run(&mut world, &mut operator, ENOUGH_TICKS);
    assert_eq!(done[..2], ["delete demo-drain-3", "create demo-drain-3"]);
    assert_eq!(brokers(&world), [0, 1, 2]);
}

#[test]
fn a_broker_that_gets_replicas_after_it_was_emptied_is_emptied_again() {
    let (mut world, mut operator) = (four(), Operator::default());
    world.cluster.brokers.replicas = 3;
    while !marks(&world).contains(&(3, Removal::Drained)) {
        run(&mut world, &mut operator, 1);
    }
    world.balancer.replicas[0] = vec![0, 1, 3];
    world.tick();
    let mut done = run(&mut world, &mut operator, 1);
    done.retain(|word| !word.starts_with("apply"));
    assert_eq!(
        done[..2],
        [
            "change data-demo-broker-3-1 removal=draining",
            "announce broker-3"
        ]
    );
    run(&mut world, &mut operator, ENOUGH_TICKS);
    assert_eq!(registered_ids(&world), [0, 1, 2]);
}

#[test]
fn a_broker_that_never_registered_goes_without_being_emptied() {
    let (mut world, mut operator) = (World::new(), Operator::default());
    world.cluster.brokers.replicas = 4;
    let plan = operator.look(&world);
    operator.act(&mut world, &plan);
    world.cluster.brokers.replicas = 3;
    let done = run(&mut world, &mut operator, 1);
    assert!(
        !done.iter().any(|word| word.starts_with("delete")),
        "{done:?}"
    );
    run(&mut world, &mut operator, ENOUGH_TICKS);
    assert_eq!(brokers(&world), [0, 1, 2]);
    assert_eq!(world.observed.rebalances, []);
}
