//! Rolling restarts in a model of the world, tick by tick.

use super::model::{BAD_IMAGE, Operator, World};
use super::*;
use crate::observe::{ObservedPod, PodTrouble, TroubleKind};

/// Ticks in which six pods are restarted, with some to spare.
pub const ROLL_TICKS: usize = 180;
/// Random courses that are tried.
const SEEDS: u64 = 12;

fn set(world: &mut World, key: &str, value: &str) {
    world
        .cluster
        .config
        .insert(key.to_owned(), value.to_owned());
    world.cluster.generation += 1;
}

fn uids(world: &World) -> Vec<String> {
    let mut uids: Vec<String> = world
        .observed
        .pods
        .iter()
        .map(|pod| pod.uid.clone())
        .collect();
    uids.sort();
    uids
}

pub fn holds(operator: &Operator, type_: &str) -> Option<String> {
    let condition = condition(operator.status.as_ref().unwrap(), type_);
    (condition.status == ConditionStatus::True).then(|| condition.reason.clone())
}

#[test]
fn a_change_restarts_controllers_first_the_active_one_last_then_brokers() {
    let (mut world, mut operator) = (World::new(), Operator::default());
    set(&mut world, "log.retention.ms", "1");
    world.run(&mut operator, ROLL_TICKS);
    assert_eq!(
        world.stopped,
        [
            "demo-controller-1001-1",
            "demo-controller-1002-1",
            "demo-controller-1000-1",
            "demo-broker-0-1",
            "demo-broker-1-1",
            "demo-broker-2-1",
        ]
    );
    assert!(world.is_settled());
    assert_eq!(holds(&operator, "RestartPending"), None);
    let maps = world
        .observed
        .objects
        .iter()
        .filter(|object| object["kind"] == "ConfigMap");
    assert_eq!(
        maps.count(),
        2,
        "the former settings are gone with their last reader"
    );
}

#[test]
fn resources_of_one_role_restart_that_role_only() {
    let (mut world, mut operator) = (World::new(), Operator::default());
    world.cluster.brokers.amounts.memory_limit = "1Gi".to_owned();
    world.run(&mut operator, ROLL_TICKS);
    assert_eq!(
        world.stopped,
        ["demo-broker-0-1", "demo-broker-1-1", "demo-broker-2-1"]
    );
    assert!(world.is_settled());
}

#[test]
fn a_pod_is_marked_in_one_look_and_deleted_in_a_later_one_after_a_rehearsal() {
    let (mut world, mut operator) = (World::new(), Operator::default());
    set(&mut world, "log.retention.ms", "1");
    let mut words = Vec::new();
    for _ in 0..6 {
        let plan = operator.look(&world);
        words.push(plan.commands.iter().filter_map(word).collect::<Vec<_>>());
        operator.act(&mut world, &plan);
        world.tick();
    }
    assert_eq!(
        words[0][..2],
        [
            "apply ConfigMap demo-controller",
            "apply ConfigMap demo-broker"
        ]
    );
    assert_eq!(words[2], ["mark demo-controller-1001-1"]);
    assert_eq!(
        words[3],
        [
            "rehearse demo-controller-1001-1",
            "delete demo-controller-1001-1"
        ]
    );
}

#[test]
fn an_image_that_cannot_be_pulled_stops_the_rollout_after_its_first_pod_and_reverting_heals() {
    let (mut world, mut operator) = (World::new(), Operator::default());
    let before = uids(&world);
    let good = std::mem::replace(&mut world.cluster.image, BAD_IMAGE.to_owned());
    world.run(&mut operator, ROLL_TICKS);
    assert_eq!(world.stopped, ["demo-controller-1001-1"]);
    let kept = before.iter().filter(|uid| uids(&world).contains(uid));
    assert_eq!(kept.count(), 5);
    for type_ in ["ImagePullBackOff", "RolloutStopped"] {
        assert_eq!(holds(&operator, type_).as_deref(), Some("ImagePullBackOff"));
    }
    world.cluster.image = good;
    world.run(&mut operator, ROLL_TICKS);
    assert_eq!(world.stopped, ["demo-controller-1001-1"]);
    assert!(world.is_settled());
    assert_eq!(holds(&operator, "RolloutStopped"), None);
}

#[test]
fn a_pod_that_dies_while_a_rollout_is_stopped_comes_back_as_it_last_worked() {
    let (mut world, mut operator) = (World::new(), Operator::default());
    set(&mut world, "log.retention.ms", "1");
    world.run(&mut operator, ROLL_TICKS);
    let before: Vec<String> = templates(&world);
    world.cluster.image = BAD_IMAGE.to_owned();
    set(&mut world, "log.retention.ms", "2");
    world.run(&mut operator, ROLL_TICKS);
    assert_eq!(world.stopped.len(), 7);
    let first = world.stopped[6].clone();
    // A node is gone with its pod.
    world.observed.pods.retain(|pod| pod.member != BROKER_1);
    for _ in 0..ROLL_TICKS {
        let plan = operator.look(&world);
        operator.act(&mut world, &plan);
        world.tick();
    }
    assert_eq!(world.down(), [first]);
    let kept = before
        .iter()
        .filter(|hash| templates(&world).contains(hash))
        .count();
    assert_eq!(kept, 5, "all but the first pod run as they last worked");
}

fn templates(world: &World) -> Vec<String> {
    let pods = world.observed.pods.iter();
    pods.map(|pod| format!("{} {}", pod.name, pod.template_hash))
        .collect()
}

#[test]
fn a_corrected_template_replaces_the_broken_pod_and_goes_on() {
    let (mut world, mut operator) = (World::new(), Operator::default());
    world.cluster.image = BAD_IMAGE.to_owned();
    world.run(&mut operator, ROLL_TICKS);
    world.cluster.image = "kintsugi/broker:next".to_owned();
    world.run(&mut operator, ROLL_TICKS);
    assert_eq!(world.stopped.len(), 6);
    assert!(world.is_settled());
}

#[test]
fn each_kind_of_trouble_stops_a_rollout_and_is_a_condition_of_its_own() {
    for kind in TroubleKind::ALL {
        let (mut world, mut operator) = (World::new(), Operator::default());
        set(&mut world, "log.retention.ms", "1");
        while world.stopped.is_empty() || !world.down().is_empty() {
            world.run(&mut operator, 1);
        }
        let hash = &restarted_first(&world).template_hash.clone();
        let pod = world
            .observed
            .pods
            .iter_mut()
            .find(|pod| &pod.template_hash == hash)
            .unwrap();
        pod.trouble = Some(PodTrouble {
            kind,
            reason: kind.condition().to_owned(),
            detail: "detail".to_owned(),
            ended: Some(at(world.now)),
        });
        // What was killed for want of memory speaks against its template even once it is back.
        pod.ready = kind == TroubleKind::OomKilled;
        for _ in 0..20 {
            let plan = operator.look(&world);
            operator.act(&mut world, &plan);
            world.now += 1;
        }
        assert_eq!(world.stopped.len(), 1, "{kind:?}");
        assert!(holds(&operator, kind.condition()).is_some(), "{kind:?}");
        assert_eq!(
            holds(&operator, "RolloutStopped").as_deref(),
            Some(kind.condition())
        );
    }
}

#[test]
fn a_pod_that_is_long_not_ready_stops_a_rollout_without_saying_why() {
    let (mut world, mut operator) = (World::new(), Operator::default());
    set(&mut world, "log.retention.ms", "1");
    while world.stopped.is_empty() || !world.down().is_empty() {
        world.run(&mut operator, 1);
    }
    let name = restarted_first(&world).name.clone();
    let pod = world
        .observed
        .pods
        .iter_mut()
        .find(|pod| pod.name == name)
        .unwrap();
    (pod.ready, pod.created) = (false, Some(at(world.now)));
    for (seconds, expected) in [(100, None), (130, Some("NotReady"))] {
        world.now += seconds;
        let plan = operator.look(&world);
        operator.act(&mut world, &plan);
        assert_eq!(holds(&operator, "RolloutStopped").as_deref(), expected);
    }
}

/// The pod that was restarted first.
pub fn restarted_first(world: &World) -> &ObservedPod {
    let first = &world.stopped[0];
    world
        .observed
        .pods
        .iter()
        .find(|pod| &pod.name == first)
        .unwrap()
}

#[test]
fn a_refused_replacement_deletes_nothing_and_says_why() {
    let (mut world, mut operator) = (World::new(), Operator::default());
    world.refuses = true;
    set(&mut world, "log.retention.ms", "1");
    world.run(&mut operator, 20);
    assert_eq!(world.stopped, [""; 0]);
    assert_eq!(
        holds(&operator, "RolloutStopped").as_deref(),
        Some("ReplacementRefused")
    );
    world.refuses = false;
    world.run(&mut operator, ROLL_TICKS);
    assert!(world.is_settled(), "it is tried again after a while");
}

#[test]
fn the_pause_annotation_holds_a_rollout_where_it_is() {
    let (mut world, mut operator) = (World::new(), Operator::default());
    set(&mut world, "log.retention.ms", "1");
    while world.stopped.len() < 2 {
        world.run(&mut operator, 1);
    }
    world.cluster.rollout_paused = true;
    world.run(&mut operator, 50);
    assert_eq!((world.stopped.len(), world.down().len()), (2, 0));
    assert_eq!(
        holds(&operator, "RolloutStopped").as_deref(),
        Some("Paused")
    );
    world.cluster.rollout_paused = false;
    world.run(&mut operator, ROLL_TICKS);
    assert!(world.is_settled());
}

/// The gate that holds back the restart of broker 0, all of whose controllers are up to date.
fn gate(change: impl FnOnce(&mut Cluster, &mut Observed)) -> Option<Gate> {
    let mut observed = whole();
    let mut wanted = cluster();
    wanted.brokers.amounts.memory_limit = "1Gi".to_owned();
    change(&mut wanted, &mut observed);
    let history = evidence(&wanted, &observed);
    let plan = decide(&wanted, &observed, None, &history, at(0));
    plan.closed.first().map(|closed| closed.gate)
}

/// What goes wrong with a cluster.
type Change = fn(&mut Observed);

#[test]
fn each_gate_holds_back_a_restart() {
    assert_eq!(gate(|_, _| {}), None);
    assert_eq!(
        gate(|wanted, _| wanted.rollout_paused = true),
        Some(Gate::Pause)
    );
    assert_eq!(
        gate(|wanted, _| wanted.healing.enabled = false),
        Some(Gate::Pause)
    );
    let cases: [(Gate, Change); 8] = [
        (Gate::QuorumHealth, |o| o.quorum = None),
        (Gate::QuorumHealth, |o| {
            o.quorum.as_mut().unwrap().behind = vec![1000, 1002]
        }),
        (Gate::OneDisruption, |o| o.pods[0].ready = false),
        (Gate::OneDisruption, |o| registered(o, 2).fenced = true),
        (Gate::OneDisruption, |o| registered(o, 2).stopping = true),
        (Gate::OneDisruption, |o| registered(o, 2).lagging = Some(1)),
        (Gate::OneDisruption, |o| partitions(o).leaderless = 1),
        (Gate::MinIsr, |o| registered(o, 0).needed = Some(1)),
    ];
    for (index, (expected, change)) in cases.into_iter().enumerate() {
        assert_eq!(
            gate(|_, observed| change(observed)),
            Some(expected),
            "case {index}"
        );
    }
}

#[test]
fn copies_that_no_waiting_makes_expendable_need_consent() {
    let alone = |observed: &mut Observed| registered(observed, 0).needed_always = Some(3);
    assert_eq!(gate(|_, observed| alone(observed)), Some(Gate::MinIsr));
    let allowed = gate(|wanted, observed| {
        alone(observed);
        wanted.unavailability_allowed = true;
    });
    assert_eq!(allowed, None);
}

#[test]
fn where_the_controller_does_not_count_by_broker_the_sums_must_be_zero() {
    let older = |observed: &mut Observed, under_replicated, at_min_isr| {
        for id in 0..3 {
            let broker = registered(observed, id);
            (broker.lagging, broker.needed, broker.needed_always) = (None, None, None);
        }
        partitions(observed).under_replicated = under_replicated;
        partitions(observed).at_min_isr = at_min_isr;
    };
    assert_eq!(gate(|_, o| older(o, 0, Some(0))), None);
    assert_eq!(gate(|_, o| older(o, 1, Some(0))), Some(Gate::OneDisruption));
    assert_eq!(gate(|_, o| older(o, 0, Some(1))), Some(Gate::MinIsr));
    assert_eq!(gate(|_, o| older(o, 0, None)), Some(Gate::MinIsr));
}

#[test]
fn a_status_wiped_at_every_step_of_grow_and_roll_leads_to_the_same_end() {
    let end = |seed: Option<u64>| {
        let (mut world, mut operator) = (World::new(), Operator::default());
        let mut random = fastrand::Rng::with_seed(seed.unwrap_or(0));
        set(&mut world, "log.retention.ms", "1");
        world.cluster.brokers.replicas = 5;
        for _ in 0..2 * ROLL_TICKS {
            world.run(&mut operator, 1);
            if seed.is_some() {
                operator.status = None;
                // A restarted operator has lost its memory too.
                if random.u32(..12) == 0 {
                    operator = Operator::default();
                }
            }
        }
        assert!(world.is_settled(), "seed {seed:?}");
        let mut pods: Vec<(String, String)> = world
            .observed
            .pods
            .iter()
            .map(|pod| (pod.name.clone(), pod.template_hash.clone()))
            .collect();
        pods.sort();
        (pods, world.stopped)
    };
    let expected = end(None);
    for seed in 0..5 {
        assert_eq!(end(Some(seed)), expected, "seed {seed}");
    }
}

#[test]
fn operators_frozen_between_decide_and_act_never_stop_two_nodes_at_once() {
    for seed in 0..SEEDS {
        let mut random = fastrand::Rng::with_seed(seed);
        let (mut world, mut operators) = (World::new(), [(); 3].map(|()| Operator::default()));
        // Plans that were decided and not carried out yet, with the tick at which they will be.
        let mut frozen: Vec<(i64, usize, Plan)> = Vec::new();
        for tick in 0..400 {
            if tick < 250 && random.u32(..40) == 0 {
                set(
                    &mut world,
                    "log.retention.ms",
                    ["1", "2"][random.usize(..2)],
                );
            }
            let index = random.usize(..operators.len());
            let plan = operators[index].look(&world);
            if tick < 300 && random.u32(..3) == 0 {
                let wakes = world.now + random.i64(0..25);
                frozen.push((wakes, index, plan));
            } else {
                operators[index].act(&mut world, &plan);
            }
            let (due, rest) = frozen
                .into_iter()
                .partition(|(wakes, ..)| *wakes <= world.now);
            frozen = rest;
            let due: Vec<(i64, usize, Plan)> = due;
            for (_, index, plan) in due {
                operators[index].act(&mut world, &plan);
            }
            // Within a tick too: nobody may be stopped while somebody else is.
            assert!(
                world.down().len() <= 1,
                "seed {seed} tick {tick}: {:?}",
                world.down()
            );
            world.tick();
            world.assert_safe();
        }
        assert!(world.is_settled(), "seed {seed}: {:?}", world.down());
    }
}
