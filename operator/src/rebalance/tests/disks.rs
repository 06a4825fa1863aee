//! Disks that are too full are relieved, or it is said in numbers why not.

use kintsugi_crds::RebalancePhase;
use serde_json::{Value, json};

use super::super::validate::{ValidateError, validate};
use super::world::World;
use super::{events, phase, progress, status};

/// Brokers with volumes of 10,000 bytes, of which logs use 8,000 on the first three; broker 3, if there
/// is one, is empty.
fn full(brokers: i32, spec: Value) -> World {
    let mut whole = json!({"scope": "MoveOutOfDisk", "approval": "Automatic"});
    for (key, value) in spec.as_object().unwrap() {
        whole[key] = value.clone();
    }
    let mut world = World::new(brokers, whole);
    let load = world.observed.load.as_mut().unwrap();
    load.disk_bytes = (0..brokers).map(|id| (id, 10_000.0)).collect();
    world
}

fn replicas(world: &mut World, brokers: i32) -> Vec<usize> {
    (0..brokers).map(|id| world.replicas_on(id)).collect()
}

#[test]
fn every_disk_above_the_bound_is_relieved_of_what_it_has_too_much() {
    let mut world = full(4, json!({"maxDiskPercent": 75}));
    world.settle();
    assert_eq!(phase(&world), RebalancePhase::Completed);
    assert_eq!(replicas(&mut world, 4), [7, 7, 7, 3]);
    let told = progress(&world);
    assert_eq!((told.moves_total, told.bytes_moved), (3, 3_000));
    let goals = status(&world).goals;
    let disk = goals.iter().find(|goal| goal.goal == "DiskCapacity");
    let disk = disk.unwrap();
    assert_eq!((disk.violations_before, disk.violations_after), (3, 0));
    world.assert_clean();
}

#[test]
fn only_the_disks_that_are_named_are_relieved_and_what_is_no_log_counts_too() {
    let mut world = full(4, json!({"brokers": [0]}));
    world.settle();
    assert_eq!(replicas(&mut world, 4), [8, 8, 8, 0], "80 % is allowed");
    let mut world = full(4, json!({"brokers": [0]}));
    let load = world.observed.load.as_mut().unwrap();
    load.other_bytes = (0..4).map(|id| (id, 1_200.0)).collect();
    world.settle();
    assert_eq!(phase(&world), RebalancePhase::Completed);
    assert_eq!(replicas(&mut world, 4), [6, 8, 8, 2]);
    world.assert_clean();
}

#[test]
fn a_disk_that_others_have_no_room_for_is_refused_in_numbers() {
    let mut world = full(3, json!({"brokers": [1], "maxDiskPercent": 70}));
    world.look();
    let said = world.look();
    assert_eq!(events(&said), ["RebalanceFailed"]);
    let message = status(&world).message.unwrap();
    assert_eq!(
        message,
        "broker 1 has 1001 bytes more on its disk than it may, and 1001 of these find no place: \
         other disks have room for 0 bytes, where racks, replicas of the same partition and other \
         hard goals allow it; add brokers, or make disks larger"
    );
    world.assert_clean();
}

#[test]
fn brokers_that_are_not_there_are_waited_for() {
    let mut world = full(3, json!({"brokers": [5]}));
    world.look();
    world.look();
    assert_eq!(phase(&world), RebalancePhase::Pending);
    assert_eq!(status(&world).gate.as_deref(), Some("BrokersMissing"));
}

#[test]
fn a_share_that_is_none_is_refused() {
    let world = full(3, json!({"maxDiskPercent": 0}));
    assert_eq!(
        validate(&world.resource),
        Err(ValidateError::MaxDiskPercent(0))
    );
}
