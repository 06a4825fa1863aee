//! An operator that comes in the middle tells, and goes by, what those before it began.

use std::collections::BTreeMap;

use kintsugi_crds::{RebalanceGoalStatus, RebalancePhase};

use super::super::held::{Change, Proposal};
use super::super::observe::Snapshot;
use super::super::plan::{Command, Intent, Marks, Underway, Work};
use super::super::standing::{Standing, standings, tally};
use super::world::{World, key};
use super::{begins_low, grow, intents, labelled, marked, phase, progress, proposed, status};
use crate::kafka::Moving;

/// One of its moves is over and the others are in flight when another operator comes, which is not yet
/// looked by.
fn halfway() -> (World, Vec<Intent>) {
    let mut world = proposed(grow());
    world.say(Some("approve"));
    let mut intents = intents(&world);
    intents.sort_by_key(|intent| intent.partition);
    for _ in 0..3 {
        world.look();
    }
    assert_eq!(world.snapshot().moving.len(), intents.len());
    world.complete(1);
    world.held = None;
    (world, intents)
}

#[test]
fn a_new_operator_counts_what_is_in_flight_and_what_was_moved_before_it() {
    let (mut world, intents) = halfway();
    let former = progress(&world);
    let (over, in_flight) = intents.split_at(1);
    let moves = world.rebalance().marks.underway.unwrap().moves;
    let noted = Marks {
        is_held: true,
        underway: Some(Underway {
            throttled: (0..4).collect(),
            produce_p99_ms: Some(BTreeMap::new()),
            moves: moves.into_iter().filter(|own| own != &over[0]).collect(),
            done: Work {
                moves: 1,
                bytes: 1_000,
            },
        }),
        ..labelled()
    };
    let commands = world.look();
    let expected = [
        Command::Unthrottle(over.to_vec()),
        marked(noted),
        begins_low(),
        Command::WriteStatus(Box::new(status(&world))),
    ];
    assert_eq!(commands, expected);
    assert_eq!(phase(&world), RebalancePhase::Rebalancing);
    let (told, left) = (progress(&world), i64::try_from(in_flight.len()).unwrap());
    assert_eq!(
        (told.moves_total, told.bytes_total),
        (left + 1, (left + 1) * 1_000)
    );
    assert_eq!((told.moves_left, told.moves_in_flight), (left, left));
    assert_eq!((told.bytes_moved, told.bytes_left), (1_000, left * 1_000));
    assert_eq!(told.lower_bound_bytes, former.lower_bound_bytes);
    let mut listed: Vec<i32> = status(&world).moves.iter().map(|it| it.partition).collect();
    listed.sort_unstable();
    let expected: Vec<i32> = in_flight.iter().map(|intent| intent.partition).collect();
    assert_eq!(listed, expected);
    assert!(status(&world).moves.iter().all(|told| told.in_flight));

    world.settle();
    let told = progress(&world);
    assert_eq!(phase(&world), RebalancePhase::Completed);
    assert_eq!((told.moves_left, told.bytes_moved), (0, world.copied));
    world.assert_clean();
}

#[test]
fn what_was_moved_before_counts_though_the_status_was_wiped() {
    let (mut kept, _) = halfway();
    let (mut wiped, _) = halfway();
    wiped.resource.status = None;
    kept.look();
    wiped.look();
    let (kept, mut wiped) = (progress(&kept), progress(&wiped));
    // Of the first plan's bound nothing is known any more.
    wiped.lower_bound_bytes = kept.lower_bound_bytes;
    assert_eq!(wiped, kept);
}

#[test]
fn what_a_plan_brings_is_told_beside_how_it_was_before_the_first_move() {
    let (mut world, _) = halfway();
    let before = status(&world).goals;
    world.look();
    assert_eq!(status(&world).goals, before);
}

#[test]
fn while_there_is_no_plan_yet_it_is_told_what_is_in_flight() {
    let (mut world, intents) = halfway();
    world.observed.load = None;
    world.look();
    let said = status(&world);
    assert_eq!(said.gate.as_deref(), Some("LoadUnknown"));
    assert_eq!(phase(&world), RebalancePhase::Rebalancing);
    let live = intents.len() - 1;
    assert_eq!(
        progress(&world).moves_in_flight,
        i64::try_from(live).unwrap()
    );
    let listed = said.moves.iter().filter(|told| told.in_flight).count();
    assert_eq!(listed, live);

    world.resource.status = None;
    world.look();
    assert_eq!(phase(&world), RebalancePhase::Rebalancing);
    assert_eq!(
        status(&world).progress,
        None,
        "how much is left is not known"
    );
}

#[test]
fn a_new_operator_begins_no_more_than_there_is_room_for_beside_what_is_in_flight() {
    let mut world = grow();
    let load = world.observed.load.as_mut().unwrap();
    for loads in load.partitions.values_mut() {
        // Two of them are more than a broker may copy at once.
        loads.leader.disk_bytes = 1.5e9;
        loads.follower.disk_bytes = 1.5e9;
    }
    let mut world = proposed(world);
    assert!(progress(&world).moves_total > 1);
    world.say(Some("approve"));
    for _ in 0..3 {
        world.look();
    }
    let begun = world.snapshot().moving.clone();
    assert_eq!(begun.len(), 1, "broker 3 receives all of them");
    let first = status(&world);
    world.held = None;
    for _ in 0..3 {
        world.look();
    }
    assert_eq!(world.snapshot().moving, begun);
    let before = |goals: &[RebalanceGoalStatus]| -> Vec<i64> {
        goals.iter().map(|goal| goal.violations_before).collect()
    };
    let now = status(&world);
    assert_eq!(
        before(&now.goals),
        before(&first.goals),
        "how it was before the first move"
    );
    assert_eq!(
        now.progress.unwrap().bytes_total,
        first.progress.unwrap().bytes_total
    );
}

/// Partition 0 with these replicas, and its move's replicas, those that come and those that go.
fn seen(replicas: &[i32], moving: Option<(&[i32], &[i32], &[i32])>) -> Snapshot {
    let mut world = grow();
    let snapshot = world.snapshot();
    let partition = snapshot.cluster.partitions.get_mut(&key(0)).unwrap();
    partition.replicas = replicas.to_vec();
    partition.leader = replicas.first().copied();
    let moving = moving.map(|(replicas, adding, removing)| Moving {
        replicas: replicas.to_vec(),
        adding: adding.to_vec(),
        removing: removing.to_vec(),
    });
    snapshot.moving = moving.map(|moving| (key(0), moving)).into_iter().collect();
    snapshot.clone()
}

fn change(from: &[i32], to: &[i32]) -> Change {
    Change {
        key: key(0),
        from: from.to_vec(),
        to: to.to_vec(),
        leader: to.first().copied(),
        bytes: 1_000,
    }
}

/// A move in flight to 2 and 1, and what a later plan makes of it from there.
fn going_on_to(replicas: &[i32]) -> Proposal {
    Proposal {
        changes: vec![change(&[0, 1], &[2, 1]), change(&[2, 1], replicas)],
        carried: 1,
        ..Proposal::default()
    }
}

/// How far each of a plan's moves has come, and how many are done, left and in flight.
fn counted(proposal: &Proposal, snapshot: &Snapshot) -> (Vec<Standing>, u64, u64, u64) {
    let standings = standings(proposal, snapshot, None);
    let tally = tally(&standings);
    let each = standings.iter().map(|(_, standing)| *standing).collect();
    (each, tally.done.moves, tally.left.moves, tally.in_flight)
}

#[test]
fn a_partition_that_moves_on_counts_once_for_each_of_its_moves() {
    use Standing::{After, Done, InFlight, ToElect, ToMove, Void};
    let proposal = going_on_to(&[3, 1]);
    let both = |snapshot: &Snapshot| counted(&proposal, snapshot);
    let first = seen(&[2, 1, 0], Some((&[2, 1, 0], &[2], &[0])));
    assert_eq!(both(&first), (vec![InFlight, After], 0, 2, 1));
    let between = seen(&[2, 1], None);
    assert_eq!(both(&between), (vec![Done, ToMove], 1, 1, 0));
    let second = seen(&[3, 1, 2], Some((&[3, 1, 2], &[3], &[2])));
    assert_eq!(both(&second), (vec![Done, InFlight], 1, 1, 1));
    let mut last = seen(&[3, 1], None);
    assert_eq!(both(&last), (vec![Done, Done], 2, 0, 0));
    last.cluster.partitions.get_mut(&key(0)).unwrap().leader = Some(1);
    assert_eq!(both(&last), (vec![Done, ToElect], 1, 1, 0));
    let elsewhere = seen(&[1, 4], None);
    assert_eq!(both(&elsewhere), (vec![Void, Void], 0, 0, 0));
}

/// Loads change, so that a later plan may take a partition back to where a move that is in flight takes
/// it from. That move must not begin again once it is back.
#[test]
fn a_partition_that_moves_back_comes_to_rest() {
    use Standing::{After, Done, InFlight, ToMove};
    let proposal = going_on_to(&[0, 1]);
    let both = |snapshot: &Snapshot| counted(&proposal, snapshot);
    let there = seen(&[2, 1, 0], Some((&[2, 1, 0], &[2], &[0])));
    assert_eq!(both(&there), (vec![InFlight, After], 0, 2, 1));
    let between = seen(&[2, 1], None);
    assert_eq!(both(&between), (vec![Done, ToMove], 1, 1, 0));
    let back = seen(&[0, 1, 2], Some((&[0, 1, 2], &[0], &[2])));
    assert_eq!(both(&back), (vec![Done, InFlight], 1, 1, 1));
    assert_eq!(both(&seen(&[0, 1], None)), (vec![Done, Done], 2, 0, 0));
}

#[test]
fn a_move_that_was_noted_and_is_seen_to_begin_is_in_flight() {
    let change = change(&[0, 1], &[2, 1]);
    let noted = Underway {
        moves: vec![Intent {
            topic: change.key.topic.clone(),
            partition: 0,
            from: change.from.clone(),
            to: change.to.clone(),
            bytes: 1_000,
        }],
        ..Underway::default()
    };
    let proposal = Proposal {
        changes: vec![change],
        ..Proposal::default()
    };
    let begins = seen(&[2, 1, 0], None);
    let standing = |underway| standings(&proposal, &begins, underway)[0].1;
    assert_eq!(standing(Some(&noted)), Standing::InFlight);
    assert_eq!(standing(None), Standing::Void, "somebody else's");
}

#[test]
fn notes_of_an_operator_that_counted_no_bytes_are_read() {
    let text = r#"{"throttled": [0], "moves": [
        {"topic": "orders", "partition": 0, "from": [0, 1], "to": [2, 1]}
    ]}"#;
    let underway: Underway = serde_json::from_str(text).unwrap();
    assert_eq!(underway.done, Work::default());
    assert_eq!(underway.moves[0].bytes, 0);
}
