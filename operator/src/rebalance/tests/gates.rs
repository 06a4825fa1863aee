//! What keeps moves from beginning, and that they begin once it is over.

use kintsugi_crds::RebalancePhase;
use serde_json::json;

use super::super::observe::{ClusterView, KafkaView, Rival};
use super::world::{World, key};
use super::{events, grow, names, phase, proposed, status};
use crate::fixtures::at;
use crate::kafka::Moving;

/// An approved rebalance that has begun.
fn begun() -> World {
    let mut world = proposed(grow());
    world.say(Some("approve"));
    world.look();
    world.look();
    world
}

/// One look under a closed gate; gives the gate's name.
fn held_back(world: &mut World) -> String {
    let commands = world.look();
    let begins = |name: &&str| ["reassign", "throttle", "set-rates", "elect"].contains(name);
    let acts = names(&commands);
    assert_eq!(
        acts.iter().filter(|name| begins(name)).count(),
        0,
        "{acts:?}"
    );
    assert_eq!(events(&commands), ["GateClosed"]);
    let again = world.look();
    assert_eq!(events(&again), Vec::<&str>::new(), "it is told once");
    status(world).gate.unwrap()
}

fn opens(world: &mut World) {
    world.settle();
    assert_eq!(phase(world), RebalancePhase::Completed);
    assert_eq!(status(world).gate, None);
    world.assert_clean();
}

#[test]
fn nothing_begins_while_a_replica_is_out_of_sync() {
    let mut world = begun();
    let partition = key(4);
    let whole = world.snapshot().cluster.partitions[&partition].clone();
    let of = world
        .snapshot()
        .cluster
        .partitions
        .get_mut(&partition)
        .unwrap();
    of.in_sync.pop();
    assert_eq!(held_back(&mut world), "Healing");
    world.snapshot().cluster.partitions.insert(partition, whole);
    opens(&mut world);
}

#[test]
fn a_broker_that_is_down_does_not_make_another_plan() {
    let mut world = begun();
    let planned = world.held.clone().unwrap().proposal;
    let rack = world.snapshot().cluster.brokers.remove(&1).unwrap();
    assert_eq!(held_back(&mut world), "Healing");
    world.snapshot().cluster.brokers.insert(1, rack);
    world.look();
    assert_eq!(world.held.clone().unwrap().proposal, planned);
    opens(&mut world);
}

#[test]
fn a_dead_broker_that_is_to_be_emptied_holds_nothing_back() {
    let spec = json!({"scope": "RemoveBrokers", "brokers": [2], "approval": "Automatic"});
    let mut world = World::new(4, spec);
    world.snapshot().cluster.brokers.remove(&2);
    for partition in world.snapshot().cluster.partitions.values_mut() {
        partition.in_sync.retain(|id| *id != 2);
        partition.leader = partition.in_sync.first().copied();
    }
    world.settle();
    assert_eq!(phase(&world), RebalancePhase::Completed);
    assert_eq!(world.replicas_on(2), 0);
    world.assert_clean();
}

#[test]
fn the_quorum_and_rolling_restarts_hold_moves_back() {
    let mut world = begun();
    world.observed.quorum_trouble = Some("no controller answers".to_owned());
    assert_eq!(held_back(&mut world), "QuorumHealth");
    world.observed.quorum_trouble = None;
    world.observed.cluster = ClusterView::Present {
        paused: false,
        rollout: Some("broker 1 is stopping".to_owned()),
    };
    assert_eq!(held_back(&mut world), "Rollout");
    world.observed.cluster = ClusterView::Present {
        paused: false,
        rollout: None,
    };
    opens(&mut world);
}

#[test]
fn another_tools_moves_are_waited_for_and_left_alone() {
    let mut world = begun();
    let moving = Moving {
        replicas: vec![0, 1, 2],
        adding: vec![0],
        removing: vec![2],
    };
    world.snapshot().moving.insert(key(1), moving.clone());
    assert_eq!(held_back(&mut world), "OtherMoves");
    assert_eq!(world.snapshot().moving[&key(1)], moving);
    world.complete(1);
    opens(&mut world);
}

fn rival(age_seconds: i64, has_begun: bool) -> Rival {
    Rival {
        name: "other".to_owned(),
        uid: "uid-a".to_owned(),
        created: Some(at(-age_seconds)),
        has_begun,
        wants_to_begin: true,
    }
}

#[test]
fn of_two_that_want_to_begin_the_older_does_and_one_that_has_begun_goes_on() {
    let mut world = proposed(grow());
    world.say(Some("approve"));
    world.look();
    world.observed.rivals = vec![rival(200, false)];
    assert_eq!(held_back(&mut world), "OtherRebalance");
    world.observed.rivals = vec![rival(50, false)];
    let begins = world.look();
    assert!(events(&begins).contains(&"RebalanceBegun"));
    world.observed.rivals = vec![rival(200, false)];
    let moves = world.look();
    assert!(names(&moves).contains(&"reassign"), "{moves:?}");
    // Both at once: the younger lets the older go first.
    world.observed.rivals = vec![rival(200, true)];
    assert_eq!(held_back(&mut world), "OtherRebalance");
}

#[test]
fn a_younger_one_that_has_begun_is_let_finish() {
    let mut world = proposed(grow());
    world.say(Some("approve"));
    world.look();
    world.observed.rivals = vec![rival(50, true)];
    assert_eq!(held_back(&mut world), "OtherRebalance");
    world.observed.rivals = Vec::new();
    opens(&mut world);
}

#[test]
fn no_plan_is_made_before_loads_are_known_and_brokers_are_there() {
    let mut world = grow();
    world.look();
    let load = world.observed.load.take();
    assert_eq!(held_back(&mut world), "LoadUnknown");
    assert_eq!(phase(&world), RebalancePhase::Pending);
    world.observed.load = load;
    let rack = world.snapshot().cluster.brokers.remove(&3).unwrap();
    assert_eq!(held_back(&mut world), "BrokersMissing");
    world.snapshot().cluster.brokers.insert(3, rack);
    world.look();
    assert_eq!(phase(&world), RebalancePhase::ProposalReady);
}

#[test]
fn a_paused_or_silent_or_missing_cluster_is_told_and_left_alone() {
    let mut world = begun();
    world.observed.cluster = ClusterView::Present {
        paused: true,
        rollout: None,
    };
    assert_eq!(held_back(&mut world), "ClusterPaused");
    world.observed.cluster = ClusterView::Present {
        paused: false,
        rollout: None,
    };
    let answered = world.observed.kafka.clone();
    world.observed.kafka = KafkaView::Silent("refused".to_owned());
    assert_eq!(held_back(&mut world), "ClusterUnreachable");
    world.observed.kafka = answered;
    world.observed.cluster = ClusterView::Gone;
    assert_eq!(held_back(&mut world), "ClusterMissing");
    let now = world.now();
    world.resource.metadata.deletion_timestamp =
        Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(now));
    assert_eq!(
        names(&world.look()),
        ["mark"],
        "with the cluster its moves are gone"
    );
}
