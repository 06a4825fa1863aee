//! Decisions about rebalances: whole command lists, and what they come to.

mod disks;
mod gates;
mod properties;
mod take_over;
mod world;

use std::collections::{BTreeMap, BTreeSet};

use kintsugi_crds::{KafkaRebalanceStatus, RebalanceGoal, RebalancePhase, RebalanceProgress};
use kintsugi_load::RequestTimes;
use kintsugi_survey::PartitionKey;
use serde_json::json;

use super::plan::{Command, Intent, MarkChange, Marks, Underway};
use super::producers::Interval;
use super::throttle::RATE_FIRST;
use super::validate::{ValidateError, planners, validate};
use crate::fixtures::at;
use world::{World, key};

/// Events by reason, in order.
fn events(commands: &[Command]) -> Vec<&'static str> {
    let announced = commands.iter().filter_map(Command::announcement);
    announced.map(|announcement| announcement.reason).collect()
}

/// The acts by name, in order.
fn names(commands: &[Command]) -> Vec<&'static str> {
    commands.iter().map(Command::name).collect()
}

fn status(world: &World) -> KafkaRebalanceStatus {
    world.resource.status.clone().unwrap()
}

fn phase(world: &World) -> RebalancePhase {
    status(world).phase.unwrap()
}

fn progress(world: &World) -> RebalanceProgress {
    status(world).progress.unwrap()
}

fn grow() -> World {
    World::new(4, json!({"scope": "AddBrokers", "brokers": [3]}))
}

fn marked(marks: Marks) -> Command {
    let clears_word = false;
    Command::Mark(MarkChange { marks, clears_word })
}

fn labelled() -> Marks {
    Marks {
        cluster: Some("demo".to_owned()),
        ..Marks::default()
    }
}

/// A world whose proposal is there.
fn proposed(mut world: World) -> World {
    assert_eq!(world.look(), [marked(labelled())]);
    world.look();
    assert_eq!(phase(&world), RebalancePhase::ProposalReady);
    world
}

#[test]
fn a_proposal_says_what_it_costs_and_brings_and_moves_nothing() {
    let mut world = proposed(grow());
    let said = status(&world);
    let progress = said.progress.clone().unwrap();
    assert!(progress.moves_total > 0);
    assert_eq!(progress.moves_left, progress.moves_total);
    assert_eq!(progress.bytes_total, progress.moves_total * 1_000);
    assert!(progress.lower_bound_bytes.unwrap() <= progress.bytes_total);
    assert_eq!(
        said.moves.len(),
        usize::try_from(progress.moves_total).unwrap()
    );
    let disk = said
        .goals
        .iter()
        .find(|goal| goal.goal == "DiskUsageDistribution");
    let disk = disk.unwrap();
    assert!(
        disk.violations_before > 0 && disk.violations_after == 0,
        "{disk:?}"
    );
    assert_eq!(world.look(), [], "nothing changes while nobody approves");
    world.assert_clean();
}

/// The copies that the plan asks for, all of them.
fn intents(world: &World) -> Vec<Intent> {
    let held = world.held.as_ref().unwrap();
    let changes = held.proposal.changes.iter();
    changes
        .map(|change| Intent {
            topic: "orders".to_owned(),
            partition: change.key.number,
            from: change.from.clone(),
            to: change.to.clone(),
            bytes: change.bytes,
        })
        .collect()
}

/// The rate that the four brokers are told first.
fn begins_low() -> Command {
    Command::SetRates {
        brokers: (0..4).collect(),
        bytes_per_second: RATE_FIRST,
        reason: "throttle begins low: nothing is known yet of what moves do to clients; how long \
                 producers' requests take is not known: loads are not measured yet, or the brokers' \
                 version does not tell"
            .to_owned(),
    }
}

#[test]
fn moves_are_noted_then_throttled_then_begun_and_the_notes_go_when_they_are_over() {
    let mut world = proposed(grow());
    world.say(Some("approve"));
    let held = Marks {
        is_held: true,
        ..labelled()
    };
    assert_eq!(world.look(), [marked(held.clone())]);
    let begun = world.look();
    let underway = Marks {
        underway: Some(Underway::default()),
        ..held.clone()
    };
    assert_eq!(begun[0], marked(underway));
    assert_eq!(events(&begun), ["RebalanceBegun"]);

    let intents = intents(&world);
    let noted = Marks {
        underway: Some(Underway {
            throttled: (0..4).collect(),
            produce_p99_ms: Some(BTreeMap::new()),
            moves: intents.clone(),
            ..Underway::default()
        }),
        ..held
    };
    let targets: BTreeMap<PartitionKey, Vec<i32>> = intents
        .iter()
        .map(|intent| (intent.key(), intent.to.clone()))
        .collect();
    let batch = world.look();
    let expected = [
        marked(noted),
        begins_low(),
        Command::Throttle(intents.clone()),
        Command::Reassign(targets),
    ];
    assert_eq!(batch[..4], expected);
    assert_eq!(names(&batch[4..]), ["write-status"]);
    assert_eq!(phase(&world), RebalancePhase::Rebalancing);

    world.seconds += 2;
    world.look();
    let all = i64::try_from(intents.len()).unwrap();
    assert_eq!(progress(&world).moves_in_flight, all);
    let told = i64::try_from(world.rates[&3]).unwrap();
    assert_eq!(progress(&world).throttle_bytes_per_second, Some(told));
    assert_eq!(progress(&world).seconds_left, Some(1));

    world.complete(usize::MAX);
    let last = world.look();
    let elected = names(&last).contains(&"elect");
    let last = if elected { world.look() } else { last };
    assert_eq!(last.last().map(Command::name), Some("write-status"));
    assert!(events(&last).contains(&"RebalanceCompleted"), "{last:?}");
    world.look();
    assert_eq!(phase(&world), RebalancePhase::Completed);
    assert_eq!(progress(&world).moves_left, 0);
    assert_eq!(world.rebalance().word, None, "the approval is used up");
    assert!(world.replicas_on(3) >= 4);
    world.assert_clean();
    assert_eq!(world.look(), []);
}

#[test]
fn a_stop_takes_back_what_is_in_flight_and_leaves_what_was_moved() {
    let mut world = proposed(grow());
    world.say(Some("approve"));
    for _ in 0..3 {
        world.look();
    }
    world.complete(1);
    world.look();
    let on_three = world.replicas_on(3);
    assert!(on_three > 1);
    world.say(Some("stop"));
    let stopped = world.look();
    assert_eq!(
        names(&stopped),
        ["cancel", "unthrottle", "clear-rates", "mark", "announce"]
    );
    world.look();
    assert_eq!(phase(&world), RebalancePhase::Stopped);
    assert_eq!(world.replicas_on(3), 1);
    world.assert_clean();
    assert_eq!(world.look(), []);

    world.say(Some("approve"));
    world.settle();
    assert_eq!(phase(&world), RebalancePhase::Completed);
    assert!(world.replicas_on(3) >= 4);
    world.assert_clean();
}

#[test]
fn a_pause_lets_moves_in_flight_end_and_begins_none() {
    let mut world = proposed(grow());
    world.say(Some("approve"));
    for _ in 0..3 {
        world.look();
    }
    world.resource.spec.paused = true;
    let paused = world.look();
    assert!(events(&paused).contains(&"RebalancePaused"), "{paused:?}");
    assert!(!world.snapshot().moving.is_empty());
    world.complete(usize::MAX);
    world.settle();
    world.resource.spec.paused = false;
    world.settle();
    assert_eq!(phase(&world), RebalancePhase::Completed);
    world.assert_clean();
}

#[test]
fn a_broker_that_is_removed_is_empty_at_the_end_with_what_was_created_on_it_meanwhile() {
    let spec = json!({"scope": "RemoveBrokers", "brokers": [2], "approval": "Automatic"});
    let mut world = World::new(4, spec);
    for _ in 0..5 {
        world.look();
    }
    assert!(!world.snapshot().moving.is_empty());
    let mut late = world.snapshot().cluster.partitions[&key(0)].clone();
    late.replicas = vec![2, 1];
    late.in_sync = vec![2, 1];
    late.leader = Some(2);
    let partitions = &mut world.snapshot().cluster.partitions;
    partitions.insert(key(PARTITION_NEW), late);
    world.settle();
    assert_eq!(phase(&world), RebalancePhase::Completed);
    assert_eq!(world.replicas_on(2), 0);
    assert!(progress(&world).moves_total > 0, "what was done stays told");
    world.assert_clean();
}

/// A partition that comes later.
const PARTITION_NEW: i32 = 99;

#[test]
fn a_broker_that_cannot_be_emptied_is_refused_with_the_reason() {
    let mut world = World::new(3, json!({"scope": "RemoveBrokers", "brokers": [1, 2]}));
    world.look();
    let said = world.look();
    assert_eq!(phase(&world), RebalancePhase::Failed);
    assert_eq!(events(&said), ["RebalanceFailed"]);
    let message = status(&world).message.unwrap();
    assert!(message.contains("OfflineReplicas"), "{message}");
    world.assert_clean();
}

#[test]
fn leaderships_move_without_a_copy_and_without_a_throttle() {
    let mut world = World::new(
        3,
        json!({"scope": "Leaders", "goals": ["LeaderReplicaDistribution"], "approval": "Automatic"}),
    );
    for partition in world.snapshot().cluster.partitions.values_mut() {
        partition.leader = partition.replicas.iter().copied().min();
        let leader = partition.leader.unwrap();
        partition.replicas.sort_by_key(|id| *id != leader);
    }
    let mut acts = BTreeSet::new();
    for _ in 0..8 {
        acts.extend(names(&world.look()));
    }
    assert_eq!(phase(&world), RebalancePhase::Completed);
    let expected = ["announce", "elect", "mark", "reassign", "write-status"];
    assert_eq!(acts, expected.into_iter().collect());
    let led = [0, 1, 2].map(|broker| {
        let partitions = world.snapshot().cluster.partitions.values();
        partitions
            .filter(|partition| partition.leader == Some(broker))
            .count()
    });
    assert!(led.iter().all(|led| (3..=5).contains(led)), "{led:?}");
    world.assert_clean();
}

#[test]
fn a_refresh_throws_the_plan_away_and_is_used_up() {
    let mut world = proposed(grow());
    world.say(Some("approve"));
    world.settle();
    assert_eq!(phase(&world), RebalancePhase::Completed);
    world.say(Some("refresh"));
    world.look();
    assert_eq!(world.rebalance().word, None);
    assert!(!world.rebalance().marks.ended);
    world.look();
    assert_eq!(phase(&world), RebalancePhase::ProposalReady);
    assert_eq!(progress(&world).moves_total, 0);
}

#[test]
fn a_resource_that_goes_takes_back_what_it_began_first() {
    let mut world = proposed(grow());
    world.say(Some("approve"));
    for _ in 0..3 {
        world.look();
    }
    let now = world.now();
    world.resource.metadata.deletion_timestamp =
        Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(now));
    let last = world.look();
    assert_eq!(
        names(&last),
        ["cancel", "unthrottle", "clear-rates", "mark"]
    );
    world.assert_clean();
    assert_eq!(world.look(), []);
}

#[test]
fn the_rate_that_people_set_is_told_at_once() {
    let mut world = proposed(grow());
    world.say(Some("approve"));
    for _ in 0..3 {
        world.look();
    }
    world.resource.spec.throttle_bytes_per_second = Some(70_000);
    world.look();
    assert_eq!(world.rates[&3], 70_000);
}

/// On every broker a thousand producers' requests in the 5 s before now, all of which took as long as the
/// bound at `place`: 10, 50 or 500 ms.
fn producers_wait(world: &mut World, place: usize) {
    let (began, ended) = (at(world.seconds - 5), world.now());
    let mut counts = vec![0.0; 4];
    counts[place] = 1_000.0;
    let times = RequestTimes {
        bounds_ms: vec![10.0, 50.0, 500.0],
        counts,
    };
    let interval = Interval {
        began,
        ended,
        times,
    };
    let load = world.observed.load.as_mut().unwrap();
    for broker in 0..4 {
        let told = load.produce_times.entry(broker).or_default();
        told.get_or_insert_default().push(interval.clone());
    }
}

#[test]
fn moves_that_producers_feel_are_slowed_down_and_the_status_says_what_they_feel() {
    let mut world = proposed(grow());
    producers_wait(&mut world, 0);
    world.say(Some("approve"));
    for _ in 0..3 {
        world.look();
    }
    let underway = world.rebalance().marks.underway.unwrap();
    let before = (0..4).map(|broker| (broker, 10)).collect();
    assert_eq!(underway.produce_p99_ms, Some(before));
    assert_eq!(progress(&world).produce_p99_ms, None);

    world.seconds += 10;
    producers_wait(&mut world, 2);
    let commands = world.look();
    let reason = "throttle halved: producers' p99 496 ms on broker 3, 10 ms before the moves";
    let expected = [
        Command::SetRates {
            brokers: (0..4).collect(),
            bytes_per_second: RATE_FIRST / 2,
            reason: reason.to_owned(),
        },
        Command::WriteStatus(Box::new(status(&world))),
    ];
    assert_eq!(commands, expected);
    let told = progress(&world);
    assert_eq!(told.throttle_reason.as_deref(), Some(reason));
    assert_eq!(
        (told.produce_p99_ms, told.produce_p99_before_ms),
        (Some(496), Some(10))
    );

    world.settle();
    let told = progress(&world);
    assert_eq!(told.throttle_reason, None, "moves are over");
    assert_eq!(told.produce_p99_ms, None, "no request came lately");
    world.assert_clean();
}

#[test]
fn an_operator_that_begins_halfway_goes_by_what_was_noted_before_the_first_move() {
    let mut world = proposed(grow());
    producers_wait(&mut world, 0);
    world.say(Some("approve"));
    for _ in 0..3 {
        world.look();
    }
    world.complete(1);
    world.held = None;
    for _ in 0..3 {
        world.look();
    }
    world.seconds += 10;
    producers_wait(&mut world, 2);
    let commands = world.look();
    let expected = [
        Command::SetRates {
            brokers: (0..4).collect(),
            bytes_per_second: RATE_FIRST / 2,
            reason: "throttle halved: producers' p99 496 ms on broker 3, 10 ms before the moves"
                .to_owned(),
        },
        Command::WriteStatus(Box::new(status(&world))),
    ];
    assert_eq!(commands, expected);
    let live = i64::try_from(world.snapshot().moving.len()).unwrap();
    assert_eq!(progress(&world).moves_left, live);
    assert!(live > 0);
}

#[test]
fn every_goal_of_the_resource_is_the_planners_goal_of_that_name() {
    let names = [
        "RackAware",
        "MinTopicLeadersPerBroker",
        "ReplicaCapacity",
        "DiskCapacity",
        "NetworkInboundCapacity",
        "NetworkOutboundCapacity",
        "CpuCapacity",
        "ReplicaDistribution",
        "PotentialNwOut",
        "DiskUsageDistribution",
        "NetworkInboundUsageDistribution",
        "NetworkOutboundUsageDistribution",
        "CpuUsageDistribution",
        "TopicReplicaDistribution",
        "LeaderReplicaDistribution",
        "LeaderBytesInDistribution",
    ];
    for name in names {
        let goal: RebalanceGoal = serde_json::from_value(json!(name)).unwrap();
        assert_eq!(planners(goal).name(), name);
    }
}

#[test]
fn words_and_notes_that_cannot_be_read_are_refused_and_never_hold_a_deletion() {
    let mut world = grow();
    world.say(Some("aprove"));
    let error = validate(&world.resource).unwrap_err();
    assert_eq!(error, ValidateError::Word("aprove".to_owned()));
    world.say(None);
    let annotations = world.resource.metadata.annotations.as_mut().unwrap();
    annotations.insert("kintsugi.dev/rebalance-underway".to_owned(), "{".to_owned());
    let error = validate(&world.resource).unwrap_err();
    assert!(matches!(error, ValidateError::Underway(_)), "{error}");
    world.resource.metadata.finalizers = Some(vec!["kintsugi.dev/rebalance".to_owned()]);
    let now = world.now();
    world.resource.metadata.deletion_timestamp =
        Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(now));
    let commands = super::reconcile::on_invalid(&world.resource, &error, now);
    assert_eq!(commands, [marked(Marks::default())]);
}
