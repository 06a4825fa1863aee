//! Clusters whose number of brokers the operator chooses.

use kintsugi_forecast::{Brokers, Loads, Resource, Sample};

use super::model::{Operator, World};
use super::*;

/// Ticks (seconds) in which a change of size is surely over.
const CHANGE_TICKS: usize = 120;
/// Ticks after which a load that has fallen was surely seen for a whole window.
const WINDOW_TICKS: usize = 480;

/// A load that fills so many brokers by nine tenths, as far as nothing was learned yet.
fn load_of(brokers: f64, world: &World) -> Sample {
    let ready = world.observed.pods.iter();
    let ready = ready.filter(|pod| pod.member.role == Role::Broker && pod.ready);
    let reporting = u32::try_from(ready.count()).unwrap();
    Sample {
        loads: Loads::default().with(Resource::Cpu, 0.9 * 60e6 * brokers),
        brokers: Brokers {
            reporting,
            missing: 0,
            unready: 0,
        },
        cpu_utilization: Some(0.9 * brokers / f64::from(reporting.max(1))),
    }
}

/// Three brokers that share four partitions, and may become six.
fn scaled() -> World {
    let mut world = World::new();
    world.cluster.autoscaling =
        Some(serde_json::from_value(serde_json::json!({"maxReplicas": 6})).unwrap());
    world.balancer.replicas = vec![vec![0, 1, 2]; 4];
    world
}

/// Looks and acts for `ticks` under a load of so many brokers; gives all that was done, in order.
fn run(world: &mut World, operator: &mut Operator, brokers: f64, ticks: usize) -> Vec<String> {
    let mut done = Vec::new();
    for _ in 0..ticks {
        world.measured = Some(load_of(brokers, world));
        let plan = operator.look(world);
        done.extend(plan.commands.iter().filter_map(word));
        operator.act(world, &plan);
        world.tick();
        world.assert_safe();
    }
    done
}

fn brokers(world: &World) -> usize {
    world.observed.registered().unwrap().len()
}

#[test]
fn a_cluster_grows_with_its_load_fills_the_new_broker_and_gives_it_back() {
    let (mut world, mut operator) = (scaled(), Operator::default());
    let grown = run(&mut world, &mut operator, 3.0, CHANGE_TICKS);
    assert_eq!(
        grown,
        [
            "announce brokers",
            "apply PodDisruptionBudget demo-broker",
            "create data-demo-broker-3-1",
            "create demo-broker-3-1",
            "change data-demo-broker-3-1 quorum-formed",
            "apply PodDisruptionBudget demo-broker",
            "create demo-fill-3",
        ]
    );
    let held = world.observed.broker(3).unwrap().replicas;
    assert_eq!(held, Some(3), "its share of twelve");
    let written = operator.status.clone().unwrap().autoscaling.unwrap();
    assert_eq!(written.desired_replicas, 4);
    let shrunk = run(&mut world, &mut operator, 1.0, WINDOW_TICKS);
    assert_eq!(
        shrunk,
        [
            "announce brokers",
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
            "delete demo-fill-3",
            "delete demo-drain-3",
        ]
    );
    assert_eq!(brokers(&world), 3);
}

#[test]
fn a_status_wiped_at_every_step_of_growing_and_shrinking_leads_to_the_same_end() {
    let end = |wipes: bool| {
        let (mut world, mut operator) = (scaled(), Operator::default());
        let mut sizes = Vec::new();
        for (brokers_of_load, ticks) in [(3.0, CHANGE_TICKS), (1.0, WINDOW_TICKS)] {
            for _ in 0..ticks {
                run(&mut world, &mut operator, brokers_of_load, 1);
                if wipes {
                    operator.status = None;
                }
            }
            sizes.push(brokers(&world));
        }
        sizes
    };
    assert_eq!(end(false), [4, 3]);
    assert_eq!(end(true), [4, 3]);
}

#[test]
fn with_status_and_memory_lost_nothing_shrinks_before_a_window_and_it_may_grow() {
    let (mut world, mut operator) = (scaled(), Operator::default());
    run(&mut world, &mut operator, 3.0, CHANGE_TICKS);
    // Lost again before each window ends, under a load that asks for less.
    for _ in 0..5 {
        (operator, world.measured) = (Operator::default(), None);
        run(&mut world, &mut operator, 1.0, 290);
        assert_eq!(brokers(&world), 4);
    }
    (operator, world.measured) = (Operator::default(), None);
    run(&mut world, &mut operator, 5.0, CHANGE_TICKS);
    assert_eq!(brokers(&world), 6, "the most that is allowed");
}

#[test]
fn a_removal_that_was_begun_goes_on_when_status_and_memory_are_lost() {
    let (mut world, mut operator) = (scaled(), Operator::default());
    run(&mut world, &mut operator, 3.0, CHANGE_TICKS);
    while world.observed.removal(3).is_none() {
        run(&mut world, &mut operator, 1.0, 1);
    }
    operator = Operator::default();
    run(&mut world, &mut operator, 1.0, CHANGE_TICKS);
    assert_eq!(brokers(&world), 3);
}
