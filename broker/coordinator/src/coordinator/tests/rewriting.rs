//! What is known, appended anew: the log before it is not needed any more.

use kintsugi_types::{ErrorCode, Time, TimestampMs};
use proptest::collection::vec;
use proptest::prelude::*;

use super::harness::*;
use super::offsets::{commit, fetch};
use super::survives::{Step, World, a_step, run};
use crate::event::{Command, Event, GroupRequest};
use crate::group::{Group, GroupState};

fn is_rewritten(commands: &[Command]) -> Option<bool> {
    commands.iter().find_map(|command| match command {
        Command::Rewritten { is_done, .. } => Some(*is_done),
        _ => None,
    })
}

/// A coordinator that read these batches.
fn read(batches: &[bytes::Bytes]) -> Harness {
    let mut next = Harness::new();
    for batch in batches {
        next.coordinator.load(batch).unwrap();
    }
    next.now_ms = 1_000_000;
    let now = Time::from_millis(next.now_ms);
    next.coordinator.finish_load(now, TimestampMs(5_000));
    next
}

#[test]
fn members_and_offsets_are_known_from_the_rewrite_alone() {
    let mut harness = Harness::new();
    let (leader, other) = harness.stable_pair();
    for offset in 0..50 {
        let (_, commands) = harness.send(commit(&other, 1, offset, "note"));
        harness.commit(&commands);
    }
    let start = harness.log.len();
    let commands = harness.handle(Event::Rewrite);
    let commands = harness.commit(&commands);
    assert_eq!(is_rewritten(&commands), Some(true));
    assert_eq!(harness.log.len(), start + 1);

    let mut next = read(&harness.log[start..]);
    assert_eq!(fetch(&mut next), (49, "note".to_owned(), 4));
    assert_eq!(next.heartbeat(&leader, 1), ErrorCode::None);
    let (token, commands) = next.sync(&other, 1, &[]);
    assert_eq!(commands, vec![synced(token, "b")]);
}

#[test]
fn a_rewrite_waits_for_the_appends_before_it_and_leaves_out_what_is_on_its_way() {
    let mut harness = Harness::new();
    let (_, commands) = harness.send(commit("", -1, 1, ""));
    harness.commit(&commands);
    let (_, before) = harness.send(commit("", -1, 2, ""));
    assert_eq!(harness.handle(Event::Rewrite), vec![]);
    let (_, after) = harness.send(commit("", -1, 3, ""));
    harness.log.clear();
    // Nothing but offset 3, which lies behind the start itself, so nothing is written at all.
    assert_eq!(harness.commit(&before).len(), 2);
    harness.commit(&after);
    assert_eq!(fetch(&mut read(&harness.log[1..])).0, 3);
}

#[test]
fn a_rewrite_whose_append_fails_is_given_up_and_can_be_asked_for_again() {
    let mut harness = Harness::new();
    let (_, commands) = harness.send(commit("", -1, 1, ""));
    harness.commit(&commands);
    let commands = harness.handle(Event::Rewrite);
    let failed = harness.handle(Event::Appended {
        append_token: append_of(&commands).0,
        result: Err(ErrorCode::RequestTimedOut),
    });
    assert_eq!(is_rewritten(&failed), Some(false));
    let commands = harness.handle(Event::Rewrite);
    assert_eq!(is_rewritten(&harness.commit(&commands)), Some(true));
}

#[test]
fn a_large_state_is_rewritten_in_batches_between_which_others_commit() {
    let mut harness = Harness::new();
    for first in 0..5 {
        let GroupRequest::OffsetCommit(mut request) = commit("", -1, 1, "") else {
            panic!()
        };
        let partition = request.topics[0].partitions[0].clone();
        request.topics[0].partitions = (first * 500..(first + 1) * 500)
            .map(|index| partition.clone().with_partition_index(index))
            .collect();
        let (_, commands) = harness.send(GroupRequest::OffsetCommit(request));
        harness.commit(&commands);
    }
    harness.log.clear();
    let mut commands = harness.handle(Event::Rewrite);
    let mut batches = 0;
    while is_rewritten(&commands).is_none() {
        let (_, others) = harness.send(commit("", -1, 100 + batches, ""));
        commands = harness.commit(&commands);
        harness.commit(&others);
        batches += 1;
    }
    assert_eq!(batches, 3);
    let mut next = read(&harness.log);
    assert_eq!(fetch(&mut next).0, 102);
    let offsets = |harness: &Harness| {
        harness
            .coordinator
            .groups
            .values()
            .next()
            .map(|g| g.offsets.len())
    };
    assert_eq!(offsets(&next), Some(2_500));
}

/// What of a group has to be the same, however its log was read. Between two generations members
/// are not: they have to join again anyway.
fn known(group: &Group) -> String {
    let members = match group.state {
        GroupState::Stable | GroupState::Empty => format!("{:?}", group.members.keys()),
        _ => String::new(),
    };
    let offsets: Vec<_> = group
        .offsets
        .iter()
        .map(|(key, stored)| (key, &stored.commit))
        .collect();
    format!("{} {members} {offsets:?}", group.id)
}

proptest! {
    #[test]
    fn reading_from_the_start_of_a_rewrite_gives_what_the_coordinator_knows(
        before in vec(a_step(), 1..60),
        meanwhile in vec(a_step(), 0..50),
        version in 3_i16..=5,
    ) {
        let mut harness = Harness::new();
        harness.version = version;
        let mut world = World::default();
        for step in before {
            run(&mut harness, &mut world, step);
        }
        // What is appended and not committed yet lies before the start, too.
        let start = harness.log.len() + world.appends.len();
        let commands = harness.handle(Event::Rewrite);
        world.take(commands);
        for step in meanwhile {
            // What is in the log of a leader that goes on leading is committed some time.
            let step = match step {
                Step::Settle { .. } => Step::Settle { fails: false },
                step => step,
            };
            run(&mut harness, &mut world, step);
        }
        while !world.appends.is_empty() {
            run(&mut harness, &mut world, Step::Settle { fails: false });
        }
        prop_assert_eq!(world.rewritten, Some(true));
        let next = read(&harness.log[start..]);
        for (id, group) in &harness.coordinator.groups {
            let is_recorded = group.generation > 0 || !group.offsets.is_empty();
            if is_recorded && !matches!(group.state, GroupState::PreparingRebalance | GroupState::CompletingRebalance) {
                prop_assert_eq!(next.coordinator.groups.get(id).map(known), Some(known(group)));
            }
        }
        for id in next.coordinator.groups.keys() {
            prop_assert!(harness.coordinator.groups.contains_key(id), "{} came back", id);
        }
    }
}
