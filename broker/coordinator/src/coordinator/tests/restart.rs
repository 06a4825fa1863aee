use bytes::Bytes;
use kintsugi_types::{ErrorCode, Time, TimestampMs};

use super::harness::*;
use super::offsets::{commit, fetch};
use crate::coordinator::LoadError;
use crate::event::{Command, GroupRequest, GroupResponse};
use crate::id::GroupId;

/// The coordinator that another broker has after reading the log.
pub(super) fn restarted(harness: &Harness) -> Harness {
    let mut next = Harness::new();
    for batch in &harness.log {
        next.coordinator.load(batch).unwrap();
    }
    next.now_ms = 500_000;
    next.coordinator
        .finish_load(Time::from_millis(500_000), TimestampMs(5_000));
    next
}

#[test]
fn members_go_on_undisturbed_with_the_coordinator_that_read_the_log() {
    let mut harness = Harness::new();
    let (leader, other) = harness.stable_pair();
    let (_, commands) = harness.send(commit(&other, 1, 77, "note"));
    harness.commit(&commands);

    let mut next = restarted(&harness);
    assert_eq!(fetch(&mut next), (77, "note".to_owned(), 4));
    assert_eq!(next.heartbeat(&leader, 1), ErrorCode::None);
    let (token, commands) = next.sync(&other, 1, &[]);
    assert_eq!(commands, vec![synced(token, "b")]);
    // Everyone has a whole session from the take-over on.
    assert_eq!(
        next.coordinator.next_wake(),
        Time::from_millis(500_000 + SESSION_MS)
    );
}

#[test]
fn what_was_not_committed_is_not_read_back() {
    let mut harness = Harness::new();
    let (leader, other) = harness.stable_pair();
    harness.join(&leader);
    harness.join(&other);
    harness.sync(&leader, 2, &[(&leader, "never committed")]);

    let mut next = restarted(&harness);
    assert_eq!(next.heartbeat(&leader, 2), ErrorCode::IllegalGeneration);
    assert_eq!(next.heartbeat(&leader, 1), ErrorCode::None);
}

#[test]
fn a_deleted_group_stays_deleted() {
    let mut harness = Harness::new();
    let (_, commands) = harness.send(commit("", -1, 1, ""));
    harness.commit(&commands);
    let id = GroupId("group".to_owned());
    let (_, commands) = harness.send(GroupRequest::DeleteGroup(id));
    harness.commit(&commands);
    assert!(restarted(&harness).coordinator.groups.is_empty());
}

#[test]
fn a_loaded_group_is_described_and_listed_as_it_was() {
    let mut harness = Harness::new();
    harness.stable_pair();
    let mut next = restarted(&harness);
    let ask = |harness: &mut Harness, request: GroupRequest| -> GroupResponse {
        let (_, commands) = harness.send(request);
        match commands.into_iter().next() {
            Some(Command::Respond { response, .. }) => response,
            other => panic!("{other:?}"),
        }
    };
    let id = GroupId("group".to_owned());
    for request in [
        GroupRequest::DescribeGroup(id),
        GroupRequest::ListGroups {
            states: vec!["stable".to_owned()],
            types: vec!["Classic".to_owned()],
        },
        GroupRequest::ListGroups {
            states: vec!["Empty".to_owned()],
            types: vec![],
        },
    ] {
        let before = ask(&mut harness, request.clone());
        assert_eq!(ask(&mut next, request), before);
    }
}

#[test]
fn a_damaged_log_is_an_error_and_no_panic() {
    let mut harness = Harness::new();
    harness.stable_pair();
    let batch = harness.log[0].clone();
    for end in 0..batch.len() {
        let mut next = Harness::new();
        let cut = next.coordinator.load(&batch.slice(..end));
        assert!(matches!(cut, Err(LoadError::Batch(_))));
    }
    let mut damaged = batch.to_vec();
    for at in 61..damaged.len() {
        damaged[at] ^= 0x55;
        let crc = crc32c(&damaged[21..]);
        damaged[17..21].copy_from_slice(&crc.to_be_bytes());
        let mut next = Harness::new();
        let _ = next.coordinator.load(&Bytes::from(damaged.clone()));
        next.coordinator.finish_load(Time::ZERO, TimestampMs(5_000));
        damaged[at] ^= 0x55;
    }
}

/// CRC-32C, bit by bit.
fn crc32c(bytes: &[u8]) -> u32 {
    let crc = bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0x82f6_3b78 & (crc & 1).wrapping_neg())
        })
    });
    !crc
}
